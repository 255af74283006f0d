"""What middleware concludes from a request's head."""

from ipaddress import ip_network

import pytest
from starlette.datastructures import Headers

from taskflow.api.middleware.rate_limit import by_address
from taskflow.api.middleware.request_id import RequestIdMiddleware
from taskflow.api.origins import ForeignOriginError, Origins


async def _state(peer: str | None, headers: dict[str, str], *trusted: str) -> dict:
    seen: dict = {}

    async def app(scope: dict, receive: object, send: object) -> None:
        seen.update(scope["state"])

    middleware = RequestIdMiddleware(app, [ip_network(network) for network in trusted])
    scope = {
        "type": "http",
        "client": (peer, 1) if peer else None,
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await middleware(scope, None, None)
    return seen


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "address"),
    [
        ("203.0.113.9", "198.51.100.1", [], "203.0.113.9"),  # nobody is trusted
        ("10.0.0.1", "198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),  # the left one is the caller's word
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", ["10.0.0.0/8"], "198.51.100.1"),
        ("10.0.0.1", "garbage, 10.0.0.2", ["10.0.0.0/8"], "10.0.0.2"),
        ("203.0.113.9", "198.51.100.1", ["10.0.0.0/8"], "203.0.113.9"),
        ("::ffff:10.0.0.1", "198.51.100.1", ["10.0.0.0/8"], "198.51.100.1"),
        (None, "198.51.100.1", [], "127.0.0.1"),
    ],
)
async def test_forwarded_addresses_are_believed_from_trusted_proxies_only(
    peer: str | None, forwarded: str, trusted: list[str], address: str
) -> None:
    assert (await _state(peer, {"X-Forwarded-For": forwarded}, *trusted))["address"] == address


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1", True), ("a b", False), ("x" * 65, False), ("a\r\nb", False), ("", False)]
)
async def test_a_callers_request_id_is_kept_when_it_is_harmless(given: str, kept: bool) -> None:
    assert ((await _state("127.0.0.1", {"X-Request-ID": given}))["request_id"] == given) is kept


def test_an_ipv6_subscriber_is_one_address() -> None:
    identify = by_address(10)
    first, second, other = (
        identify({"state": {"address": address}})[0]
        for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1")
    )
    assert first == second != other


ORIGINS = Origins(["https://app.example.com"])


@pytest.mark.parametrize("origin", [None, "https://app.example.com", "http://api.example.com:8000"])
def test_our_own_pages_and_named_origins_pass(origin: str | None) -> None:
    headers = {"host": "api.example.com:8000"} | ({"origin": origin} if origin else {})
    ORIGINS.check(Headers(headers))


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "",
        "https://evil.example",
        "https://app.example.com.evil.example",
        "https://evilapp.example.com",
        "http://app.example.com",
        "https://app.example.com:444",
        "http://api.example.com:8000.evil.example",
        "http://api.example.com:8000@evil.example",
        "http://[",
        "file://",
    ],
)
def test_other_sites_pages_are_refused(origin: str) -> None:
    with pytest.raises(ForeignOriginError):
        ORIGINS.check(Headers({"host": "api.example.com:8000", "origin": origin}))
