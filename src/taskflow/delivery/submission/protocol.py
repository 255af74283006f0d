"""One connection of an SMTP client: aiosmtpd with API keys for passwords.

The user name does not matter. PLAIN and LOGIN are only offered under TLS, or to a client on this machine: a key never
crosses a network in the clear. What a client sent before the TLS handshake is thrown away (aiosmtpd does), so that
nobody between can put commands in front.
"""

import ipaddress
import re
from asyncio import BaseTransport
from collections.abc import Awaitable, Callable
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from taskflow.delivery.incoming import FastSmtp
from taskflow.identity.models import Principal

_MOST_FAILURES = 3
_PATH = re.compile(r"\s*(?:<([^<>\s]*)>|([^<>\s]+))(?: +(.*))?")

SignIn = Callable[[str], Awaitable[Principal | None]]


class SubmissionSmtp(FastSmtp):
    """A connection that has to sign in before it may say MAIL."""

    def __init__(self, handler: Any, sign_in: SignIn, **options: Any) -> None:
        """`sign_in` returns who has this key as their password, or None."""
        super().__init__(handler, auth_required=True, authenticator=_taken, **options)
        self._sign_in = sign_in
        self._failures = 0

    def connection_made(self, transport: BaseTransport) -> None:
        """Ask for TLS, unless the client is on this machine."""
        super().connection_made(transport)
        if self._tls_protocol is None:
            self._auth_require_tls = not _is_loopback(transport.get_extra_info("peername"))

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """Take the address as it stands; aiosmtpd reads comments, routes and quoted words out of it before we look."""
        match = _PATH.fullmatch(arg)
        if match is None:
            return None, None
        return match[1] or match[2] or "", match[3] or ""

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
        principal = await self._sign_in(result.auth_data.password.decode("ascii", "replace"))
        if principal is not None:
            return AuthResult(success=True, auth_data=principal)
        self._failures += 1
        if self._failures < _MOST_FAILURES:
            return AuthResult(success=False, handled=False)
        await self.push("421 4.7.0 Too many wrong passwords")
        if self.transport is not None:
            self.transport.close()
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
