"""An upload on its way in: taken out of its archive, understood as a whole, cut into chunks that workers can read."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO, Final, cast
from uuid import UUID

from taskflow.audience.imports.jobs import archive
from taskflow.audience.imports.jobs.staging import sql
from taskflow.audience.imports.reader import Limits
from taskflow.audience.imports.source import CsvFile
from taskflow.db.pool import Connection
from taskflow.settings import ImportSettings

_CHUNK_BYTES: Final = 1024 * 1024
_SAMPLE_BYTES: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A CSV file that is understood. `filename`: that in the archive, when there is one."""

    file: BinaryIO
    csv: CsvFile
    filename: str | None
    size: int
    rows: int

    async def store(self, connection: Connection, import_id: UUID) -> None:
        """Write it into `import_chunks`. Runs in the transaction that makes the import."""
        position = 0
        chunks = self._chunks()
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            await connection.execute(sql.insert_chunk, import_id, position, chunk)
            position += 1

    def _chunks(self) -> Iterator[bytes]:
        self.file.seek(0)
        while chunk := self.file.read(_CHUNK_BYTES):
            yield chunk


@asynccontextmanager
async def understood(file: BinaryIO, filename: str | None, settings: ImportSettings) -> AsyncIterator[Upload]:
    """Understand a CSV file, or the one in a ZIP archive; `file` lies on disk until the block ends.

    Raises:
        ImportFileError: one of its subclasses says what is wrong with the file as a whole.
    """
    if not archive.is_zip(file):
        yield await asyncio.to_thread(_understand, file, filename, settings)
        return
    with cast("BinaryIO", tempfile.TemporaryFile()) as unpacked:
        name = await asyncio.to_thread(archive.unpack, file, unpacked, settings.max_unpacked_bytes)
        yield await asyncio.to_thread(_understand, unpacked, name, settings)


def _understand(file: BinaryIO, filename: str | None, settings: ImportSettings) -> Upload:
    limits = Limits(settings.max_columns, settings.max_field_chars, settings.max_rows)
    csv = CsvFile(file, limits)
    csv.require_rows(lambda _number, _cells: None)
    size = file.seek(0, 2)
    return Upload(file, csv, filename and filename[:255], size, _estimated_rows(file, size))


def _estimated_rows(file: BinaryIO, size: int) -> int:
    """Return about how many rows there are, from the lines at the beginning."""
    file.seek(0)
    sample = file.read(_SAMPLE_BYTES)
    lines = max(sample.count(b"\n"), sample.count(b"\r"), 1)
    return max(1, round(lines * size / len(sample)) - 1) if sample else 0
