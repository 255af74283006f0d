"""The way out over HTTP: where it may go, how far it reads, and what it says of a call that failed."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_network
from pathlib import Path

import pytest

from support.certificates import server_context
from support.receiver import endless_after, hang, plain, receiving
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.providers.http import (
    Answer,
    CallFailedError,
    HttpClient,
    InvalidProviderUrlError,
    Request,
    target_of,
)

LOOPBACK = ip_network("127.0.0.0/8")


async def failure(client: HttpClient, url: str) -> CallFailedError:
    with pytest.raises(CallFailedError) as caught:
        await client.call(Request("POST", url, {}, b"secret"))
    return caught.value


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]",  # noqa: S104 - nothing is bound
     "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
     "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "172.16.0.1",
     "100.64.0.1", "[fe80::1]", "[fc00::1]", "224.0.0.1", "255.255.255.255"],)  # fmt: skip
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_addresses_inside_the_house_hear_nothing(host: str, scheme: str) -> None:
    async with receiving() as server:
        client = HttpClient(AddressGuard(), seconds=5)
        error = await failure(client, f"{scheme}://{host}:{server.port}/")
        assert not error.handed_over
        assert server.connections == 0
        await client.close()


async def test_an_allowed_network_is_reached_and_only_that() -> None:
    async with receiving() as server:
        client = HttpClient(AddressGuard([ip_network("10.0.0.0/8")]), seconds=5)
        await failure(client, server.url)
        assert server.connections == 0
        await client.close()
        client = HttpClient(AddressGuard([LOOPBACK]), seconds=5)
        assert (await client.call(Request("GET", server.url))).code == 204
        await client.close()


async def test_a_name_that_turns_inward_between_two_calls_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each connection looks the name up anew and goes where the guard has looked (rebinding)."""
    async with receiving() as server:
        answers = iter([[(2, 1, 6, "", ("127.0.0.1", server.port))], [(2, 1, 6, "", ("169.254.169.254", server.port))]])

        async def look_up(*_: object, **__: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
            return next(answers)

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up, raising=False)
        client = HttpClient(AddressGuard([LOOPBACK]), seconds=5)
        url = f"http://api.example.com:{server.port}/"
        assert (await client.call(Request("GET", url))).code == 204
        error = await failure(client, url)
        assert not error.handed_over
        assert server.connections == 1
        await client.close()


async def test_a_redirect_is_an_answer_and_is_not_followed(client: HttpClient) -> None:
    async with receiving() as inside, receiving(plain(302, f"Location: {inside.url}")) as server:
        assert (await client.call(Request("GET", server.url))).code == 302
        assert inside.connections == 0


@pytest.mark.parametrize(
    "url",
    ["ftp://api.example.com/", "https://user:pass@api.example.com/", "https://", "https://api.example.com/#a", "x",
     "https://api.example.com/\r\nx", "https://api.example.com/ä", "https://a:99999/", "file:///etc/passwd", ""],
)  # fmt: skip
async def test_what_is_no_plain_http_address_is_refused(client: HttpClient, url: str) -> None:
    with pytest.raises(InvalidProviderUrlError):
        target_of(url)
    assert not (await failure(client, url)).handed_over


async def test_a_header_with_a_line_end_is_never_written(client: HttpClient) -> None:
    async with receiving() as server:
        for headers in ({"x-key": "a\r\nX-Other: b"}, {"x\r\ny": "a"}):
            with pytest.raises(CallFailedError) as caught:
                await client.call(Request("GET", server.url, headers))
            assert not caught.value.handed_over
        assert server.messages == []


async def test_an_endless_body_is_read_to_64_kib(client: HttpClient) -> None:
    async with receiving(endless_after(b"HTTP/1.1 200 OK")) as server:
        answer = await client.call(Request("GET", server.url))
        assert len(answer.body) == 64 * 1024
        assert not answer.is_whole


async def test_a_compressed_body_is_not_unpacked(client: HttpClient) -> None:
    async with receiving(plain(200, "Content-Encoding: gzip", body=b"\x1f\x8b bomb")) as server:
        assert (await client.call(Request("GET", server.url))).body == b"\x1f\x8b bomb"
        assert server.messages[0].headers["accept-encoding"] == "identity"


async def test_a_failure_to_connect_hands_nothing_over_and_silence_does(client: HttpClient, hasty: HttpClient) -> None:
    async with receiving(hang) as server:
        assert (await failure(hasty, server.url)).handed_over
        url = server.url
    assert not (await failure(client, url)).handed_over


async def test_a_certificate_that_nobody_trusts_hands_nothing_over(client: HttpClient, tmp_path: Path) -> None:
    context, pem = server_context(tmp_path)
    async with receiving(tls=context) as server:
        url = f"https://localhost:{server.port}/"
        error = await failure(client, url)
        assert not error.handed_over
        assert "CERTIFICATE_VERIFY_FAILED" in str(error)
        assert server.messages == []
        trusting = HttpClient(AddressGuard([LOOPBACK]), seconds=5, tls=ssl.create_default_context(cafile=str(pem)))
        assert (await trusting.call(Request("GET", url))).code == 204
        await trusting.close()


async def test_an_answer_is_told_on_one_printable_line() -> None:
    answer = Answer(400, {}, b"line one\r\nline two \x1b[31mred\x00\xff" + b"x" * 10_000)
    assert str(answer).startswith("HTTP 400: line one line two ")
    assert str(answer).isprintable()
    assert len(str(answer)) == 500


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("17", 17.0), ("0", 0.0), ("999999999999999", 86_400.0), ("-5", None), ("soon", None), ("", None), ("٣", None),
     ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
     ("Fri, 31 Dec 99999999999 23:59:59 GMT", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date_and_at_most_a_day(text: str, seconds: float | None) -> None:
    assert Answer(429, {"retry-after": text}, b"").retry_after == seconds


def test_a_date_in_retry_after_counts_from_now() -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    found = Answer(429, {"retry-after": soon}, b"").retry_after
    assert found is not None
    assert 0 < found <= 3_600


async def test_secrets_that_an_answer_repeats_are_cut_out(client: HttpClient) -> None:
    body = b"bad key a-secret+of/ours, a-secret%2Bof%2Fours"
    async with receiving(plain(400, "X-Message-Id: a-secret+of/ours", body=body)) as server:
        hidden = ("a-secret+of/ours",)
        answer = await client.call(Request("GET", server.url, hide=hidden))
        assert answer.body == b"bad key [redacted], [redacted]"
        assert answer.headers["x-message-id"] == "[redacted]"
