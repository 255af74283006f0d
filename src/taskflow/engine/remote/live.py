"""Live events over the WebSocket, for both clients: a connection that is made again and goes on from its cursor.

`Conversation` speaks the protocol (`api/websocket/session.py`) without a socket; `follow` and `follow_blocking` give it
an async and a blocking one.
"""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any, NamedTuple

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import connect as connect_blocking

from taskflow.base.errors import InvalidInputError, TaskFlowError, UnauthenticatedError, UnavailableError
from taskflow.settings import ApiAccess

RESYNC = "resync"

_ATTEMPTS = 20
_PAUSE_SECONDS = 0.5
_REFUSED = frozenset({401, 403})
_REVOKED = 4401


class LiveEvent(NamedTuple):
    """Something that happened.

    Attributes:
        topic: the topic that it was heard under: `tasks`, `task:<id>`, `workers`, `campaigns`, `campaign:<id>`.
        type: what happened, such as `task.status`; `resync`: something may have been missed, look at the API (again).
        data: its details; those of a task are `task_id` and `status`.
        cursor: where to go on after it.
    """

    topic: str
    type: str
    data: dict[str, Any]
    cursor: str | None


class Conversation:
    """What is said over one socket after the other, and how often in a row that has failed."""

    def __init__(self, access: ApiAccess, topics: Sequence[str], cursor: str | None = None) -> None:
        """Follow `topics`, after `cursor`."""
        self.url = f"{access.url.replace('http', 'ws', 1)}/api/v1/ws"
        self.headers = {"Authorization": f"Bearer {access.key}"}
        self._access = access
        self._topics = list(topics)
        self._cursor = cursor
        self._resumes = False
        self._failures = 0

    def opening(self) -> str:
        """Return what is said first over a new socket."""
        self._resumes = self._cursor is not None
        return json.dumps({"op": "subscribe", "topics": self._topics, "cursor": self._cursor})

    def resync(self) -> LiveEvent:
        """Return what says to look at the API (again)."""
        return LiveEvent("", RESYNC, {}, self._cursor)

    def hear(self, text: str | bytes) -> list[LiveEvent]:
        """Return the events of a message.

        Raises:
            InvalidInputError: the API has no such topics.
        """
        self._failures = 0
        message = json.loads(text)
        self._cursor = message.get("cursor", self._cursor)
        match message["type"]:
            case "events":
                return [LiveEvent(e["topic"], e["type"], e["data"], self._cursor) for e in message["events"]]
            case "error":
                raise InvalidInputError(message["detail"])
            case "resync":
                return [self.resync()]
            case "subscribed" if not self._resumes:
                return [self.resync()]
        return []

    def fail(self, error: Exception) -> float:
        """Take note that the socket is gone; return how many seconds to wait before the next.

        Raises:
            UnauthenticatedError: the key is no longer good.
            UnavailableError: it has failed for ten seconds.
        """
        if isinstance(error, InvalidStatus) and error.response.status_code in _REFUSED:
            raise self._refused() from error
        if isinstance(error, ConnectionClosed) and error.rcvd is not None and error.rcvd.code == _REVOKED:
            raise self._refused() from error
        self._failures += 1
        if self._failures >= _ATTEMPTS:
            raise UnavailableError(f"No live events from {self._access.url}.") from error
        return _PAUSE_SECONDS

    def _refused(self) -> TaskFlowError:
        return UnauthenticatedError(
            f"{self._access.url} does not take the key: it is wrong, expired or revoked. "
            "`taskflow key create` makes another."
        )


_GONE = (OSError, TimeoutError, WebSocketException)


async def follow(
    access: ApiAccess,
    topics: Sequence[str],
    cursor: str | None = None,
    *,
    deadline: float | None = None,
    idle: float | None = None,
) -> AsyncGenerator[LiveEvent]:
    """Yield events of `topics` as they come; raises as `Conversation` does.

    Args:
        deadline: the end of it, in monotonic seconds.
        idle: after so many seconds without an event, yield `resync`.
    """
    conversation = Conversation(access, topics, cursor)
    while True:
        try:
            async with connect(conversation.url, additional_headers=conversation.headers, proxy=None) as socket:
                await socket.send(conversation.opening())
                while True:
                    try:
                        async with asyncio.timeout(_patience(deadline, idle)):
                            text = await socket.recv()
                    except TimeoutError:
                        if _left(deadline) == 0.0:
                            return
                        yield conversation.resync()
                        continue
                    for event in conversation.hear(text):
                        yield event
        except _GONE as error:
            pause = conversation.fail(error)
        if deadline is not None and time.monotonic() + pause > deadline:
            return
        await asyncio.sleep(pause)


def follow_blocking(
    access: ApiAccess,
    topics: Sequence[str],
    cursor: str | None = None,
    *,
    deadline: float | None = None,
    idle: float | None = None,
) -> Generator[LiveEvent]:
    """Yield events of `topics` as they come; see `follow`."""
    conversation = Conversation(access, topics, cursor)
    while True:
        try:
            with connect_blocking(conversation.url, additional_headers=conversation.headers, proxy=None) as socket:
                socket.send(conversation.opening())
                while True:
                    try:
                        text = socket.recv(_patience(deadline, idle))
                    except TimeoutError:
                        if _left(deadline) == 0.0:
                            return
                        yield conversation.resync()
                        continue
                    yield from conversation.hear(text)
        except _GONE as error:
            pause = conversation.fail(error)
        if deadline is not None and time.monotonic() + pause > deadline:
            return
        time.sleep(pause)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def _patience(deadline: float | None, idle: float | None) -> float | None:
    """Return how long to wait for the next event."""
    return min((seconds for seconds in (_left(deadline), idle) if seconds is not None), default=None)
