"""One connection of an SMTP client: aiosmtpd with API keys for passwords.

The user name does not matter. PLAIN and LOGIN are only offered under TLS, or to a client on this machine: a key never
crosses a network in the clear. What a client sent before the TLS handshake is thrown away (aiosmtpd does), so that
nobody between can put commands in front. Strangers get little: small buffers, few connections, and a minute to sign in.
"""

import ipaddress
import re
from asyncio import BaseTransport, TimerHandle
from collections.abc import Awaitable, Callable
from typing import Any, AnyStr

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, syntax

from taskflow.base.errors import RateLimitedError
from taskflow.db.outages import DATABASE_AWAY
from taskflow.delivery.addresses import NULL_PATH
from taskflow.delivery.incoming import FastSmtp
from taskflow.delivery.submission.connections import Connections, address_of
from taskflow.delivery.submission.metrics import REFUSALS
from taskflow.identity.models import Principal

_MOST_FAILURES = 3
_PATH = re.compile(r"\s*(?:<([^<>\s]*)>|([^<>\s]+))(?: +(.*))?")
_STRANGER_SECONDS = 60.0  # until a connection has to be signed in

SignIn = Callable[[str, str | None], Awaitable[Principal | None]]


class SubmissionSmtp(FastSmtp):
    """A connection that has to sign in before it may say MAIL."""

    def __init__(
        self, handler: Any, sign_in: SignIn, connections: Connections, *, trust_loopback: bool, **options: Any
    ) -> None:
        """Take what decides.

        Args:
            handler: of commands, as aiosmtpd has it.
            sign_in: returns who has this key as their password, or None; it is told the client's address, too.
            connections: says who may come in.
            trust_loopback: take keys without TLS from this machine.
            options: of aiosmtpd.
        """
        super().__init__(handler, auth_required=True, authenticator=_taken, **options)
        self._sign_in = sign_in
        self._connections = connections
        self._trust_loopback = trust_loopback
        self._is_welcome = True
        self._failures = 0
        self._stranger_timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        """Ask for TLS, unless the client is on this machine."""
        super().connection_made(transport)
        if self._tls_protocol is None:
            peer = transport.get_extra_info("peername")
            is_secret = transport.get_extra_info("ssl_object") is not None or (
                self._trust_loopback and _is_loopback(peer)
            )
            self._auth_require_tls = not is_secret
            self._is_welcome = self._connections.enter(self, peer)
            self._stranger_timer = self.loop.call_later(_STRANGER_SECONDS, self._part_from_stranger)

    def connection_lost(self, error: Exception | None) -> None:
        """Make room for others."""
        super().connection_lost(error)
        self._connections.leave(self)
        if self._stranger_timer is not None:
            self._stranger_timer.cancel()

    async def _handle_client(self) -> None:
        if self._is_welcome:
            await super()._handle_client()
        else:
            await self.push("421 4.7.0 Too many connections: try again later")
            self.hang_up()

    @syntax("DATA")
    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name
        """Read a message and answer it; the last one, when the server is closing."""
        try:
            await super().smtp_DATA(arg)
        finally:
            self._connections.answered(self)
        if self._connections.is_closing:
            self.hang_up()

    async def push(self, status: AnyStr) -> None:
        """Send a reply, and count it when it refuses."""
        code = status[:3] if isinstance(status, str) else status[:3].decode("ascii", "replace")
        if code[:1] in ("4", "5"):
            REFUSALS.labels(code).inc()
        await super().push(status)

    def _part_from_stranger(self) -> None:
        if self.session is not None and not self.session.authenticated:
            self.hang_up()

    def hang_up(self) -> None:
        """Close the connection once all answers are out."""
        if self.transport is not None:
            self.transport.close()

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Take the address as it stands; aiosmtpd reads comments, routes and quoted words out of it before we look."""
        match = _PATH.fullmatch(arg)
        if match is None:
            return None, None
        return NULL_PATH if match[1] == "" else match[1] or match[2], match[3] or ""

    async def auth_PLAIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802 - aiosmtpd's name
        """Take `\\0name\\0key` (RFC 4616)."""
        return await self._decide(await super().auth_PLAIN(_, args))

    async def auth_LOGIN(self, _: Any, args: list[str]) -> AuthResult:  # noqa: N802
        """Take name and key one after the other."""
        return await self._decide(await super().auth_LOGIN(_, args))

    async def _decide(self, result: AuthResult) -> AuthResult:
        """Return whether the key that was given is somebody's; hang up on who has none again and again."""
        if not result.success or not isinstance(result.auth_data, LoginPassword):
            return result
        try:
            password = result.auth_data.password.decode("ascii", "replace")
            principal = await self._sign_in(password, address_of(self.session.peer if self.session else None))
        except RateLimitedError as error:
            return AuthResult(success=False, handled=False, message=f"454 4.7.0 {error}")
        except DATABASE_AWAY:
            return AuthResult(
                success=False, handled=False, message="454 4.7.0 Nobody can sign in now: try again shortly"
            )
        if principal is not None:
            return AuthResult(success=True, auth_data=principal)
        self._failures += 1
        if self._failures < _MOST_FAILURES:
            return AuthResult(success=False, handled=False)
        await self.push("421 4.7.0 Too many wrong passwords")
        self.hang_up()
        return AuthResult(success=False, handled=True)


def _taken(_server: SMTP, _session: Any, _envelope: Any, _mechanism: str, login: LoginPassword) -> AuthResult:
    """Hand on what was given; `_decide` looks at it, because that needs the database."""
    return AuthResult(success=True, auth_data=login)


def _is_loopback(peer: Any) -> bool:
    """Tell whether a client is on this machine."""
    try:
        return ipaddress.ip_address(peer[0]).is_loopback
    except (TypeError, ValueError, IndexError):
        return False
