"""One socket: commands in, batches out, and a look at its owner's rights every two seconds.

    client → {"op": "subscribe", "topics": ["tasks", "campaign:<id>"], "cursor": "…" | null}
             {"op": "unsubscribe", "topics": […]}
    server → {"type": "subscribed", "topics": […], "cursor": "…", "quiet_ms": 5300}
             {"type": "events", "cursor": "…", "events": [{"topic", "type", "data"}, …]}
             {"type": "resync", "topics": […], "cursor": "…"}   look at the REST API again, then go on from this cursor
             {"type": "ping", "cursor": "…"}        every 15 s without events
             {"type": "error", "code", "detail"}

A cursor is where the client is in the stream. A client that reconnects with its last one gets everything that it
missed, once, or `resync`. Subscribing without one starts at the present; what the client read before may then lack
events that it was not sent. `quiet_ms` says how long ago the last event was, on whatever topic: what was asked for
after that lacks nothing. Close codes: 4401 the credential is no longer good, 1008 the client does not keep to this,
1012 the server stops (reconnect).
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import Any

import orjson
from fastapi import WebSocket, WebSocketDisconnect

from taskflow.api.websocket.feed import CONFIRM_SECONDS, PING_SECONDS, Feed
from taskflow.api.websocket.hub import Batch, EventHub, Subscription
from taskflow.api.websocket.topics import check_topic
from taskflow.base.ending import end_tasks
from taskflow.base.errors import TaskFlowError
from taskflow.base.logging import get_logger
from taskflow.broker.redis.events import Cursor
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Principal

log = get_logger(__name__)

CLOSE_REVOKED = 4401
CLOSE_POLICY = 1008
MAX_TOPICS = 200
_MOST_COMMANDS = 32
_MOST_ERRORS = 5


class SocketSession(Feed):
    """An accepted socket and its subscription."""

    def __init__(self, socket: WebSocket, caller: Principal, hub: EventHub, authenticator: Authenticator) -> None:
        """Speak to `socket` for `caller`."""
        super().__init__(caller, hub, authenticator)
        self._socket = socket
        self._commands: deque[dict[str, Any]] = deque()
        self._errors = 0

    async def run(self) -> None:
        """Serve the socket until either side ends it."""
        async with self._hub.subscription() as subscription:
            jobs = [
                asyncio.create_task(self._receive(subscription), name="ws-receive"),
                asyncio.create_task(self._pump(subscription), name="ws-pump"),
                asyncio.create_task(self._watch(), name="ws-watch"),
            ]
            try:
                done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                code = next((code for job in done if (code := job.result()) is not None), None)
            except (WebSocketDisconnect, RuntimeError, OSError):  # the peer has gone while we spoke
                code = None
            finally:
                await end_tasks(jobs)
        if code is not None:
            with suppress(RuntimeError, OSError):
                await self._socket.close(code)

    async def _receive(self, subscription: Subscription) -> int | None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return None
            command = _parse(message.get("text"))
            if command is None or len(self._commands) >= _MOST_COMMANDS:
                return CLOSE_POLICY
            self._commands.append(command)
            subscription.wake.set()

    async def _watch(self) -> int:
        """Close the socket when its owner's rights have ended or changed."""
        while True:
            await asyncio.sleep(CONFIRM_SECONDS)
            if await self._is_revoked():
                return CLOSE_REVOKED

    async def _pump(self, subscription: Subscription) -> int | None:
        sent = subscription.start
        while True:
            try:
                async with asyncio.timeout(PING_SECONDS):
                    await subscription.wake.wait()
            except TimeoutError:
                await self._send({"type": "ping", "cursor": str(sent)})
                continue
            subscription.wake.clear()
            while self._commands:
                sent = await self._obey(self._commands.popleft(), subscription, sent)
                if self._errors > _MOST_ERRORS:
                    return CLOSE_POLICY
            if subscription.must_resync:
                sent = await self._resync(subscription)
            while (batch := subscription.take()) is not None:
                sent = await self._deliver(batch)
                if self._commands or subscription.must_resync:
                    subscription.wake.set()
                    break

    async def _obey(self, command: dict[str, Any], subscription: Subscription, sent: Cursor) -> Cursor:
        try:
            topics = frozenset(check_topic(topic, self._caller) for topic in command["topics"])
        except TaskFlowError as error:
            self._errors += 1
            await self._send({"type": "error", "code": error.code, "detail": str(error)})
            return sent
        if command["op"] == "unsubscribe":
            self._topics -= topics
        elif len(self._topics | topics) > MAX_TOPICS:
            self._errors += 1
            await self._send({"type": "error", "code": "too_many_topics", "detail": f"At most {MAX_TOPICS} topics."})
            return sent
        else:
            self._topics |= topics
        given = command.get("cursor")
        if command["op"] == "subscribe" and given is not None:
            return await self._continue(Cursor.parse(given), subscription, sent)
        await self._acknowledge(sent)
        return sent

    async def _acknowledge(self, cursor: Cursor) -> None:
        quiet_ms = int(self._hub.quiet_seconds * 1000)
        message = {"type": "subscribed", "topics": sorted(self._topics), "cursor": str(cursor), "quiet_ms": quiet_ms}
        await self._send(message)

    async def _say_resync(self, cursor: Cursor) -> None:
        await self._send({"type": "resync", "topics": sorted(self._topics), "cursor": str(cursor)})

    async def _deliver(self, batch: Batch) -> Cursor:
        events = batch.payload(self._topics) if self._topics else []
        if events:
            await self._send({"type": "events", "cursor": str(batch.cursor), "events": events})
        return batch.cursor

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send_text(orjson.dumps(message).decode())


def _parse(text: str | None) -> dict[str, Any] | None:
    """Read a command; None when it is not one."""
    if text is None:
        return None
    try:
        command = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(command, dict) or command.get("op") not in ("subscribe", "unsubscribe"):
        return None
    topics, cursor = command.get("topics"), command.get("cursor")
    if not isinstance(topics, list) or len(topics) > MAX_TOPICS or not isinstance(cursor, str | None):
        return None
    return command
