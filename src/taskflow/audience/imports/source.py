"""A CSV file on its way in: spooled to disk once, understood as a whole, then read in batches.

Spooling costs a second pass over the bytes, but lets the encoding be decided on the last row as well as on the first,
and keeps memory constant: a batch and a buffer, whatever the size of the file.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from typing import BinaryIO, cast

from taskflow.audience.imports import dialect, encodings
from taskflow.audience.imports.dialect import Header
from taskflow.audience.imports.encodings import Encoding
from taskflow.audience.imports.errors import NoRowsError
from taskflow.audience.imports.reader import RowReader
from taskflow.audience.imports.rows import Batch
from taskflow.settings import CampaignSettings

_SAMPLE_BYTES = 256 * 1024
_SPOOL_BYTES = 1024 * 1024


class CsvSource:
    """An understood file. Open it with `CsvSource.open`."""

    def __init__(self, file: BinaryIO, encoding: Encoding, header: Header, settings: CampaignSettings) -> None:
        """Use `open`."""
        self._file = file
        self._encoding = encoding
        self._header = header
        self._settings = settings

    @property
    def encoding(self) -> str:
        """The encoding's name: `utf-8`, `cp1252`, …"""
        return self._encoding.name

    @property
    def delimiter(self) -> str:
        """The character between fields."""
        return self._header.delimiter

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns as template variables, in the file's order, the address column included."""
        return self._header.names

    @property
    def titles(self) -> tuple[str, ...]:
        """The columns as the file names them."""
        return self._header.titles

    @property
    def email_column(self) -> str:
        """The name (in `columns`) of the column that holds the addresses."""
        return self._header.names[self._header.email_index]

    @classmethod
    @asynccontextmanager
    async def open(
        cls, upload: BinaryIO | AsyncIterable[bytes], settings: CampaignSettings
    ) -> AsyncIterator["CsvSource"]:
        """Understand a seekable binary file (left open at the end) or a stream of bytes.

        Raises:
            ImportFileError: one of its subclasses says what is wrong with the file as a whole.
        """
        if isinstance(upload, AsyncIterable):
            with cast("BinaryIO", tempfile.TemporaryFile()) as spool:
                await _spool(upload, spool)
                yield await asyncio.to_thread(cls._understand, spool, settings)
        else:
            yield await asyncio.to_thread(cls._understand, upload, settings)

    @classmethod
    def _understand(cls, file: BinaryIO, settings: CampaignSettings) -> "CsvSource":
        encoding = encodings.detect(file)
        file.seek(0)
        sample = file.read(_SAMPLE_BYTES)
        header = dialect.read_header(sample.decode(encoding.codec, encoding.errors), settings.max_columns)
        source = cls(file, encoding, header, settings)
        source._require_rows()
        return source

    def _require_rows(self) -> None:
        reader = RowReader(self._file, self._encoding, self._header, self._settings)
        try:
            while (batch := reader.batch(1_000)) is not None:
                if batch.rows or batch.rejected:
                    return
        finally:
            reader.close()
        raise NoRowsError("The file has a header, but no row below it.")

    async def batches(self, size: int = 5_000) -> AsyncIterator[Batch]:
        """Yield all rows, accepted and rejected, in batches of `size` records; may be called again.

        Parsing runs in a thread, one batch ahead of the consumer.

        Raises:
            TooManyRowsError, TooManyRejectedError, BrokenQuotesError: in the middle of the file; undo what was stored.
        """
        reader = RowReader(self._file, self._encoding, self._header, self._settings)
        ahead = asyncio.create_task(asyncio.to_thread(reader.batch, size))
        try:
            while (batch := await ahead) is not None:
                ahead = asyncio.create_task(asyncio.to_thread(reader.batch, size))
                yield batch
        finally:
            await asyncio.wait([ahead])  # a thread cannot be cancelled, and it uses the file
            if not ahead.cancelled():
                ahead.exception()
            reader.close()


async def _spool(stream: AsyncIterable[bytes], spool: BinaryIO) -> None:
    """Copy a stream to disk, a megabyte at a time."""
    waiting = bytearray()
    async for chunk in stream:
        waiting += chunk
        if len(waiting) >= _SPOOL_BYTES:
            await asyncio.to_thread(spool.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(spool.write, bytes(waiting))
