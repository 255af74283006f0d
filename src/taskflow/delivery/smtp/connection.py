"""From a socket to a server that listens: connect, greeting, EHLO, STARTTLS, AUTH.

Everything that fails here is the server's or the network's fault, or our settings': a `ProviderFaultError`, never an
outcome that a recipient has to answer for. TLS is never given up silently: with `security = "starttls"` a server
that does not offer it is refused, and a password is never sent over a bare connection that leaves this machine.
"""

import asyncio
import base64
import ipaddress
import socket
import ssl
import time
from typing import Protocol

from taskflow.base.errors import ConfigurationError, UnavailableError
from taskflow.delivery import addresses
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.smtp.envelope import Features
from taskflow.delivery.smtp.reply import Reply
from taskflow.delivery.smtp.wire import BrokenWireError, Wire
from taskflow.settings.smtp import SmtpSettings

__all__ = ["Bearer", "Connection", "Features", "ProviderFaultError", "check_settings", "is_loopback", "tls_context"]

_QUIT_SECONDS = 2.0
_CHALLENGE, _SIGNED_IN = 334, 235


class ProviderFaultError(UnavailableError):
    """The mail server cannot be used now."""

    code = "smtp_unavailable"

    def __init__(self, verb: str, reason: str, reply: Reply | None = None, *, cause: Cause | None = None) -> None:
        """Keep at which verb it failed and what the server said; `cause`: where its reply does not tell."""
        super().__init__(f"{verb}: {reply or reason}")
        self.verb = verb
        self.reason = reason
        self.reply = reply
        self.cause = cause

    def outcome(self, retry_after: float) -> Outcome:
        """Return what this means for a message: nothing was sent; ask again in `retry_after` seconds."""
        return Outcome(OutcomeKind.PROVIDER_FAULT, self.verb, self.reply, self.reason, retry_after, self.cause)


class Bearer(Protocol):
    """Where access tokens for XOAUTH2 come from."""

    async def token(self) -> str:
        """Return a token that is valid now.

        Raises:
            ProviderFaultError: none can be had.
        """

    def forget(self) -> None:
        """Make the next token a new one: the server did not take the last."""


def check_settings(settings: SmtpSettings) -> str:
    """Return the host to connect to.

    Raises:
        ConfigurationError: there is none, or a password would cross a network in the clear.
        UnsafeAddressError: the EHLO name is none.
    """
    if settings.host is None:
        raise ConfigurationError("No mail server: set TASKFLOW_SMTP_HOST, or run the sandbox inbox.")
    if settings.username is not None and settings.security == "none" and not is_loopback(settings.host):
        raise ConfigurationError("TASKFLOW_SMTP_SECURITY=none would send the password in the clear.")
    if settings.helo_name is not None:
        addresses.check_ehlo_name(settings.helo_name)
    return settings.host


def tls_context(settings: SmtpSettings) -> ssl.SSLContext | None:
    """Return the TLS context: certificates are verified, TLS 1.2 or newer."""
    if settings.security == "none":
        return None
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Connection:
    """A session with the server, ready for MAIL."""

    def __init__(self, wire: Wire) -> None:
        """Hold a wire whose greeting has not been read."""
        self.wire = wire
        self.features = Features()
        self.envelopes = 0  # said on it so far
        self.dirty = False  # a refused envelope is open: RSET goes before the next one
        self.used_at = time.monotonic()

    @classmethod
    async def open(
        cls, settings: SmtpSettings, context: ssl.SSLContext | None, bearer: Bearer | None = None
    ) -> "Connection":
        """Connect and sign in; with a `bearer` by XOAUTH2 instead of a password.

        Raises:
            ProviderFaultError: any step failed or took longer than `connect_timeout`.
        """
        host = check_settings(settings)
        seconds = settings.connect_timeout
        loop = asyncio.get_running_loop()
        implicit = context if settings.security == "tls" else None
        try:
            async with asyncio.timeout(seconds):
                _, wire = await loop.create_connection(
                    Wire, host, settings.port, ssl=implicit, server_hostname=host if implicit else None
                )
        except TimeoutError as error:
            raise ProviderFaultError("CONNECT", f"No connection within {seconds:g} s.") from error
        except OSError as error:
            raise ProviderFaultError("CONNECT", str(error) or type(error).__name__) from error
        connection = cls(wire)
        try:
            await connection._greet(settings, context, bearer)
        except BaseException:
            wire.close()
            raise
        return connection

    @property
    def usable(self) -> bool:
        """Tell whether another envelope can be said: nothing owed, nothing broken."""
        return self.wire.quiet

    def close(self) -> None:
        """Hang up."""
        self.wire.close()

    async def quit(self) -> None:
        """Say goodbye, then hang up."""
        try:
            if self.usable:
                self.wire.write(b"QUIT\r\n", replies=1)
                await self.wire.reply(_QUIT_SECONDS)
        except BrokenWireError:
            pass
        finally:
            self.wire.close()

    # -- the way to a session

    async def _greet(self, settings: SmtpSettings, context: ssl.SSLContext | None, bearer: Bearer | None) -> None:
        seconds = settings.connect_timeout
        await self._ask("CONNECT", None, seconds, 220)
        await self._ehlo(settings)
        if settings.security == "starttls" and context is not None:
            await self._starttls(settings, context)
            await self._ehlo(settings)
        if settings.username is not None and bearer is not None:
            await self._authenticate_by_token(settings, settings.username, bearer)
        elif settings.username is not None:
            await self._authenticate(settings, settings.username)

    async def _ehlo(self, settings: SmtpSettings) -> None:
        name = settings.helo_name or _own_name(self.wire.local_host)
        reply = await self._ask("EHLO", b"EHLO %b" % name.encode("ascii"), settings.connect_timeout, 250)
        self.features = parse_features(reply)

    async def _starttls(self, settings: SmtpSettings, context: ssl.SSLContext) -> None:
        if not self.features.starttls:
            raise ProviderFaultError("STARTTLS", "The server does not offer TLS, which the settings demand.")
        await self._ask("STARTTLS", b"STARTTLS", settings.connect_timeout, 220)
        try:
            async with asyncio.timeout(settings.connect_timeout):
                await self.wire.start_tls(context, settings.host or "")
        except TimeoutError as error:
            raise ProviderFaultError("STARTTLS", "The TLS handshake took too long.") from error
        except (OSError, BrokenWireError) as error:
            raise ProviderFaultError("STARTTLS", str(error)) from error

    async def _authenticate(self, settings: SmtpSettings, name: str) -> None:
        seconds = settings.connect_timeout
        username = name.encode()
        password = settings.password.get_secret_value().encode() if settings.password else b""
        if "PLAIN" in self.features.auth:
            token = base64.b64encode(b"\0%b\0%b" % (username, password))
            await self._ask("AUTH", b"AUTH PLAIN " + token, seconds, 235)
        elif "LOGIN" in self.features.auth:
            await self._ask("AUTH", b"AUTH LOGIN", seconds, 334)
            await self._ask("AUTH", base64.b64encode(username), seconds, 334)
            await self._ask("AUTH", base64.b64encode(password), seconds, 235)
        else:
            raise _unsaid("The server offers neither AUTH PLAIN nor AUTH LOGIN.")

    async def _authenticate_by_token(self, settings: SmtpSettings, name: str, bearer: Bearer) -> None:
        """Sign in by XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol).

        A token that is not good is answered by 334 with the reason, which is to be answered by an empty line.
        """
        if "XOAUTH2" not in self.features.auth:
            raise _unsaid("The server does not offer AUTH XOAUTH2.")
        told = base64.b64encode(f"user={name}\x01auth=Bearer {await bearer.token()}\x01\x01".encode())
        reply = await self._say("AUTH", b"AUTH XOAUTH2 " + told, settings.connect_timeout)
        if reply.code == _CHALLENGE:
            reply = await self._say("AUTH", b"", settings.connect_timeout)
        if reply.code != _SIGNED_IN:
            bearer.forget()
            raise ProviderFaultError("AUTH", "The server refused.", reply)

    async def _say(self, verb: str, line: bytes | None, seconds: float) -> Reply:
        """Say a line (None: it is the server's turn) and return its reply."""
        try:
            if line is not None:
                self.wire.write(line + b"\r\n", replies=1)
            return await self.wire.reply(seconds)
        except BrokenWireError as error:
            raise ProviderFaultError(verb, str(error)) from error

    async def _ask(self, verb: str, line: bytes | None, seconds: float, wanted: int) -> Reply:
        """As `_say`; the reply must be `wanted`."""
        reply = await self._say(verb, line, seconds)
        if reply.code != wanted:
            raise ProviderFaultError(verb, "The server refused.", reply)
        return reply


def _unsaid(reason: str) -> ProviderFaultError:
    """Return the fault of credentials that cannot even be said to the server."""
    return ProviderFaultError("AUTH", reason, cause=Cause.CREDENTIALS)


def parse_features(reply: Reply) -> Features:
    """Read the keywords of an EHLO reply; its first line is the server's name."""
    found: dict[str, list[str]] = {}
    for line in reply.lines[1:]:
        keyword, *parameters = line.decode("ascii", "replace").upper().replace("AUTH=", "AUTH ", 1).split() or [""]
        found.setdefault(keyword, []).extend(parameters)
    size = found.get("SIZE", [])
    return Features(
        pipelining="PIPELINING" in found,
        eight_bit="8BITMIME" in found,
        utf8="SMTPUTF8" in found,
        starttls="STARTTLS" in found,
        size="SIZE" in found,
        max_size=int(size[0]) if size and size[0].isdecimal() and len(size[0]) < 20 else 0,
        auth=frozenset(found.get("AUTH", [])),
    )


def _own_name(local_host: str) -> str:
    """Return this machine's name, or an address literal when it has none that a server would take."""
    name = socket.gethostname()
    try:
        return addresses.check_ehlo_name(name)
    except addresses.UnsafeAddressError:
        return f"[IPv6:{local_host}]" if ":" in local_host else f"[{local_host}]"


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
