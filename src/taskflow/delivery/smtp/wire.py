"""The wire: bytes out, replies in, each reply within its own time.

A reply is only taken when a command that asks for one has been written. What comes unasked means that the two sides
no longer agree about which reply belongs to which message, so the wire breaks at once instead of guessing; an
unasked 421 is the server's goodbye. Replies that were complete before the break are still handed out, in order:
they are the proof of what happened to their messages.
"""

import asyncio
import ssl
from collections import deque
from typing import cast

from taskflow.base.errors import TaskFlowError
from taskflow.delivery.smtp.reply import MalformedReplyError, Reply, ReplyParser


class BrokenWireError(TaskFlowError):
    """The connection to the mail server is gone."""

    code = "smtp_connection_lost"

    def __init__(self, detail: str, *, hung_up: bool = False) -> None:
        """Keep whether the server ended it, rather than we for its silence or nonsense."""
        super().__init__(detail)
        self.hung_up = hung_up


class Wire(asyncio.Protocol):
    """One connection's bytes. Used by one coroutine at a time."""

    def __init__(self) -> None:
        """Wait for a transport."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = ReplyParser()
        self._replies: deque[Reply] = deque()
        self._owed = 1  # replies that the server owes us; it speaks first
        self._broken: BrokenWireError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable = True
        self._expires = 0.0  # when the present wait ends, on the loop's clock
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # -- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport (again after STARTTLS)."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut replies out of what came and wake the reader."""
        if self._broken is not None:
            return
        try:
            self._parser.feed(data, self._replies)
        except MalformedReplyError as error:
            self._check_unasked()
            self._break(BrokenWireError(str(error)))
        else:
            self._check_unasked()
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end."""
        detail = f"Connection lost: {exc}." if exc else "The server closed the connection."
        self._break(BrokenWireError(detail, hung_up=True))

    def pause_writing(self) -> None:
        """Note that the server does not read as fast as we write."""
        self._writable = False

    def resume_writing(self) -> None:
        """Note that it does again."""
        self._writable = True
        self._wake()

    # -- what the connection calls

    @property
    def broken(self) -> BrokenWireError | None:
        """Return why the wire can no longer be used."""
        return self._broken

    @property
    def quiet(self) -> bool:
        """Tell whether nothing is owed, read or half read."""
        return not (self._owed or self._replies or self._parser.mid_reply or self._broken)

    @property
    def local_host(self) -> str:
        """Return our own end's address."""
        return str(self._require().get_extra_info("sockname")[0])

    def write(self, data: bytes | memoryview, replies: int) -> None:
        """Send bytes that ask for so many replies.

        Raises:
            BrokenWireError: the wire was already gone; not one byte was sent.
        """
        transport = self._require()
        self._owed += replies
        transport.write(data)

    async def reply(self, seconds: float) -> Reply:
        """Return the next reply.

        Raises:
            BrokenWireError: there is none: cut, nonsense or silence longer than `seconds`.
        """
        if not self._replies:
            self._expires = self._loop.time() + seconds
            while not self._replies:
                if self._broken is not None:
                    raise self._broken
                await self._wait()
        self._owed -= 1
        return self._replies.popleft()

    async def writable(self, seconds: float) -> None:
        """Return once the server has read enough of what was written.

        Raises:
            BrokenWireError: cut, or stuck for longer than `seconds`.
        """
        self._expires = self._loop.time() + seconds
        while not self._writable:
            if self._broken is not None:
                raise self._broken
            await self._wait()

    async def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Turn on TLS (RFC 3207).

        Raises:
            BrokenWireError: bytes came before TLS did, which somebody on the way may have put there.
            OSError: the handshake failed (`ssl.SSLError` is one).
        """
        if not self.quiet:
            raise BrokenWireError("The server talked on before TLS.")
        transport = await self._loop.start_tls(self._require(), self, context, server_hostname=host)
        if transport is None:
            raise BrokenWireError("The connection was lost in the TLS handshake.")
        self._transport = transport

    def close(self) -> None:
        """Hang up, throwing away what was not sent."""
        self._break(BrokenWireError("The connection was closed."))
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- inside

    def _require(self) -> asyncio.Transport:
        if self._broken is not None:
            raise self._broken
        if self._transport is None or self._transport.is_closing():
            raise BrokenWireError("The connection is closed.")
        return self._transport

    def _check_unasked(self) -> None:
        if len(self._replies) <= self._owed:
            return
        unasked = self._replies[self._owed]
        while len(self._replies) > self._owed:
            self._replies.pop()
        if unasked.code == 421:
            self._break(BrokenWireError(f"The server ended the session: {unasked}", hung_up=True))
        else:
            self._break(BrokenWireError(f"A reply that nothing asked for: {unasked}"))

    def _break(self, error: BrokenWireError) -> None:
        if self._broken is None:
            self._broken = error
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self) -> None:
        """Sleep until something happens or `_expires` has come."""
        if self._timer is None or self._timer_at > self._expires:
            self._arm()
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _on_timer(self) -> None:
        """Break when the wait is over; one timer serves many waits, so that a wait costs none of its own."""
        self._timer = None
        if self._waiter is None:
            return
        if self._loop.time() >= self._expires:
            self._break(BrokenWireError("The server did not answer in time."))
        else:
            self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = self._expires
        self._timer = self._loop.call_at(self._expires, self._on_timer)
