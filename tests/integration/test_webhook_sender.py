"""One attempt against a real receiver: whatever it answers, it costs a bounded time and reads nothing."""

import gzip
import socket
import ssl
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from support.certificates import server_context
from support.receiver import endless, hang, plain, receiving
from taskflow.base.outbound import AddressGuard
from taskflow.engine.webhooks.sender import Sender, guard_of
from taskflow.settings.webhook import WebhookSettings

LOOPBACK = AddressGuard([ip_network("127.0.0.0/8")])


def sender(guard: AddressGuard = LOOPBACK, seconds: float = 5.0, tls: ssl.SSLContext | None = None) -> Sender:
    return Sender(guard, seconds, tls=tls)


async def test_a_message_arrives_whole() -> None:
    async with receiving() as receiver:
        answer = await sender().post(f"http://127.0.0.1:{receiver.port}/in?x=1", {"webhook-id": "msg_1"}, b'{"a": 1}')
    assert (answer.status, answer.error) == (204, None)
    [message] = receiver.messages
    assert (message.path, message.body, message.headers["webhook-id"]) == ("/in?x=1", b'{"a": 1}', "msg_1")
    assert message.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert message.headers["content-type"] == "application/json"


@pytest.mark.parametrize("status", [400, 404, 500, 503])
async def test_a_refusal_is_told_by_its_status_alone(status: int) -> None:
    async with receiving(plain(status, body=b"internal secret")) as receiver:
        answer = await sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"")
    assert answer.status == status
    assert answer.error == f"It answered {status}."


async def test_a_redirect_into_the_house_is_not_followed() -> None:
    async with receiving() as inside, receiving() as receiver:
        receiver.replies.append(plain(307, f"Location: http://127.0.0.1:{inside.port}/admin"))
        answer = await sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"")
    assert (answer.status, inside.connections) == (307, 0)
    assert "not followed" in str(answer.error)


async def test_a_receiver_that_hangs_costs_the_time_limit() -> None:
    async with receiving(hang) as receiver:
        answer = await sender(seconds=0.3).post(f"http://127.0.0.1:{receiver.port}/", {}, b"")
    assert (answer.status, answer.error) == (None, "No answer within 0.3 s.")


async def test_bodies_that_do_not_end_or_unfold_are_not_read() -> None:
    bomb = plain(200, "Content-Encoding: gzip", body=gzip.compress(b"\0" * 50_000_000))
    async with receiving(endless, bomb) as receiver:
        for _ in range(2):
            answer = await sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"")
            assert (answer.status, answer.error) == (200, None)


async def test_an_answer_that_is_no_http_is_an_error() -> None:
    async def rubbish(writer: Any) -> None:
        writer.write(b"\0" * 200_000)

    async with receiving(rubbish) as receiver:
        answer = await sender().post(f"http://127.0.0.1:{receiver.port}/", {}, b"")
    assert answer.status is None
    assert answer.error


async def test_a_connection_refused_is_an_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        answer = await sender().post(f"http://127.0.0.1:{free.getsockname()[1]}/", {}, b"")
    assert answer.status is None
    assert "ConnectError" in str(answer.error)


async def test_what_is_not_allowed_is_not_even_connected_to() -> None:
    async with receiving() as receiver:
        for url in (f"http://127.0.0.1:{receiver.port}/", f"https://localhost:{receiver.port}/"):
            answer = await sender(guard_of(WebhookSettings())).post(url, {}, b"")
            assert "TASKFLOW_WEBHOOK_ALLOW_NETWORKS" in str(answer.error)
    assert receiver.connections == 0


async def test_the_name_is_looked_up_once_and_the_certificate_is_checked_against_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers differently the second time leads nowhere."""
    context, pem = server_context(tmp_path, "hooks.example.com")
    asked: list[str] = []
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)

    class Names(AddressGuard):
        async def find(self, target: Any) -> list[str]:
            asked.append(target.host)
            return ["127.0.0.1"]

    tls = ssl.create_default_context(cafile=str(pem))
    async with receiving(tls=context) as receiver:
        url = f"https://hooks.example.com:{receiver.port}/in"
        answer = await sender(Names(), tls=tls).post(url, {}, b"{}")
        assert (answer.status, answer.error) == (204, None)
        assert (asked, names) == (["hooks.example.com"], ["hooks.example.com"])
        assert receiver.messages[0].headers["host"] == f"hooks.example.com:{receiver.port}"
        other = await sender(Names(), tls=tls).post(f"https://other.example.com:{receiver.port}/", {}, b"{}")
        assert other.status is None
        assert len(receiver.messages) == 1


async def test_of_several_addresses_the_next_is_tried(tmp_path: Path) -> None:
    class Two(AddressGuard):
        async def find(self, target: Any) -> list[str]:  # noqa: ARG002
            return ["127.0.0.2", "127.0.0.1"]

    async with receiving() as receiver:  # listens on 127.0.0.1 alone
        assert (await sender(Two()).post(f"http://x.example:{receiver.port}/", {}, b"")).status == 204
