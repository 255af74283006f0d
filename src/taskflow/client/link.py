"""One connection to the API, which everything that `Messaging` has shares."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, TypeVar

import httpx

from taskflow.base.errors import RateLimitedError
from taskflow.base.pagination import Page
from taskflow.client import wire
from taskflow.engine.remote import calls
from taskflow.engine.remote.live import follow
from taskflow.engine.remote.transport import send_call, stream_call
from taskflow.settings import ApiAccess

T = TypeVar("T")


class Link:
    """One connection to the API. All of it raises the domain error that a problem was, or UnavailableError."""

    def __init__(self, access: ApiAccess, http: httpx.AsyncClient) -> None:
        """Speak over `http` to the API that `access` names."""
        self._access = access
        self._http = http

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def ask(
        self,
        kind: type[T],
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        key: str | None = None,
        repeatable: bool = True,
        seconds: float | None = None,
    ) -> T:
        """Send a call and return the answer as a `kind`."""
        call = wire.call(method, path, body, key=key, repeatable=repeatable, seconds=seconds)
        return wire.read(kind, await send_call(self._http, call))

    async def tell(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> None:
        """Send a call that has no answer."""
        await send_call(self._http, wire.call(method, path, body, query))

    async def look(self, kind: type[T], path: str, **query: Any) -> T:
        """Read something; who has asked too often asks again when they may."""
        while True:
            try:
                return wire.read(kind, await send_call(self._http, wire.reading(path, query)))
            except RateLimitedError as error:
                await asyncio.sleep(calls.pause_after(error))

    async def pages(self, kind: type[T], path: str, **query: Any) -> AsyncIterator[T]:
        """Yield the items of a list, page after page."""
        cursor: str | None = None
        while True:
            page = await self.look(Page[Any], path, **query, cursor=cursor, limit=wire.PAGE)
            for item in page.items:
                yield wire.read(kind, item)
            cursor = page.next_cursor
            if cursor is None:
                return

    def stream(self, path: str, **query: Any) -> AsyncGenerator[bytes]:
        """Yield something large, chunk by chunk."""
        return stream_call(self._http, wire.reading(path, query))

    async def upload(self, kind: type[T], path: str, file: wire.File, fields: Mapping[str, Any]) -> T:
        """Send a file and return the answer as a `kind`."""
        with wire.uploading(path, file, fields) as call:
            return wire.read(kind, await send_call(self._http, call))

    async def watch(
        self,
        kind: type[T],
        path: str,
        topic: str,
        has_ended: Callable[[T], bool],
        *,
        timeout: float | None,  # noqa: ASYNC109 - what callers expect to write
        on_progress: Callable[[T], object] | None = None,
    ) -> T:
        """Read something whenever its topic says that it has changed, until it has ended.

        Raises:
            WaitTimeoutError: it has not ended in time.
        """
        deadline = wire.deadline_after(timeout)
        events = follow(self._access, [topic], deadline=deadline, idle=wire.IDLE_SECONDS)
        async with aclosing(events) as heard:
            async for _ in heard:
                found = await self.look(kind, path)
                if on_progress is not None:
                    on_progress(found)
                if has_ended(found):
                    return found
        raise wire.timed_out(topic.replace(":", " "), timeout)
