"""The connections of one process to the mail server: at most N, kept open, handed out one session at a time.

A session sends windows. It takes a connection that is open, or opens one; a connection that breaks is dropped and
the rest of the window goes over another. When the server cannot be reached at all, the pool waits longer and longer
(0.5 s to 30 s) before it tries again, and answers `provider_fault` with `retry_after` meanwhile.
"""

import asyncio
import math
import random
import ssl
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from taskflow.base.logging import get_logger
from taskflow.delivery.outcome import NOT_STARTED, STOPPED, Outcome
from taskflow.delivery.smtp.connection import (
    Bearer,
    Connection,
    Features,
    ProviderFaultError,
    check_settings,
    tls_context,
)
from taskflow.delivery.smtp.envelope import Envelope
from taskflow.delivery.smtp.transaction import OnReply, Transaction
from taskflow.settings.smtp import SmtpSettings

log = get_logger(__name__)

_FIRST_WAIT = 0.5
_LONGEST_WAIT = 30.0


class SmtpPool:
    """Every connection of this process and event loop to one mail server."""

    def __init__(
        self,
        settings: SmtpSettings,
        *,
        context: ssl.SSLContext | None = None,
        on_reply: OnReply | None = None,
        bearer: Bearer | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            settings: the server and its limits.
            context: TLS for tests and special needs; by default made from the settings.
            on_reply: called right after the reply to a final dot was read, before anything else happens with it:
                the place of a failpoint "accepted, not recorded".
            bearer: tokens to sign in with (XOAUTH2) instead of the settings' password.

        Raises:
            ConfigurationError: no host, or a password would cross a network in the clear.
        """
        check_settings(settings)
        self._settings = settings
        self._context = context or tls_context(settings)
        self._on_reply = on_reply
        self._bearer = bearer
        self._slots = asyncio.Semaphore(settings.connections)
        self._idle: list[Connection] = []
        self._backoff = Backoff()
        self._features: Features | None = None
        self._reaper: asyncio.TimerHandle | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()
        self._closed = False
        self.opened = 0  # connections since the start

    @property
    def longest_send_seconds(self) -> float:
        """Return the longest time from a message's envelope to its outcome: what a lease must outlast."""
        settings = self._settings
        return 4 * settings.command_timeout + 2 * settings.data_timeout

    @asynccontextmanager
    async def session(self) -> AsyncIterator["SmtpSession"]:
        """Wait for a free slot and hand out a session; its connection comes back to the pool at the end."""
        async with self._slots:
            session = SmtpSession(self)
            try:
                yield session
            finally:
                session.end()

    async def features(self) -> Features:
        """Return what the server said it can, connecting if nobody has yet.

        Raises:
            ProviderFaultError: the server cannot be used now.
        """
        if self._features is None:
            async with self.session() as session:
                await session.connect()
        return self._features or Features()

    async def close(self) -> None:
        """Say goodbye on every idle connection. Sessions still out close theirs when they end."""
        self._closed = True
        if self._reaper is not None:
            self._reaper.cancel()
        for connection in self._idle:
            self._say_goodbye(connection)
        self._idle.clear()
        await asyncio.gather(*self._goodbyes)

    # -- what sessions ask for

    async def take(self) -> Connection:
        """Return a connection, the most recently used first.

        Raises:
            ProviderFaultError: none can be had now.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        wait = self._backoff.remaining()
        if wait > 0:
            raise self._backoff.fault or ProviderFaultError("CONNECT", "Waiting before the next try.")
        try:
            connection = await Connection.open(self._settings, self._context, self._bearer)
        except ProviderFaultError as fault:
            self._backoff.failed(fault)
            log.warning("smtp_unavailable", verb=fault.verb, reason=fault.detail, retry_after=self.retry_after)
            raise
        self._backoff.succeeded()
        self._features = connection.features
        self.opened += 1
        return connection

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next session, unless it is broken or has carried its share."""
        limit = self._settings.messages_per_connection
        if not connection.usable:
            connection.close()
        elif self._closed or (limit is not None and connection.envelopes >= limit):
            self._say_goodbye(connection)
        else:
            connection.used_at = time.monotonic()
            self._idle.append(connection)
            self._schedule_reaper()

    def begin(self, connection: Connection, outcomes: list[Outcome]) -> Transaction:
        """Return a transaction on a connection."""
        return Transaction(connection, self._settings, outcomes, self._on_reply)

    @property
    def retry_after(self) -> float:
        """Return the seconds until the server is tried again."""
        return round(self._backoff.remaining(), 3)

    # -- idle connections

    def _schedule_reaper(self) -> None:
        if self._reaper is None:
            self._reaper = asyncio.get_running_loop().call_later(self._settings.idle_seconds, self._reap)

    def _reap(self) -> None:
        self._reaper = None
        oldest = time.monotonic() - self._settings.idle_seconds
        for connection in [idle for idle in self._idle if idle.used_at <= oldest or not idle.usable]:
            self._idle.remove(connection)
            self._say_goodbye(connection)
        if self._idle:
            self._schedule_reaper()

    def _say_goodbye(self, connection: Connection) -> None:
        task = asyncio.get_running_loop().create_task(connection.quit())
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)


class SmtpSession:
    """The right to use one connection of the pool until the end of the `async with`."""

    def __init__(self, pool: SmtpPool) -> None:
        """Belong to a pool; the connection comes with the first need."""
        self._pool = pool
        self._connection: Connection | None = None

    async def connect(self) -> Features:
        """Make sure that there is a connection, for example before messages are marked as being sent.

        Raises:
            ProviderFaultError: none can be had now; `SmtpPool.retry_after` tells when to try again.
        """
        if self._connection is None or not self._connection.usable:
            self._drop()
            self._connection = await self._pool.take()
        return self._connection.features

    async def send(self, envelope: Envelope, deadline: float = math.inf) -> Outcome:
        """Send one message."""
        return (await self.send_window([envelope], deadline))[0]

    async def send_window(
        self,
        envelopes: Sequence[Envelope],
        deadline: float = math.inf,
        outcomes: list[Outcome] | None = None,
    ) -> list[Outcome]:
        """Send messages in order over one connection and return one outcome for each.

        Args:
            envelopes: the window; the crash contract allows ten.
            deadline: on `time.monotonic()`; looked at before the first byte of each message. One whose turn comes
                later is `not_started`.
            outcomes: a list that receives the outcomes as they become known; also after a cancellation it is
                complete, with `uncertain` for the message whose final dot was out.
        """
        results = outcomes if outcomes is not None else []
        transaction: Transaction | None = None
        try:
            while len(results) < len(envelopes):
                if time.monotonic() >= deadline:
                    break
                try:
                    await self.connect()
                except ProviderFaultError as fault:
                    missing = len(envelopes) - len(results)
                    results.extend([fault.outcome(self._pool.retry_after)] * missing)
                    break
                if self._connection is not None:
                    transaction = self._pool.begin(self._connection, results)
                    await transaction.send(envelopes[len(results) :], deadline)
        except BaseException:
            self._drop()
            if transaction is not None and len(results) < len(envelopes):
                results.append(transaction.interrupted())
            results.extend([STOPPED] * (len(envelopes) - len(results)))
            raise
        results.extend([NOT_STARTED] * (len(envelopes) - len(results)))
        return results

    def end(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._pool.give_back(self._connection)
            self._connection = None

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class Backoff:
    """Waits between tries to reach a server: doubled from 0.5 s to 30 s, less up to a quarter at random."""

    def __init__(self) -> None:
        """Start without a wait."""
        self._failures = 0
        self._until = 0.0
        self.fault: ProviderFaultError | None = None

    def remaining(self) -> float:
        """Return the seconds until the next try is allowed."""
        return max(0.0, self._until - time.monotonic())

    def failed(self, fault: ProviderFaultError) -> None:
        """Wait longer. Failures of tries that ran at the same time count once."""
        self.fault = fault
        if self.remaining() > 0:
            return
        wait = min(_LONGEST_WAIT, _FIRST_WAIT * 2**self._failures)
        self._failures += 1
        self._until = time.monotonic() + wait * random.uniform(0.75, 1.0)  # noqa: S311 - spreads load, no secret

    def succeeded(self) -> None:
        """Forget the failures."""
        self._failures = 0
        self._until = 0.0
        self.fault = None
