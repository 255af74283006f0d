"""Clients of the SMTP relay that say exactly what they are told."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.api import Api
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.identity.models import Role


class Line:
    """A client that says exactly what it is told."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, *lines: str | bytes) -> bytes:
        """Send bytes as they are (text: a line) and return the last line of the reply."""
        for line in lines:
            self.writer.write(line.encode() + b"\r\n" if isinstance(line, str) else line)
        await self.writer.drain()
        return await self.reply()

    async def reply(self) -> bytes:
        """Return the last line of the next reply."""
        async with asyncio.timeout(20):
            while True:
                line = await self.reader.readline()
                if line[3:4] != b"-":
                    return line

    async def sign_in(self, key: str) -> bytes:
        """Give an API key for the password; return the reply."""
        token = base64.b64encode(b"\0anybody\0" + key.encode()).decode()
        return await self.say(f"AUTH PLAIN {token}")

    async def open_mail(self, key: str, *recipients: str, sender: str = "shop@sender.example") -> bytes:
        """Sign in and get as far as DATA."""
        assert (await self.sign_in(key)).startswith(b"235")
        assert (await self.say(f"MAIL FROM:<{sender}>")).startswith(b"250")
        for recipient in recipients:
            assert (await self.say(f"RCPT TO:<{recipient}>")).startswith(b"250")
        return await self.say("DATA")


@asynccontextmanager
async def connected(server: SubmissionServer) -> AsyncIterator[Line]:
    """Connect; the greeting is still to be read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    yield Line(reader, writer)
    writer.close()


async def key_of(api: Api, role: Role) -> str:
    """Return an API key of a new user of this role."""
    async with await api.as_role(role) as client:
        answer = await client.post("/api/v1/api-keys", json={"name": "mail", "role": role.value})
        assert answer.status_code == 201, answer.text
        key: str = answer.json()["key"]
        return key
