"""Live events as server-sent events: who may listen, what comes, and what a broken stream costs (nothing)."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest
from pydantic import SecretStr

from support.api import PASSWORD
from support.lives import publish_generation
from support.waiting import eventually
from taskflow.api.server import make_server
from taskflow.api.websocket import hub as hub_module
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Settled
from taskflow.broker.redis.events import Event
from taskflow.db.pool import Database
from taskflow.identity.models import Role
from taskflow.identity.service import IdentityService
from taskflow.identity.tokens import TokenSigner
from taskflow.settings import Settings

URL = "/api/v1/events"


class Message(NamedTuple):
    """One message of a stream."""

    id: str
    event: str
    data: Any


class Listener:
    """Reads the messages of one stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def next(self, seconds: float = 10) -> Message:
        """Return the next message; the end of the stream is an error."""
        async with asyncio.timeout(seconds):
            fields: dict[str, str] = {}
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if name:
                    fields[name] = value
                elif "data" in fields:
                    return Message(fields["id"], fields["event"], json.loads(fields["data"]))
        raise EOFError

    async def statuses(self, count: int) -> tuple[list[str], str]:
        """Return the statuses of the next events, and the id of the last."""
        found = [await self.next() for _ in range(count)]
        return [message.data["data"]["status"] for message in found], found[-1].id


class Server:
    """A served API, an operator's client for it, and what happens behind it."""

    def __init__(self, server: Any, identity: IdentityService, broker: RedisBroker, token: str) -> None:
        self.uvicorn = server
        self.identity = identity
        self.broker = broker
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", headers={"Authorization": f"Bearer {token}"}, timeout=20
        )

    @asynccontextmanager
    async def listen(self, *topics: str, after: str | None = None) -> AsyncIterator[Listener]:
        headers = {} if after is None else {"Last-Event-ID": after}
        async with self.http.stream("GET", URL, params={"topic": list(topics)}, headers=headers) as answer:
            assert answer.status_code == 200, await answer.aread()
            yield Listener(answer)

    async def publish(self, *numbers: int) -> None:
        events = [Event("task", "task.status", {"task_id": "a", "status": f"S{number}"}) for number in numbers]
        await self.broker.events.publish(events)


@pytest.fixture
async def server(settings: Settings, database: Database, broker: RedisBroker) -> AsyncIterator[Server]:
    await publish_generation(broker, "first")
    signer = TokenSigner(settings.secret_key or SecretStr(""), access_seconds=900)
    identity = IdentityService(database, settings.security, signer)
    await identity.create_user("op@example.com", PASSWORD, Role.OPERATOR)
    session = await identity.sign_in("op@example.com", PASSWORD, "127.0.0.1")
    running = make_server(settings)
    task = asyncio.create_task(running.serve())
    await eventually(lambda: running.started, what="the API listens")
    found = Server(running, identity, broker, session.access_token)
    yield found
    await found.http.aclose()
    running.should_exit = True
    await task


async def test_a_stream_begins_with_where_it_is_and_brings_what_was_asked_for(server: Server) -> None:
    mine, other = uuid7(), uuid7()
    async with server.listen(f"task:{mine}", "campaigns") as stream:
        assert stream.answer.headers["content-type"] == "text/event-stream"
        assert stream.answer.headers["cache-control"] == "no-store"
        first = await stream.next()
        assert (first.event, first.data["topics"]) == ("subscribed", ["campaigns", f"task:{mine}"])
        await server.broker.dispatch.settle([Settled("default", str(other), "COMPLETED")])
        await server.broker.dispatch.settle([Settled("default", str(mine), "FAILED")])
        message = await stream.next()
    assert (message.event, message.data["topic"]) == ("task.status", f"task:{mine}")
    assert message.data["data"] == {"task_id": str(mine), "status": "FAILED"}


async def test_a_broken_stream_goes_on_behind_its_last_event_also_within_a_batch(server: Server) -> None:
    async with server.listen("tasks") as stream:
        await stream.next()
        await server.publish(1, 2, 3)
        found, last = await stream.statuses(2)
        assert found == ["S1", "S2"]
    await server.publish(4)
    async with server.listen("tasks", after=last) as stream:
        assert (await stream.next()).event == "subscribed"
        await server.publish(5)
        assert (await stream.statuses(3))[0] == ["S3", "S4", "S5"]


@pytest.mark.parametrize("cursor", ["nonsense", "other:1-0", ""])
async def test_a_cursor_that_cannot_be_continued_is_told_to_look_again(server: Server, cursor: str) -> None:
    async with server.listen("tasks", after=cursor) as stream:
        first = await stream.next()
        assert (first.event, first.data) == ("resync", {"topics": ["tasks"]})
        await server.publish(1)
        assert (await stream.statuses(1))[0] == ["S1"]


async def test_a_flush_of_redis_is_told(server: Server) -> None:
    async with server.listen("tasks") as stream:
        await stream.next()
        await server.broker.redis.flushall()
        await publish_generation(server.broker, "second")
        message = await stream.next()
        assert (message.event, message.id.partition(":")[0]) == ("resync", "second")


async def test_who_may_listen_and_to_what(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.http.base_url) as anonymous:
        assert (await anonymous.get(URL, params={"topic": "tasks"})).status_code == 401
    for query, code in (({}, "invalid_input"), ({"topic": "everything"}, "unknown_topic")):
        answer = await server.http.get(URL, params=query)
        assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_stream_ends_when_its_owners_rights_do(server: Server) -> None:
    user_id = (await server.http.get("/api/v1/auth/me")).json()["user_id"]
    async with server.listen("tasks") as stream:
        await stream.next()
        await server.identity.update_user(user_id, role=None, is_active=False, password=None)
        with pytest.raises(EOFError):
            await stream.next()


async def test_a_stream_ends_when_the_server_stops(server: Server) -> None:
    async with server.listen("tasks") as stream:
        await stream.next()
        server.uvicorn.should_exit = True
        with pytest.raises(EOFError):
            await stream.next()


async def test_streams_of_a_user_are_counted_and_given_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "MOST_SOCKETS", 1)
    async with server.listen("tasks") as stream:
        await stream.next()
        answer = await server.http.get(URL, params={"topic": "tasks"})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_sockets")

    async def free() -> bool:
        async with server.http.stream("GET", URL, params={"topic": "tasks"}) as answer:
            return answer.status_code == 200

    await eventually(free, what="the seat of the stream that was left")
