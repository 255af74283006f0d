"""What was sent, as files: one by one, or many in a ZIP archive that is written while it is read."""

import asyncio
import zipfile
from collections.abc import AsyncIterable, AsyncIterator
from typing import Final
from uuid import UUID

import asyncpg

MEDIA_TYPES: Final = {"email": "message/rfc822", "sms": "text/plain"}
_SUFFIXES: Final = {"email": "eml", "sms": "txt"}


def file_name(message_id: UUID, channel: str) -> str:
    """Return how the file of a message is called."""
    return f"{message_id}.{_SUFFIXES[channel]}"


class _Pipe:
    """Takes what an archive writes, and hands it on. It cannot seek, so the archive does not either."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._chunks.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing waits anywhere else."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        chunks, self._chunks = self._chunks, []
        return b"".join(chunks)


async def zipped(messages: AsyncIterable[asyncpg.Record]) -> AsyncIterator[bytes]:
    """Yield the bytes of an archive with a file for each message, dated as it was submitted.

    `messages`: rows of `message_id`, `channel`, `created_at` and `content`. Memory: one message, and some hundred bytes
    for each that is in the archive already. Deflating runs beside the loop.
    """
    pipe = _Pipe()
    archive = zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED)
    async for row in messages:
        info = zipfile.ZipInfo(file_name(row["message_id"], row["channel"]), row["created_at"].timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        await asyncio.to_thread(archive.writestr, info, row["content"])
        yield pipe.taken()
    archive.close()
    yield pipe.taken()
