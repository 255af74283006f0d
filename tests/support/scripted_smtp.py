"""An SMTP server that does what a test tells it: refuse, stall, babble or hang up at any verb, and record every byte.

    async with ScriptedSmtp() as server:
        server.script("RCPT", "550 5.1.1 no such user")     # the next RCPT; after that all is well again
        server.script("DOT", hang_up)
        server.always("MAIL", "421 4.3.2 closing")

Verbs are CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, BODY (when its first bytes are there), DOT, RSET, QUIT.
A reply is a string (CRLF is added), raw bytes, or a function that gets the session.
"""

import asyncio
import contextlib
import ssl
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Reply = str | bytes | Callable[["Session"], Awaitable[None]]

FEATURES = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 10485760")
DEFAULTS = {
    "CONNECT": "220 scripted ESMTP",
    "STARTTLS": "220 go ahead",
    "AUTH": "235 2.7.0 welcome",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go ahead",
    "DOT": "250 2.0.0 queued",
    "RSET": "250 ok",
    "QUIT": "221 bye",
}


class HangUpError(Exception):
    """The script closes the connection."""


async def hang_up(session: "Session") -> None:
    """Close the connection without a word."""
    raise HangUpError


async def silence(session: "Session") -> None:
    """Never say anything again, but stay connected."""
    await session.server.closing.wait()
    raise HangUpError


async def endless_lines(session: "Session") -> None:
    """Begin a reply that never ends: continuation lines for ever."""
    while True:
        await session.say(b"250-and another thing\r\n" * 50)


async def endless_line(session: "Session") -> None:
    """Begin a line that never ends."""
    while True:
        await session.say(b"2" * 1000)


def trickle(text: str, seconds: float) -> Reply:
    """Say `text` one byte at a time, `seconds` apart."""

    async def reply(session: "Session") -> None:
        for byte in text.encode() + b"\r\n":
            await session.say(bytes([byte]))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(session.server.closing.wait(), seconds)

    return reply


def then_hang_up(text: str | bytes) -> Reply:
    """Say `text` (bytes: just those, no line end), then close the connection."""

    async def reply(session: "Session") -> None:
        await session.say(text.encode() + b"\r\n" if isinstance(text, str) else text)
        raise HangUpError

    return reply


@dataclass
class Message:
    """One message that the server answered with 2yz."""

    mail_from: bytes
    rcpt_to: bytes
    body: bytes  # as it came: dots still doubled, without the final dot


@dataclass
class Session:
    """One connection."""

    server: "ScriptedSmtp"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)
    commands: list[bytes] = field(default_factory=list)
    mail_from: bytes | None = None
    rcpt_to: bytes | None = None

    async def say(self, data: bytes) -> None:
        """Send raw bytes."""
        self.writer.write(data)
        await self.writer.drain()

    async def line(self) -> bytes:
        """Read one line, with its end."""
        line = await self.reader.readuntil(b"\r\n")
        self.received += line
        return line

    async def run(self) -> None:
        """Talk until the end."""
        await self.answer("CONNECT")
        while True:
            line = await self.line()
            self.commands.append(line)
            verb = line[:4].decode("ascii", "replace").upper().strip()
            verb = {"STAR": "STARTTLS"}.get(verb, verb)
            await self.command(verb, line)
            if verb == "QUIT":
                return

    async def command(self, verb: str, line: bytes) -> None:
        """Answer one command; like a real server, refuse what comes out of order."""
        strict = not self.server.scripted(verb)
        if strict and verb == "MAIL" and self.mail_from is not None:
            return await self.say(b"503 5.5.1 nested MAIL\r\n")
        if strict and verb == "RCPT" and self.mail_from is None:
            return await self.say(b"503 5.5.1 need MAIL\r\n")
        if strict and verb == "DATA" and self.rcpt_to is None:
            return await self.say(b"554 5.5.1 no valid recipients\r\n")
        if verb == "RSET":
            self.mail_from = self.rcpt_to = None
        said = await self.answer(verb)
        if verb == "STARTTLS" and said.startswith(b"220"):
            await self.writer.start_tls(self.server.tls)
        if verb == "MAIL" and said.startswith(b"250"):
            self.mail_from = line[line.index(b"<") + 1 : line.index(b">")]
        if verb == "RCPT" and said.startswith(b"250"):
            self.rcpt_to = line[line.index(b"<") + 1 : line.index(b">")]
        if verb == "DATA" and said.startswith(b"354"):
            await self.message()
        return None

    async def message(self) -> None:
        """Read a message and answer it."""
        body = bytearray()
        first = True
        while True:
            line = await self.line()
            if first and line != b".\r\n":
                self.server.bodies_begun += 1
                await self.answer("BODY", default=b"")
            first = False
            if line == b".\r\n":
                break
            body += line
        self.server.dots += 1
        said = await self.answer("DOT")
        if said.startswith(b"2"):
            self.server.messages.append(Message(self.mail_from or b"", self.rcpt_to or b"", bytes(body)))
        self.mail_from = self.rcpt_to = None

    async def answer(self, verb: str, default: bytes | None = None) -> bytes:
        """Say what the script has for `verb`, or what a good server says."""
        reply = self.server.next_reply(verb)
        if reply is None:
            if default is None:
                default = self.server.ehlo() if verb == "EHLO" else DEFAULTS.get(verb, "500 what?").encode() + b"\r\n"
            reply = default
        if callable(reply):
            await reply(self)
            return b""
        data = reply.encode() + b"\r\n" if isinstance(reply, str) else reply
        if data:
            await self.say(data)
        return data


class ScriptedSmtp:
    """The server; an async context manager."""

    def __init__(self, features: tuple[str, ...] = FEATURES, tls: ssl.SSLContext | None = None) -> None:
        """Offer `features` in the EHLO reply; `tls` serves STARTTLS."""
        self.features = features
        self.tls = tls
        self.sessions: list[Session] = []
        self.messages: list[Message] = []
        self.dots = 0
        self.bodies_begun = 0
        self.closing = asyncio.Event()
        self.port = 0
        self._scripts: dict[str, deque[Reply | None]] = defaultdict(deque)
        self._always: dict[str, Reply] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def script(self, verb: str, *replies: Reply | None) -> None:
        """Answer the next times `verb` comes with `replies` (None: as usual)."""
        self._scripts[verb].extend(replies)

    def always(self, verb: str, reply: Reply) -> None:
        """Answer `verb` with `reply` from now on."""
        self._always[verb] = reply

    def never_mind(self, verb: str) -> None:
        """Forget what `always` said."""
        del self._always[verb]

    @property
    def unused(self) -> dict[str, int]:
        """Return the scripted replies that nothing asked for: a test whose fault did not fire."""
        return {verb: len(queue) for verb, queue in self._scripts.items() if queue}

    @property
    def received(self) -> list[bytes]:
        """Return the bytes of every connection."""
        return [bytes(session.received) for session in self.sessions]

    @property
    def commands(self) -> list[bytes]:
        """Return every command line of every connection."""
        return [line for session in self.sessions for line in session.commands]

    def scripted(self, verb: str) -> bool:
        """Tell whether the next `verb` gets something unusual."""
        queue = self._scripts.get(verb)
        return (queue[0] if queue else self._always.get(verb)) is not None

    def next_reply(self, verb: str) -> Reply | None:
        """Take the next scripted reply."""
        queue = self._scripts.get(verb)
        return queue.popleft() if queue else self._always.get(verb)

    def ehlo(self) -> bytes:
        """Return the EHLO reply."""
        lines = ("scripted", *self.features)
        return b"".join(b"250%b%b\r\n" % (b"-" if line is not lines[-1] else b" ", line.encode()) for line in lines)

    async def __aenter__(self) -> "ScriptedSmtp":
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2**22)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up on everybody."""
        self.closing.set()
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = Session(self, reader, writer)
        self.sessions.append(session)
        try:
            await session.run()
        except (HangUpError, asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
