"""Live events as server-sent events: one request, one stream, for clients that only listen.

    id: <cursor>                     each message has one: bring the last back as `Last-Event-ID`
    event: subscribed | task.status | campaign.progress | … | resync | ping
    data: {"topic": …, "type": …, "data": {…}}

The words mean what they mean on the WebSocket (`session.py`). Each event has a cursor of its own, so that a stream that
breaks in the middle of a batch goes on behind its last event. The stream ends when the credential is no longer good or
the server stops; a client that comes back with its cursor then gets 401, or what it missed.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from taskflow.api.problems import problem_response
from taskflow.api.websocket.feed import CONFIRM_SECONDS, PING_SECONDS, Feed
from taskflow.api.websocket.hub import Batch, EventHub, Subscription, TooManySocketsError
from taskflow.base.ending import end_tasks
from taskflow.broker.redis.events import Cursor
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Principal

MEDIA_TYPE = "text/event-stream"
_LOOK_SECONDS = 0.5
_RETRY_MS = 1_000
_HEADERS = [
    (b"content-type", MEDIA_TYPE.encode()),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would hold events back
]


class EventStreamResponse(Response, Feed):
    """A response that lasts."""

    media_type = MEDIA_TYPE

    def __init__(
        self,
        caller: Principal,
        hub: EventHub,
        authenticator: Authenticator,
        *,
        topics: frozenset[str],
        given: str | None,
        is_stopping: Callable[[], bool],
    ) -> None:
        """`given`: the client's cursor; `is_stopping` tells when to end."""
        Response.__init__(self)
        Feed.__init__(self, caller, hub, authenticator)
        self._topics = topics
        self._given = given
        self._is_stopping = is_stopping
        self._sent_at = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until either side ends it."""
        self._send = send
        try:
            with self._hub.seat(self._caller.user_id):
                await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
                async with self._hub.subscription() as subscription:
                    jobs = [asyncio.create_task(_gone(receive)), asyncio.create_task(self._pump(subscription))]
                    try:
                        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
                        for job in done:
                            job.result()
                    finally:
                        await end_tasks(jobs)
                with suppress(OSError):
                    await self._write(b"", more=False)
        except TooManySocketsError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)

    async def _pump(self, subscription: Subscription) -> None:
        await self._write(b"retry: %d\n\n" % _RETRY_MS)
        sent = subscription.start
        if self._given is not None:
            sent = await self._continue(Cursor.parse(self._given), subscription, sent)
        else:
            await self._acknowledge(sent)
        confirmed_at = time.monotonic()
        while not self._is_stopping():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await subscription.wake.wait()
            subscription.wake.clear()
            if subscription.must_resync:
                sent = await self._resync(subscription)
            while not subscription.must_resync and (batch := subscription.take()) is not None:
                sent = await self._deliver(batch)
            now = time.monotonic()
            if now - confirmed_at >= CONFIRM_SECONDS:
                if await self._is_revoked():
                    return
                confirmed_at = now
            if now - self._sent_at >= PING_SECONDS:
                await self._say("ping", sent, {})

    async def _acknowledge(self, cursor: Cursor) -> None:
        quiet_ms = int(self._hub.quiet_seconds * 1000)
        await self._say("subscribed", cursor, {"topics": sorted(self._topics), "quiet_ms": quiet_ms})

    async def _say_resync(self, cursor: Cursor) -> None:
        await self._say("resync", cursor, {"topics": sorted(self._topics)})

    async def _deliver(self, batch: Batch) -> Cursor:
        messages = [_message(event["type"], cursor, event) for cursor, event in batch.chosen(self._topics)]
        if messages:
            await self._write(b"".join(messages))
        return batch.cursor

    async def _say(self, event: str, cursor: Cursor, data: Mapping[str, Any]) -> None:
        await self._write(_message(event, cursor, data))

    async def _write(self, body: bytes, *, more: bool = True) -> None:
        self._sent_at = time.monotonic()
        await self._send({"type": "http.response.body", "body": body, "more_body": more})


def _message(event: str, cursor: Cursor, data: Mapping[str, Any]) -> bytes:
    return f"id: {cursor}\nevent: {event}\ndata: ".encode() + orjson.dumps(data) + b"\n\n"


async def _gone(receive: Receive) -> None:
    """Return when the client has left."""
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
