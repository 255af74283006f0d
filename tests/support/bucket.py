"""A bucket: an HTTP server of a few lines that keeps objects for whoever signs for them (AWS Signature Version 4)."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

KEY, SECRET, REGION = "AKIATEST", "a secret of the bucket", "eu-test-1"


@dataclass
class Bucket:
    """A listening bucket; `status` makes every answer that one."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    status: int | None = None

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.strip().split("\r\n")
            method, path, _ = first.split(" ")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            status, content = self.answer(method, path, headers, body)
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
            writer.write(head.encode() + content)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if self.status is not None:
            return self.status, b"<Error><Code>SlowDown</Code></Error>"
        if not is_signed(method, path, headers, body):
            return 403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>"
        if method == "PUT":
            self.objects[path], self.types[path] = body, headers["content-type"]
        elif method == "DELETE":
            self.objects.pop(path, None)
            return 204, b""
        elif path not in self.objects:
            return 404, b"<Error><Code>NoSuchKey</Code></Error>"
        return 200, self.objects[path] if method == "GET" else b""


def is_signed(method: str, path: str, headers: dict[str, str], body: bytes) -> bool:
    """Verify a request as the service does, from what came over the wire."""
    fields = dict(part.strip().split("=", 1) for part in headers["authorization"].split(" ", 1)[1].split(","))
    key, day, region, service, _ = fields["Credential"].split("/")
    digest = hashlib.sha256(body).hexdigest()
    names = fields["SignedHeaders"].split(";")
    is_ours = (key, region, service) == (KEY, REGION, "s3") and "host" in names
    if not is_ours or headers["x-amz-content-sha256"] != digest:
        return False
    request = [method, path, "", *(f"{name}:{headers[name]}" for name in names), "", ";".join(names), digest]
    scope = f"{day}/{region}/{service}/aws4_request"
    hashed = hashlib.sha256("\n".join(request).encode()).hexdigest()
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashed])
    signing = b"AWS4" + SECRET.encode()
    for part in (day, region, service, "aws4_request"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    return hmac.compare_digest(hmac.digest(signing, text.encode(), "sha256").hex(), fields["Signature"])


@asynccontextmanager
async def bucket() -> AsyncIterator[Bucket]:
    """Run a bucket."""
    found = Bucket()
    async with await asyncio.start_server(found.handle, "127.0.0.1", 0) as server:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found
