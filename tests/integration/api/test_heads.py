"""What a client may send before anybody reads it is bounded, in bytes and in time."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from support.api import serving
from taskflow.api import heads
from taskflow.settings import Settings

ENDLESS = {
    "a request line": b"GET /",
    "one header": b"GET /health HTTP/1.1\r\nHost: x\r\nX: ",
    "a header's name": b"GET /health HTTP/1.1\r\nHost: x\r\nX",
    "trailers": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ",
    "a chunk's extension": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2;",
}


@pytest.fixture
async def url(settings: Settings) -> AsyncIterator[str]:
    async with serving(settings) as found:
        yield found


async def speak(url: str, begin: bytes, forever: bytes | None = None) -> tuple[bytes, int]:
    """Send something until the server ends the connection; return what it answered, and how much it took."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    sent = 0

    async def send() -> None:
        nonlocal sent
        writer.write(begin)
        while forever is not None:
            writer.write(forever)
            await writer.drain()
            sent += len(forever)

    sender = asyncio.create_task(send())
    try:
        async with asyncio.timeout(30):
            answer = await reader.read()
    except ConnectionResetError:
        answer = b""
    finally:
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)
        writer.close()
    return answer, sent


@pytest.mark.parametrize("name", ENDLESS)
async def test_what_never_comes_to_the_point_ends_the_connection(url: str, name: str) -> None:
    _, sent = await speak(url, ENDLESS[name], b"a" * 16_384)
    assert sent < 16 * 1024 * 1024  # what fits into the buffers between us, and no more
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{url}/health")).status_code == 200


async def test_a_head_that_is_too_large_is_told_so(url: str) -> None:
    answer, _ = await speak(url, b"GET /health HTTP/1.1\r\nX: " + b"a" * (heads.MAX_HEAD_BYTES + 1))
    assert answer.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begin", [b"", b"GET /health HTTP/1.1\r\nHost:"])
async def test_a_head_that_does_not_come_ends_the_connection(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.2)
    async with serving(settings) as url:
        assert await speak(url, begin) == (b"", 0)


async def test_large_bodies_and_many_requests_on_one_connection_are_nobodys_concern(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        for _ in range(3):
            answer = await client.post("/api/v1/auth/login", json={"email": "a" * 60_000, "password": "x"})
            assert answer.status_code == 422
            assert (await client.get("/health", headers={"X-Long": "a" * 30_000})).status_code == 200
