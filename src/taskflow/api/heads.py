"""Bounds on what a client sends before anybody reads it: the head of a request, and what is neither head nor body.

uvicorn's httptools protocol collects request line, headers, trailers and chunk extensions without an end and without a
time limit, so that an anonymous client could fill the memory or hold connections open. Here a head has 64 KiB and 20
seconds; then the answer is 431 or none, and the connection ends.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
HEAD_SECONDS = 20.0
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHeads(HttpToolsProtocol):
    """Speaks HTTP with clients that come to the point."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take uvicorn's arguments."""
        super().__init__(*args, **kwargs)
        self._unread = 0  # bytes since the parser last had something for us
        self._limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Expect a head."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, and end the connection when too much leads to nothing."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Expect the rest of a head."""
        super().on_message_begin()
        if self._limit is None:
            self._expect()

    def on_headers_complete(self) -> None:
        """Hand the request on."""
        self._arrived()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Hand a part of the body on."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Hand the end of the body on."""
        self._unread = 0
        super().on_message_complete()

    def _expect(self) -> None:
        self._limit = asyncio.get_running_loop().call_later(HEAD_SECONDS, self._give_up)

    def _arrived(self) -> None:
        self._unread = 0
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _give_up(self) -> None:
        self._limit = None
        if not self.transport.is_closing():
            self.transport.close()
