"""Live events: who may open a socket, what it gets, and what a broken connection costs (nothing)."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import redis.asyncio as redis_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.api import PASSWORD, serving
from support.lives import publish_generation
from support.waiting import eventually
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.dispatch import Settled
from taskflow.broker.redis.events import Event
from taskflow.db.pool import Database
from taskflow.identity.models import Role
from taskflow.identity.service import IdentityService
from taskflow.identity.tokens import TokenSigner
from taskflow.settings import Settings


class Server:
    """A served API and an operator's key for it."""

    def __init__(self, url: str, token: str, identity: IdentityService, broker: RedisBroker) -> None:
        self.url = url
        self.token = token
        self.identity = identity
        self.broker = broker
        self.http = httpx.AsyncClient(base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"})

    def socket(self, *, query: str = "", authorized: bool = True, **options: Any) -> connect:
        headers = {"Authorization": f"Bearer {self.token}"} if authorized else {}
        headers |= options.pop("headers", {})
        url = self.url.replace("http", "ws", 1) + "/api/v1/ws" + query
        return connect(url, additional_headers=headers, proxy=None, **options)

    async def publish(self, number: int, task_id: str = "a") -> None:
        await self.broker.events.publish([Event("task", "task.status", {"task_id": task_id, "status": f"S{number}"})])


@pytest.fixture
async def server(settings: Settings, database: Database, broker: RedisBroker) -> AsyncIterator[Server]:
    await publish_generation(broker, "first")
    signer = TokenSigner(settings.secret_key, access_seconds=900)
    identity = IdentityService(database, settings.security, signer)
    await identity.create_user("op@example.com", PASSWORD, Role.OPERATOR)
    session = await identity.sign_in("op@example.com", PASSWORD, "127.0.0.1")
    async with serving(settings) as url:
        found = Server(url, session.access_token, identity, broker)
        yield found
        await found.http.aclose()


async def receive(socket: ClientConnection, seconds: float = 10) -> dict[str, Any]:
    return json.loads(await asyncio.wait_for(socket.recv(), seconds))


@asynccontextmanager
async def subscribed(
    server: Server, *topics: str, cursor: str | None = None
) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
    async with server.socket() as socket:
        await socket.send(json.dumps({"op": "subscribe", "topics": topics, "cursor": cursor}))
        yield socket, await receive(socket)


async def statuses(socket: ClientConnection, count: int) -> tuple[list[str], str]:
    """Receive until `count` events have come; return their statuses and the last cursor."""
    found: list[str] = []
    cursor = ""
    while len(found) < count:
        message = await receive(socket)
        assert message["type"] == "events", message
        found += [event["data"]["status"] for event in message["events"]]
        cursor = message["cursor"]
    return found, cursor


async def refusal(attempt: connect) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with attempt:
            pass
    return caught.value.response.status_code


async def test_nobody_anonymous_opens_a_socket(server: Server) -> None:
    assert await refusal(server.socket(authorized=False)) == 401
    assert await refusal(server.socket(authorized=False, query="?ticket=guess")) == 401
    assert await refusal(server.socket(authorized=False, query=f"?token={server.token}")) == 401
    assert await refusal(server.socket(authorized=False, headers={"Authorization": "Bearer x"})) == 401


@pytest.mark.parametrize("origin", ["null", "http://evil.example", "http://127.0.0.1.evil.example"])
async def test_another_sites_page_opens_none_even_with_a_good_ticket(server: Server, origin: str) -> None:
    ticket = (await server.http.post("/auth/ws-ticket")).json()["ticket"]
    assert await refusal(server.socket(authorized=False, query=f"?ticket={ticket}", origin=origin)) == 403


async def test_a_ticket_opens_one_socket_from_our_page(server: Server) -> None:
    answer = (await server.http.post("/auth/ws-ticket")).json()
    assert answer["expires_in"] == 30
    query = f"?ticket={answer['ticket']}"
    async with server.socket(authorized=False, query=query, origin=server.url) as socket:
        await socket.send(json.dumps({"op": "subscribe", "topics": ["tasks"]}))
        assert (await receive(socket))["type"] == "subscribed"
    assert await refusal(server.socket(authorized=False, query=query, origin=server.url)) == 401


async def test_a_ticket_of_a_revoked_session_opens_nothing(server: Server) -> None:
    ticket = (await server.http.post("/auth/ws-ticket")).json()["ticket"]
    user_id = (await server.http.get("/auth/me")).json()["user_id"]
    await server.identity.update_user(user_id, role=None, is_active=False, password=None)
    assert await refusal(server.socket(authorized=False, query=f"?ticket={ticket}")) == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.VIEWER}])
async def test_an_open_socket_closes_when_its_owners_rights_change(server: Server, change: dict) -> None:
    user_id = (await server.http.get("/auth/me")).json()["user_id"]
    async with subscribed(server, "tasks") as (socket, _):
        await server.identity.update_user(user_id, **({"role": None, "is_active": None, "password": None} | change))
        with pytest.raises(ConnectionClosed) as caught:
            await receive(socket, 5)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4401


async def test_events_reach_those_who_asked_for_their_topic(server: Server) -> None:
    mine, other, campaign = uuid7(), uuid7(), uuid7()
    async with subscribed(server, f"task:{mine}", "campaigns") as (socket, _):
        await server.broker.dispatch.settle([Settled("default", str(other), "COMPLETED")])
        await server.broker.dispatch.settle([Settled("default", str(mine), "FAILED")])
        await server.broker.events.publish(
            [Event(f"campaign:{campaign}", "campaign.progress", {"sent": 3}), Event("workers", "worker.status", {})]
        )
        found: list[dict] = []
        while len(found) < 2:
            found += (await receive(socket))["events"]
    assert found == [
        {"topic": f"task:{mine}", "type": "task.status", "data": {"task_id": str(mine), "status": "FAILED"}},
        {"topic": "campaigns", "type": "campaign.progress", "data": {"sent": 3}},
    ]


async def test_those_who_watch_routes_and_messages_hear_of_them(server: Server) -> None:
    mine, other = uuid7(), uuid7()
    events = [
        Event("routes", "route.breaker", {"route": "ses", "state": "open"}),
        Event(f"message:{other}", "message.status", {"status": "SENT"}),
        Event(f"message:{mine}", "message.status", {"status": "FAILED"}),
    ]
    async with subscribed(server, f"message:{mine}", "routes") as (one, _), subscribed(server, "messages") as (all_, _):
        await server.broker.events.publish(events)
        found: dict[str, list[tuple[str, str]]] = {"one": [], "all": []}
        for name, socket in (("one", one), ("all", all_)):
            while len(found[name]) < 2:
                found[name] += [(event["topic"], event["type"]) for event in (await receive(socket))["events"]]
    assert found == {
        "one": [("routes", "route.breaker"), (f"message:{mine}", "message.status")],
        "all": [("messages", "message.status")] * 2,
    }


async def test_events_that_come_close_together_come_in_one_message(server: Server) -> None:
    async with subscribed(server, "tasks") as (socket, _):
        messages = 0
        for number in range(100):
            await server.publish(number)
        found: list[str] = []
        while len(found) < 100:
            found += [event["data"]["status"] for event in (await receive(socket))["events"]]
            messages += 1
    assert found == [f"S{number}" for number in range(100)]
    assert messages < 40


async def test_a_client_that_comes_back_gets_what_it_missed_and_nothing_twice(server: Server) -> None:
    async with subscribed(server, "tasks") as (socket, _):
        await server.publish(1)
        found, cursor = await statuses(socket, 1)
        assert found == ["S1"]
    for number in range(2, 6):
        await server.publish(number)
    async with subscribed(server, "tasks", cursor=cursor) as (socket, first):
        assert first["type"] == "subscribed"
        assert (await statuses(socket, 4))[0] == ["S2", "S3", "S4", "S5"]


async def test_a_new_subscription_is_told_how_long_ago_the_last_event_was(server: Server) -> None:
    async with subscribed(server, "workers") as (socket, first):
        await asyncio.sleep(0.2)  # time that is measured
        await socket.send(json.dumps({"op": "subscribe", "topics": ["campaigns"], "cursor": None}))
        quiet = await receive(socket)
        assert quiet["topics"] == ["campaigns", "workers"]
        assert quiet["quiet_ms"] >= first["quiet_ms"] + 200
        await socket.send(json.dumps({"op": "subscribe", "topics": ["tasks"], "cursor": None}))
        await receive(socket)
        await server.publish(1)
        await statuses(socket, 1)
        await socket.send(json.dumps({"op": "subscribe", "topics": ["tasks"], "cursor": None}))
        assert (await receive(socket))["quiet_ms"] < quiet["quiet_ms"]


BAD_CURSORS = ["", "nonsense", "other:1-0", "first:99999999999999-0", "first:1-0x", "x" * 10_000]
BAD_CURSORS += ["first:1-99999999999999999999", "first:" + "9" * 5_000 + "-0", "first:\u0661-\u0661"]  # Redis refuses


@pytest.mark.parametrize("cursor", BAD_CURSORS)
async def test_a_cursor_that_cannot_be_continued_is_answered_with_resync(server: Server, cursor: str) -> None:
    await server.publish(1)
    async with subscribed(server, "tasks", cursor=cursor) as (socket, first):
        assert first["type"] == "resync"
        await server.publish(2)
        assert (await statuses(socket, 1))[0][-1] == "S2"


async def test_a_cursor_older_than_the_stream_is_answered_with_resync(
    server: Server, redis: redis_asyncio.Redis
) -> None:
    async with subscribed(server, "tasks") as (socket, _):
        await server.publish(1)
        _, cursor = await statuses(socket, 1)
    for number in range(2, 10):
        await server.publish(number)
    await redis.xtrim("task:completed", maxlen=2, approximate=False)
    async with subscribed(server, "tasks", cursor=cursor) as (_, first):
        assert first["type"] == "resync"


async def test_after_a_flush_every_socket_is_told_to_look_again(server: Server, redis: redis_asyncio.Redis) -> None:
    async with subscribed(server, "tasks") as (socket, _):
        await server.publish(1)
        await statuses(socket, 1)
        await redis.flushall()
        await publish_generation(server.broker, "second")
        message = await receive(socket)
        assert message["type"] == "resync"
        assert message["cursor"].startswith("second")
        await server.publish(2)
        assert (await statuses(socket, 1))[0] == ["S2"]


async def test_nonsense_is_answered_or_ends_the_socket(server: Server) -> None:
    async with subscribed(server, "tasks") as (socket, _):
        for topics in (["secrets"], ["task:1"], [5], ["task:" + "-" * 36]):
            await socket.send(json.dumps({"op": "subscribe", "topics": topics}))
            assert (await receive(socket))["code"] == "unknown_topic"
    for text in ("{", "[]", '{"op": "shell"}', '{"op": "subscribe"}', b"\x00"):
        async with server.socket() as socket:
            await socket.send(text)
            with pytest.raises(ConnectionClosed) as caught:
                await receive(socket)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1008


async def test_a_user_has_so_many_sockets_and_no_more_until_one_is_closed(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskflow.api.websocket.hub.MOST_SOCKETS", 2)
    async with server.socket() as first, server.socket():
        with pytest.raises(InvalidStatus) as caught:
            await server.socket()
        assert caught.value.response.status_code == 429
        assert json.loads(caught.value.response.body)["code"] == "too_many_sockets"
        await first.close()

        async def has_room() -> bool:
            try:
                async with server.socket():
                    return True
            except InvalidStatus:
                return False

        await eventually(has_room, seconds=60)


async def test_a_message_that_is_too_long_ends_the_socket(server: Server) -> None:
    async with server.socket() as socket:
        await socket.send("x" * 200_000)
        with pytest.raises(ConnectionClosed) as caught:
            await receive(socket)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
    assert "permessage-deflate" not in str(socket.response and socket.response.headers)


async def test_one_client_that_does_not_read_neither_stops_nor_fills_the_server(server: Server) -> None:
    async with server.socket(max_queue=1) as slow, subscribed(server, "tasks") as (quick, _):
        await slow.send(json.dumps({"op": "subscribe", "topics": ["tasks"]}))
        await receive(slow)
        events = [Event("task", "task.status", {"task_id": "x" * 500, "status": str(n)}) for n in range(2_000)]
        seen = 0

        async def read() -> None:
            nonlocal seen
            while seen < 40_000:
                message = await receive(quick)
                seen += len(message.get("events", ()))

        reader = asyncio.create_task(read())
        for _ in range(20):
            await server.broker.events.publish(events)
        await asyncio.wait_for(reader, 60)
        kinds = set()
        while "resync" not in kinds:
            kinds.add((await receive(slow))["type"])


async def test_a_server_that_stops_says_come_back(settings: Settings, server: Server) -> None:
    async with serving(settings) as url:
        socket = await connect(
            url.replace("http", "ws", 1) + "/api/v1/ws",
            additional_headers={"Authorization": f"Bearer {server.token}"},
            proxy=None,
        )
    with pytest.raises(ConnectionClosed) as caught:
        await receive(socket)
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1012


async def test_cut_fifty_times_a_client_still_learns_of_each_of_five_thousand_completions(server: Server) -> None:
    """The stream as the engine writes it: settled in batches, while the client is cut and comes back."""
    everything = [str(uuid7()) for _ in range(5_000)]
    learned: list[str] = []
    cuts = 0
    begun = asyncio.Event()
    chance = random.Random(7)  # noqa: S311 - a fixed seed

    async def complete() -> None:
        for start in range(0, 5_000, 50):
            batch = everything[start : start + 50]
            await server.broker.dispatch.settle([Settled("default", task_id, "COMPLETED") for task_id in batch])
            await asyncio.sleep(0.05)

    async def follow() -> None:
        nonlocal cuts
        cursor: str | None = None
        while len(learned) < 5_000:
            async with server.socket() as socket:
                await socket.send(json.dumps({"op": "subscribe", "topics": ["tasks"], "cursor": cursor}))
                left = chance.randint(1, 3) if cuts < 50 else 10**6
                while left and len(learned) < 5_000:
                    message = await receive(socket, 20)
                    assert message["type"] != "resync"
                    cursor = message["cursor"]
                    begun.set()
                    learned.extend(event["data"]["task_id"] for event in message.get("events", ()))
                    left -= 1
                if cuts < 50:
                    socket.transport.abort()
                    cuts += 1

    follower = asyncio.create_task(follow())
    await asyncio.wait_for(begun.wait(), 10)  # its first cursor lies before the first completion
    worker = asyncio.create_task(complete())
    await asyncio.wait_for(asyncio.gather(follower, worker), 60)
    assert cuts == 50
    assert sorted(learned) == sorted(everything)


async def test_progress_of_a_task_reaches_who_looks_at_it_and_nobody_else(server: Server) -> None:
    task_id = str(uuid7())
    data = {"task_id": task_id, "percent": 40.0, "done": None, "total": None, "message": "rendering"}
    async with subscribed(server, f"task:{task_id}") as (one, _), subscribed(server, "tasks") as (everything, _):
        await server.broker.events.publish([Event(f"task:{task_id}", "task.progress", data)])
        await server.publish(1, task_id)
        message = await receive(one)
        assert message["events"][0] == {"topic": f"task:{task_id}", "type": "task.progress", "data": data}
        assert [event["type"] for event in (await receive(everything))["events"]] == ["task.status"]
