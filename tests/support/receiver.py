"""A receiver of webhooks and requests: an HTTP server of a few lines that answers as a test wants."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


def plain(status: int, *headers: str, body: bytes = b"") -> Reply:
    """Answer with a status, some headers and a body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = (f"HTTP/1.1 {status} X", *headers, f"Content-Length: {len(body)}", "", "")
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return answer


async def hang(writer: asyncio.StreamWriter) -> None:
    """Answer nothing for as long as the other side stays."""
    await writer.wait_closed()


async def endless(writer: asyncio.StreamWriter) -> None:
    """Answer with a body that does not end."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"\0" * 0x10000 + b"\r\n")
        await writer.drain()


def saying(*parts: bytes) -> Reply:
    """Say these bytes and close the connection, whatever they promise."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)
        await writer.drain()

    return answer


def begun(head: bytes) -> Reply:
    """Say these bytes and nothing more, for as long as the other side stays."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await writer.drain()
        await writer.wait_closed()

    return answer


async def half_close(writer: asyncio.StreamWriter) -> None:
    """Close our half of the connection without a word, and keep the other open."""
    writer.write_eof()
    await writer.wait_closed()


def endless_after(head: bytes) -> Reply:
    """Begin an answer whose body does not end."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head + b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    return answer


async def endless_head(writer: asyncio.StreamWriter) -> None:
    """Begin an answer whose headers do not end."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while not writer.is_closing():
        writer.write(b"X-More: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


@dataclass
class Message:
    """What was posted."""

    path: str
    headers: dict[str, str]
    body: bytes
    method: str = "POST"

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, secret: str) -> bool:
        """Verify the message as receivers do, with the verifier of Standard Webhooks."""
        try:
            Webhook(secret).verify(self.body, self.headers)
        except WebhookVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """A listening receiver; `replies` are used up one by one, then it answers as `answer` says, or 204."""

    port: int = 0
    messages: list[Message] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    connections: int = 0
    answer: Callable[[Message], Reply] = lambda _message: plain(204)
    open: dict[asyncio.StreamWriter, "asyncio.Task[None] | None"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open[writer] = asyncio.current_task()
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            method, path, _ = first.split(" ")
            message = Message(path, headers, body, method)
            self.messages.append(message)
            await (self.replies.pop(0) if self.replies else self.answer(message))(writer)
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*replies: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Listen on a free port of 127.0.0.1 while the block runs."""
    receiver = Receiver(replies=list(replies))
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for writer in receiver.open:
            writer.close()
        await asyncio.gather(*(task for task in receiver.open.values() if task is not None), return_exceptions=True)
