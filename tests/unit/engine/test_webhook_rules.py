"""Webhooks: signatures as the standard has them, and addresses that lead out of the house and nowhere else."""

import base64
import json
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from uuid import UUID

import pytest

from taskflow.base.ids import uuid7
from taskflow.engine.webhooks.addresses import AddressGuard, InvalidWebhookUrlError, Target
from taskflow.engine.webhooks.sender import judge
from taskflow.engine.webhooks.signatures import headers, secret_of, written
from taskflow.engine.webhooks.tasks import body_of

SECRET_KEY = "a-secret-key-of-thirty-two-characters"
REFERENCE = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_the_signature_is_that_of_the_standards_reference_vector() -> None:
    signed = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', [REFERENCE])
    assert signed == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_two_secrets_make_two_signatures() -> None:
    first, second = headers("msg_1", 1, b"{}", [REFERENCE, b"x" * 32])["webhook-signature"].split(" ")
    assert first == headers("msg_1", 1, b"{}", [REFERENCE])["webhook-signature"]
    assert second.startswith("v1,")
    assert first != second


def test_a_secret_is_another_for_another_webhook_version_or_key() -> None:
    one = uuid7()
    secrets = {
        secret_of(SECRET_KEY, one, 1),
        secret_of(SECRET_KEY, one, 2),
        secret_of(SECRET_KEY, UUID(int=one.int + 1), 1),
        secret_of(SECRET_KEY + "x", one, 1),
    }
    assert len(secrets) == 4
    assert secret_of(SECRET_KEY, one, 1) in secrets
    text = written(secret_of(SECRET_KEY, one, 1))
    assert base64.b64decode(text.removeprefix("whsec_")) == secret_of(SECRET_KEY, one, 1)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",  # noqa: S104
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
        "::1", "::", "fe80::1", "fc00::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::",
        "192.0.0.8", "fec0::1", "3fff::1", "5f00::1", "64:ff9b:1::808:808",
        "64:ff9b:1:7f00:0:100:808:808",  # 127.0.0.1 to a translator that keeps it behind its 48 bits
    ],
)  # fmt: skip
def test_what_is_inside_is_not_reached(address: str) -> None:
    assert not AddressGuard().may_reach(ip_address(address), plain=False)


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "2606:2800:220:1::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]
)
def test_what_is_global_is_reached_but_not_in_the_clear(address: str) -> None:
    assert AddressGuard().may_reach(ip_address(address), plain=False)
    assert not AddressGuard().may_reach(ip_address(address), plain=True)


def test_an_operator_may_open_networks_inside() -> None:
    guard = AddressGuard([ip_network("10.1.0.0/16"), ip_network("fd00::/8")])
    for address in ("10.1.2.3", "fd00::1", "::ffff:10.1.2.3"):
        assert guard.may_reach(ip_address(address), plain=True), address
    for address in ("10.2.0.1", "127.0.0.1", "fc00::1"):
        assert not guard.may_reach(ip_address(address), plain=False), address


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/", "https://", "https:///path", "//example.com", "https://user:pass@example.com/",
        "https://example.com:99999/", "https://exa mple.com/", "https://example.com/\r\nX: y", "https://[::1/",
        "https://example.com/" + "x" * 2000, "https://exämple.com/", "javascript:alert(1)", "",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(InvalidWebhookUrlError):
        Target(url)


def test_an_address_is_taken_apart() -> None:
    target = Target("https://Example.com:8443/a/b?c=d#e")
    assert (target.scheme, target.host, target.port, target.path) == ("https", "example.com", 8443, "/a/b?c=d")
    assert (Target("https://example.com").port, Target("https://example.com").path) == (443, "/")


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_loopback_is_refused_however_it_is_spelled(host: str) -> None:
    with pytest.raises(InvalidWebhookUrlError):
        await AddressGuard().find(Target(f"https://{host}/"))


def test_statuses_say_whether_and_when_to_try_again() -> None:
    assert judge(204).error is None
    assert "redirects are not followed" in str(judge(302).error)
    assert judge(503, b"120").after == 120.0
    assert judge(503, b"99999999").after == 86_400.0
    assert judge(503, b"Wed, 21 Oct 2026 07:28:00 GMT").after is None
    assert (judge(410).is_gone, judge(404).is_gone) == (True, False)


def test_a_message_says_of_an_encrypted_error_only_that_it_is() -> None:
    message = {
        "event": "task.failed",
        "data": {"task_name": "charge"},
        "occurred_at": datetime(2026, 11, 22, tzinfo=UTC),
        "error_message": "$encrypted:2026-11:" + "A" * 481,  # as the statement cuts it
    }
    assert json.loads(body_of(message))["data"]["error"] == "(encrypted with the key 2026-11)"  # type: ignore[arg-type]
