"""The SMTP server that takes mail for sending: each recipient of a mail becomes a message of the ledger.

250 is answered only after the commit that keeps them, with their id. When PostgreSQL goes away in the middle, the same
rows with the same ids are tried again for a minute; then the client is told to come back, and nobody can know whether
its mail was kept. So a client may send the same bytes once more to the same people: within a day it gets what is there
already, if its mail has a Message-ID of its own.
"""

import asyncio
import hashlib
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import asyncpg
from aiosmtpd.smtp import SMTP, Envelope, Session

from taskflow.base.errors import RateLimitedError, TaskFlowError, UnauthenticatedError
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.base.networks import subscriber
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.rate_limiter import RateLimiter
from taskflow.db.outages import DATABASE_AWAY, patiently
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.delivery import addresses
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.messages.allowance import allowance
from taskflow.delivery.messages.models import Letter, Recipient, Submission
from taskflow.delivery.messages.permits import SenderNotAllowedError, check_senders
from taskflow.delivery.messages.service import Submitted, keep
from taskflow.delivery.submission.connections import Connections, address_of
from taskflow.delivery.submission.listening import Offered, listening
from taskflow.delivery.submission.mail import MailRefusedError, finish
from taskflow.delivery.submission.metrics import MAILS, MESSAGES, SECONDS
from taskflow.delivery.submission.protocol import SubmissionSmtp
from taskflow.engine.client import Engine
from taskflow.identity.audit import AuditEntry, AuditLog
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Principal, Role
from taskflow.identity.secret_key import signing_key
from taskflow.identity.tokens import API_KEY_MARK, TokenSigner
from taskflow.settings import Settings

log = get_logger(__name__)
sql = load(__file__, "queries.sql")

_IDLE_SECONDS = 300.0
_REPEAT_SECONDS = 86_400.0  # within which the same mail is a repetition; as an Idempotency-Key is kept
_WATCH_SECONDS = 5.0
_NAME_SECONDS = 2.0
_DRAIN_SECONDS = 10.0  # for commits that are under way when the server ends


class SubmissionServer:
    """The server of one process; an instance is its aiosmtpd handler."""

    def __init__(self, database: Database, broker: RedisBroker, settings: Settings) -> None:
        """Listen nowhere yet."""
        secret = signing_key(settings)
        self._database = database
        self._engine = Engine(database, broker)
        self._settings = settings
        self._secret = secret.get_secret_value().encode()
        signer = TokenSigner(secret, access_seconds=settings.security.access_token_seconds)
        self._authenticator = Authenticator(database, signer)
        self._limiter = RateLimiter(broker)
        self._audit = AuditLog(database.pool)
        where = settings.submission
        self._connections = Connections(where.max_connections, where.max_connections_per_address)
        self._is_database_there = True
        self._name = settings.smtp.helo_name or ""
        self.port = 0
        self.tls_port: int | None = None

    @classmethod
    @asynccontextmanager
    async def running(
        cls, database: Database, broker: RedisBroker, settings: Settings
    ) -> AsyncIterator["SubmissionServer"]:
        """Listen, hand out the server (its `port` and `tls_port` are the real ones), and stop at the end.

        Raises:
            ConfigurationError: the certificate cannot be used, or is missing.
            OSError: a port is taken.
        """
        server = cls(database, broker, settings)
        server._name = server._name or await _full_name()
        try:
            async with listening(settings.submission, server._protocol) as (server.port, server.tls_port):
                watch = asyncio.create_task(server._watch())
                try:
                    yield server
                finally:
                    watch.cancel()
        finally:
            await server._connections.close(SubmissionSmtp.hang_up, _DRAIN_SECONDS)

    def report(self) -> dict[str, Any]:
        """Return the state of this process for `/health` and `/ready`: without PostgreSQL it keeps nothing."""
        return {
            "status": "ok" if self._is_database_there and not self._connections.is_closing else "degraded",
            "database": "ok" if self._is_database_there else "down",
            "port": self.port,
            "connections": len(self._connections),
        }

    # -- what aiosmtpd calls

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's names
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer PIPELINING beside what aiosmtpd offers by itself."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, if the key is still good, and has not sent too much of late."""
        principal = cast("Principal", session.auth_data)
        try:
            await self._authenticator.confirm(principal)
            await self._count(principal)
            envelope.mail_from = address if address == addresses.NULL_PATH else str(addresses.parse(address))
        except UnauthenticatedError:
            session.authenticated = False
            return "535 5.7.8 The API key is no longer good"
        except RateLimitedError as error:
            return f"451 4.7.1 {error}"
        except addresses.UnsafeAddressError as error:
            return f"553 5.1.7 {_line(error)}"
        except DATABASE_AWAY:
            return "451 4.3.0 Try again shortly"
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient; one who is named twice gets one mail."""
        try:
            recipient = str(addresses.parse(address))
        except addresses.UnsafeAddressError as error:
            return f"553 5.1.3 {_line(error)}"
        known = {one.lower() for one in envelope.rcpt_tos}
        if recipient.lower() not in known:
            if len(known) >= self._settings.submission.max_recipients:
                return "452 4.5.3 Too many recipients"
            envelope.rcpt_tos.append(recipient)
            envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keep a message for each recipient, and answer once they are committed."""
        self._connections.waits(server)
        submission_id = uuid7()
        principal = cast("Principal", session.auth_data)
        data = bytes(envelope.original_content or b"")
        try:
            mail = finish(
                data,
                utf8=bool(envelope.smtp_utf8),
                message_id=lambda sender: MessageIds(self._secret, sender).of(submission_id),
            )
            returns = () if envelope.mail_from == addresses.NULL_PATH else (envelope.mail_from or "",)
            check_senders(principal, (*mail.senders, *mail.sent_by, *returns))
        except MailRefusedError as error:
            return f"550 5.6.0 {_line(error)}"
        except SenderNotAllowedError as error:
            return f"550 5.7.1 {_line(error)}"
        submission = Submission(
            Letter(mail.from_email, mail_from=envelope.mail_from),
            [Recipient(address) for address in envelope.rcpt_tos],
            tags=mail.tags,
            archive=self._settings.message.archive,
            raw=mail.raw,
        )
        key_id = principal.key_id if principal.is_narrow else None

        async def attempt() -> Submitted:
            kept_as = await self._reserve(principal, envelope, data, submission_id) if mail.is_named else submission_id
            return await keep(self._database, self._engine, submission, "smtp", principal.user_id, kept_as, key_id)

        try:
            with SECONDS.time():
                submitted = await patiently(attempt)
        except (TaskFlowError, *DATABASE_AWAY) as error:
            log.warning("submission_not_kept", error=str(error) or type(error).__name__)
            return "451 4.3.0 The mail could not be kept: try again shortly"
        MAILS.inc()
        MESSAGES.inc(len(submitted.messages))
        await self._audit.write(
            AuditEntry(
                "message.send",
                principal.actor,
                principal.user_id,
                target_type="message",
                target_id=str(submitted.submission_id),
                address=address_of(session.peer),
                detail={"messages": len(submitted.messages), "source": "smtp"},
            )
        )
        if len(submitted.messages) == 1:
            return f"250 2.0.0 queued as {submitted.messages[0]['message_id']}"
        return f"250 2.0.0 queued as {submitted.submission_id}, {len(submitted.messages)} messages"

    # -- inside

    async def _watch(self) -> None:
        """Look after PostgreSQL, for `/health` and `/ready`: whoever gets no mail would not hear that it is back."""
        while True:
            try:
                async with asyncio.timeout(_WATCH_SECONDS):
                    await self._database.pool.fetchval("SELECT 1")
                self._is_database_there = True
            except (*DATABASE_AWAY, asyncpg.PostgresError):
                self._is_database_there = False
            await asyncio.sleep(_WATCH_SECONDS)

    def _protocol(self, tls: Offered) -> asyncio.BaseProtocol:
        where = self._settings.submission
        return SubmissionSmtp(
            self,
            self._sign_in,
            self._connections,
            trust_loopback=where.trust_loopback,
            data_size_limit=where.max_message_bytes,
            enable_SMTPUTF8=True,
            hostname=self._name,
            ident="TaskFlow submission",
            tls_context=tls,
            timeout=_IDLE_SECONDS,
            loop=asyncio.get_running_loop(),
        )

    async def _reserve(self, principal: Principal, envelope: Envelope, data: bytes, submission_id: UUID) -> UUID:
        """Return the id under which this mail to these people is kept: that of an earlier try, or the one given."""
        people = "\n".join([envelope.mail_from or "", *sorted(address.lower() for address in envelope.rcpt_tos)])
        digest = hashlib.sha256(people.encode() + b"\n\n" + data).digest()
        reserved: UUID = await self._database.pool.fetchval(
            sql.reserve, f"smtp:{principal.idempotency_owner}", digest.hex(), digest, submission_id, _REPEAT_SECONDS
        )
        return reserved

    async def _count(self, principal: Principal) -> None:
        """Count a mail of somebody as a call of POST /messages is."""
        await self._admit(*allowance(principal, self._settings), "mails")

    async def _admit(self, identity: str, limit: int, what: str) -> None:
        verdict = await self._limiter.ask(identity, limit)
        if not verdict.admitted:
            wait = max(1, math.ceil(verdict.reset))
            raise RateLimitedError(f"At most {limit} {what} a minute: try again in {wait} s", retry_after=wait)

    async def _sign_in(self, key: str, address: str | None) -> Principal | None:
        """Return whose key this is, if they may send messages; access tokens are no passwords.

        Raises:
            RateLimitedError: somebody tries a lot from this address.
        """
        await self._admit(
            f"smtp-ip:{subscriber(address or '::')}", self._settings.http.rate_limit_ip_per_minute, "sign-ins"
        )
        if not key.startswith(API_KEY_MARK):
            return None
        try:
            principal = await self._authenticator.authenticate(key)
        except UnauthenticatedError:
            return None
        return principal if principal.role.allows(Role.MARKETER) else None


async def _full_name() -> str:
    """Return this machine's name with its domain; without, when name servers take long to say it."""
    try:
        async with asyncio.timeout(_NAME_SECONDS):
            return await asyncio.to_thread(socket.getfqdn)
    except TimeoutError:
        return socket.gethostname()


def _line(error: TaskFlowError) -> str:
    """Return an error's sentence as one line of a reply."""
    return str(error).encode("ascii", "replace").decode().replace("\r", " ").replace("\n", " ")[:400]
