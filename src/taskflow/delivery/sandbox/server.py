"""The SMTP server of the sandbox: aiosmtpd in front, one INSERT for many connections behind.

A message is answered with 250 only after the commit that keeps it. Connections share commits: while one is under way
the messages of the others gather for the next (group commit). When PostgreSQL goes away in the middle, the same rows
with the same ids are tried again until it is back; when it stays away, the connection is closed without an answer,
because nobody can know whether the rows are there.

aiosmtpd reads commands one by one in the order in which they came, and answers in that order, also when several came
in one packet and after a final dot: so PIPELINING is offered (a test holds it to that).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, NoReturn

import asyncpg
from aiosmtpd.smtp import SMTP, Envelope, Session

from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.db.pool import Pool
from taskflow.delivery.addresses import NULL_PATH
from taskflow.delivery.incoming import FastSmtp, describe
from taskflow.delivery.sandbox.repository import InboxRepository, Received
from taskflow.delivery.sandbox.uses import Rule, Uses
from taskflow.delivery.sandbox.writer import GroupWriter, NotKeptError
from taskflow.settings.sandbox import SandboxSettings

log = get_logger(__name__)

_RULES_SECONDS = 0.2  # how old the rules in memory may be
_TRIM_SECONDS = 10.0

_REPLIES = {
    "reject": "550 5.1.1 The sandbox refuses this address.",
    "defer": "451 4.3.0 The sandbox does not take mail for this address now.",
}


class SandboxServer:
    """The server of one process; an instance is its aiosmtpd handler."""

    def __init__(self, pool: Pool, settings: SandboxSettings) -> None:
        """Listen nowhere yet."""
        self._settings = settings
        self._repository = InboxRepository(pool)
        self._writer = GroupWriter(self._repository.add)
        self._rules: dict[str, Rule] = {}
        self._uses = Uses()
        self._rules_at = -_RULES_SECONDS
        self._rules_reading = asyncio.Lock()
        self._connections: set[SMTP] = set()
        self.port = 0

    @classmethod
    @asynccontextmanager
    async def running(cls, pool: Pool, settings: SandboxSettings) -> AsyncIterator["SandboxServer"]:
        """Listen, hand out the server (its `port` is the real one), and stop at the end.

        Raises:
            OSError: the port is taken.
        """
        server = cls(pool, settings)
        listener = await asyncio.get_running_loop().create_server(server._protocol, settings.host, settings.port)
        server.port = listener.sockets[0].getsockname()[1]
        trimmer = asyncio.create_task(server._trim())
        try:
            yield server
        finally:
            trimmer.cancel()
            listener.close()
            await server._stop()
            with suppress(asyncio.CancelledError):
                await trimmer

    # -- what aiosmtpd calls

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer PIPELINING beside what aiosmtpd offers by itself."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take the address, or fail as a rule says."""
        if address == NULL_PATH:
            return "501 5.1.3 This is no address."
        action = await self._rule(address)
        if action is not None and action in _REPLIES:
            return _REPLIES[action]
        if action is not None:
            await _hang_up(server)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep one row per recipient and answer once they are committed."""
        raw = bytes(envelope.original_content or b"")
        subject, message_id_header = describe(raw)
        sender = _text(envelope.mail_from or "")
        rows = [
            Received(uuid7(), sender, _text(recipient), subject, message_id_header, raw)
            for recipient in envelope.rcpt_tos
        ]
        try:
            await self._writer.keep(rows)
        except NotKeptError:
            await _hang_up(server)
        except asyncpg.PostgresError as error:
            log.warning("sandbox_insert_failed", error=str(error))
            return "451 4.3.0 The sandbox could not keep this message."
        return f"250 2.0.0 kept as {rows[0].message_id}"

    # -- inside

    def _protocol(self) -> asyncio.BaseProtocol:
        protocol = FastSmtp(
            self,
            data_size_limit=self._settings.max_message_bytes,
            enable_SMTPUTF8=True,
            hostname="sandbox.taskflow.local",
            ident="TaskFlow sandbox inbox",
            loop=asyncio.get_running_loop(),
        )
        protocol.on_lost = self._connections.discard
        self._connections.add(protocol)
        return protocol

    async def _rule(self, address: str) -> str | None:
        """Return what to do to an address, counting the rule's use."""
        await self._refresh_rules()
        if not self._rules:
            return None
        address = address.lower()
        for pattern in (address, f"*@{address.rpartition('@')[2]}"):
            rule = self._rules.get(pattern)
            if rule is not None and self._uses.use(rule, address):
                return await self._repository.hit(pattern)
        return None

    async def _refresh_rules(self) -> None:
        """Read the rules when they have grown old; who comes meanwhile waits for the new ones too."""
        if time.monotonic() - self._rules_at < _RULES_SECONDS:
            return
        async with self._rules_reading:
            now = time.monotonic()
            if now - self._rules_at < _RULES_SECONDS:
                return
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self._read_rules()
            self._rules_at = now

    async def _read_rules(self) -> None:
        """Learn the rules; those that are gone forget whom they were used on."""
        found = {
            row["pattern"]: Rule(row["pattern"], row["action"], row["times"]) for row in await self._repository.rules()
        }
        if found != self._rules:
            self._rules = found
            self._uses.keep(set(found.values()))

    async def _trim(self) -> None:
        while True:
            await asyncio.sleep(_TRIM_SECONDS)
            try:
                await self._repository.trim(self._settings.keep)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("sandbox_trim_failed", error=str(error))

    async def _stop(self) -> None:
        """Commit what has arrived, then hang up on everybody."""
        await self._writer.close()
        for connection in list(self._connections):
            if connection.transport is not None:
                connection.transport.close()
        await asyncio.sleep(0)  # their tasks end with the transports


async def _hang_up(server: SMTP) -> NoReturn:
    """Close the connection, sending what was answered so far; never returns, the loss cancels the caller."""
    transport: Any = server.transport
    if transport is not None:
        transport.close()
    while True:
        await asyncio.get_running_loop().create_future()


def _text(value: str) -> str:
    """Return what PostgreSQL can keep as text."""
    return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
