"""What strangers can take from the SMTP relay: little memory, few connections, a short while."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from support.api import Api
from support.messages import ledger
from support.relay import Line, connected, key_of
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery import incoming
from taskflow.delivery.submission import protocol
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Role
from taskflow.settings import Settings

Connect = Callable[[], Awaitable[Line]]


@pytest.fixture
async def connect(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[Connect]:
    """Connections to a relay that has room for two from each address."""
    settings.submission.max_connections_per_address = 2
    async with AsyncExitStack() as stack, SubmissionServer.running(database, broker, settings) as server:

        async def one() -> Line:
            return await stack.enter_async_context(connected(server))

        yield one


async def test_a_line_without_an_end_takes_no_memory(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    buffered: list[int] = []
    feed = asyncio.StreamReader.feed_data

    def feed_and_note(reader: asyncio.StreamReader, data: bytes) -> None:
        feed(reader, data)
        buffered.append(len(reader._buffer))  # type: ignore[attr-defined]

    monkeypatch.setattr(asyncio.StreamReader, "feed_data", feed_and_note)
    line = await connect()
    await line.reply()
    assert (await line.say(b"x" * 8_000_000 + b"\r\n")).startswith(b"500 ")
    assert (await line.say("NOOP")).startswith(b"250 ")
    assert max(buffered) < 1_000_000


async def test_an_address_gets_so_many_connections_and_another_when_one_is_over(connect: Connect) -> None:
    lines = [await connect() for _ in range(3)]
    greetings = [await line.reply() for line in lines]
    assert [greeting[:3] for greeting in greetings] == [b"220", b"220", b"421"]
    assert await lines[2].reader.read() == b"", "it is hung up"
    lines[0].writer.close()

    async def is_let_in() -> bool:
        return (await (await connect()).reply()).startswith(b"220")

    await eventually(is_let_in, what="room for another")


async def test_who_does_not_sign_in_is_hung_up(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_STRANGER_SECONDS", 0.01)
    line = await connect()
    await line.reply()
    async with asyncio.timeout(20):
        assert await line.reader.read() == b""


async def test_who_has_signed_in_may_stay(
    database: Database, broker: RedisBroker, settings: Settings, api: Api
) -> None:
    key = await key_of(api, Role.MARKETER)
    async with SubmissionServer.running(database, broker, settings) as server, connected(server) as line:
        await line.reply()
        await line.say("EHLO client.example")
        assert (await line.sign_in(key)).startswith(b"235")
        for connection in server._connections._open:
            connection._part_from_stranger()
        assert (await line.say("NOOP")).startswith(b"250")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.5', 5432)"), b"454 4.7.0 "),
        (KeyError("x"), b"451 4.3.0 "),
    ],
)
async def test_an_outage_is_temporary_and_says_nothing_of_the_inside(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, error: Exception, answer: bytes
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Authenticator, "authenticate", fail)
    line = await connect()
    await line.reply()
    await line.say("EHLO client.example")
    said = await line.sign_in("tf_" + "0" * 60)
    assert said.startswith(answer)
    assert b"Error" not in said
    assert b"10.0.0.5" not in said
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"530 "), "nobody has signed in"


@pytest.mark.parametrize("piece", [3, 4, 5, 7, 64])
async def test_a_mail_that_is_read_in_pieces_is_whole(
    database: Database,
    broker: RedisBroker,
    settings: Settings,
    api: Api,
    monkeypatch: pytest.MonkeyPatch,
    piece: int,
) -> None:
    monkeypatch.setattr(incoming, "_PIECE_BYTES", piece)
    key = await key_of(api, Role.MARKETER)
    text = b"".join(b"." * (n % 4) + b"x" * (n % 7) + b"\r\n" for n in range(60))
    async with SubmissionServer.running(database, broker, settings) as server, connected(server) as line:
        await line.reply()
        await line.say("EHLO client.example")
        await line.open_mail(key, "ann@example.com")
        dotted = text.replace(b"\r\n.", b"\r\n..")
        assert (await line.say(b"From: a@b.example\r\n\r\n" + dotted + b".\r\n")).startswith(b"250 ")
        assert (await line.say("NOOP")).startswith(b"250 ")
    assert set(await ledger(database)) == {"ann@example.com"}
    raw: bytes = await database.pool.fetchval("SELECT raw FROM message_submissions")
    assert raw.partition(b"\r\n\r\n")[2] == text
