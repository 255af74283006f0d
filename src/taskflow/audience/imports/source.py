"""A CSV file on its way in: spooled to disk once, understood as a whole, then read in batches.

Spooling costs a second pass over the bytes, but lets the encoding be decided on the last row as well as on the first,
and keeps memory constant: a batch and a buffer, whatever the size of the file.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import BinaryIO, cast

import orjson

from taskflow.audience.imports import dialect, encodings
from taskflow.audience.imports.addresses import InvalidAddressError, normalise
from taskflow.audience.imports.dialect import Header
from taskflow.audience.imports.encodings import Encoding
from taskflow.audience.imports.errors import NoRowsError
from taskflow.audience.imports.reader import Limits, RowReader
from taskflow.audience.imports.rows import AcceptedRow, Batch, RejectionCode, Row, RowFault, Rows
from taskflow.settings import CampaignSettings

_SAMPLE_BYTES = 256 * 1024
_SPOOL_BYTES = 1024 * 1024


class CsvFile:
    """An understood file: what it is encoded in, and which columns it has."""

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        """Understand a seekable binary file. Blocking.

        Raises:
            ImportFileError: one of its subclasses says what is wrong with the file as a whole.
        """
        self._file = file
        self._limits = limits
        self.encoding: Encoding = encodings.detect(file)
        file.seek(0)
        sample = file.read(_SAMPLE_BYTES)
        self.header: Header = dialect.read_header(
            sample.decode(self.encoding.codec, self.encoding.errors), limits.columns
        )

    def require_rows(self, read_row: Callable[[int, list[str]], Row]) -> None:
        """Raise NoRowsError unless some row below the header is accepted or rejected. Blocking."""
        reader = RowReader(self._file, self.encoding, self.header, self._limits, read_row)
        try:
            while (batch := reader.batch(1_000)) is not None:
                if batch.rows or batch.rejected:
                    return
        finally:
            reader.close()
        raise NoRowsError("The file has a header, but no row below it.")

    async def batches(self, read_row: Callable[[int, list[str]], Row], size: int) -> AsyncIterator[Rows[Row]]:
        """Yield all rows, accepted and rejected, in batches of `size` records; may be called again.

        Parsing runs in a thread, one batch ahead of the consumer.

        Raises:
            TooManyRowsError, TooManyRejectedError, BrokenQuotesError: in the middle of the file; undo what was stored.
        """
        reader = RowReader(self._file, self.encoding, self.header, self._limits, read_row)
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


class CsvSource:
    """The recipients in an understood file. Open it with `CsvSource.open`."""

    def __init__(self, file: CsvFile) -> None:
        """Use `open`."""
        self._file = file
        self._email_index = dialect.email_column(file.header)

    @property
    def encoding(self) -> str:
        """The encoding's name: `utf-8`, `cp1252`, …"""
        return self._file.encoding.name

    @property
    def delimiter(self) -> str:
        """The character between fields."""
        return self._file.header.delimiter

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns as template variables, in the file's order, the address column included."""
        return self._file.header.names

    @property
    def titles(self) -> tuple[str, ...]:
        """The columns as the file names them."""
        return self._file.header.titles

    @property
    def email_column(self) -> str:
        """The name (in `columns`) of the column that holds the addresses."""
        return self.columns[self._email_index]

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
        limits = Limits(settings.max_columns, settings.max_field_chars, settings.max_recipients)
        source = cls(CsvFile(file, limits))
        source._file.require_rows(source._recipient_reader())
        return source

    def batches(self, size: int = 5_000) -> AsyncIterator[Batch]:
        """Yield all rows as `CsvFile.batches` does."""
        return self._file.batches(self._recipient_reader(), size)

    def _recipient_reader(self) -> Callable[[int, list[str]], AcceptedRow]:
        """Return what makes a recipient of a row."""
        names = self.columns
        email_index = self._email_index
        drop_email = names[email_index] == "email"  # under another name the address stays a variable of that name

        def recipient(number: int, row: list[str]) -> AcceptedRow:
            try:
                email = normalise(row[email_index].strip())
            except InvalidAddressError as error:
                raise RowFault(RejectionCode.INVALID_ADDRESS, str(error)) from error
            fields = dict(zip(names, row, strict=True))
            if drop_email:
                del fields["email"]
            if "" in row:
                fields = {name: value for name, value in fields.items() if value}
            return number, email, orjson.dumps(fields).decode()

        return recipient


async def _spool(stream: AsyncIterable[bytes], spool: BinaryIO) -> None:
    """Copy a stream to disk, a megabyte at a time."""
    waiting = bytearray()
    async for chunk in stream:
        waiting += chunk
        if len(waiting) >= _SPOOL_BYTES:
            await asyncio.to_thread(spool.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(spool.write, bytes(waiting))
