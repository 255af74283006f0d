"""Recipients into the ledger: a stream of checked rows, COPY, and one set-based statement that keeps first addresses.

Everything happens in the transaction that also writes the campaign, so a crash in the middle leaves nothing. Memory is
a batch of rows; ids ascend in file order, because the ledger is read and fed in the order of its ids.
"""

import io
from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from taskflow.audience.imports import Batch, Rejection
from taskflow.base.ids import uuid7, uuid7_sequence
from taskflow.campaigns.models import ImportReport
from taskflow.campaigns.repository import sql
from taskflow.db.pool import Connection

_STATEMENT_SECONDS = 600.0
_INCOMING = ("recipient_id", "row_number", "email", "personalization")
_REJECTIONS = ("import_id", "row_number", "code", "reason", "raw")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where recipients come from.

    `columns`: the variables they bring, in order, without the address; `row`: the same with it, as the file has them.
    """

    filename: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    columns: Sequence[str] = ()
    row: Sequence[str] = ()


async def import_recipients(
    connection: Connection, campaign_id: UUID, origin: Origin, batches: AsyncIterable[Batch]
) -> ImportReport:
    """Write recipients, rejections and the report, and freeze the campaign's total. Runs inside a transaction.

    Raises:
        ImportFileError: the file turns out to be unusable on the way; the caller's transaction undoes what was stored.
    """
    import_id = uuid7()
    await connection.execute(sql.import_memory)
    await connection.execute(sql.create_incoming)
    await connection.execute(
        sql.begin_import,
        import_id,
        campaign_id,
        origin.filename[:255] if origin.filename else None,
        origin.encoding,
        origin.delimiter,
        list(origin.columns),
    )
    ids = uuid7_sequence()
    copied = rejected = 0
    async for batch in batches:
        copied += len(batch.rows)
        rejected += len(batch.rejected)
        await _copy(connection, "incoming", _INCOMING, _incoming_lines(ids, batch))
        await _copy(connection, "import_rejections", _REJECTIONS, _rejection_lines(import_id, batch.rejected))
    tag = await connection.execute(sql.admit_incoming, campaign_id, timeout=_STATEMENT_SECONDS)
    accepted = int(tag.rpartition(" ")[2])
    if accepted < copied:
        await connection.execute(
            sql.reject_duplicates,
            campaign_id,
            import_id,
            origin.delimiter or ",",
            list(origin.row),
            timeout=_STATEMENT_SECONDS,
        )
    duplicates = copied - accepted
    rows = copied + rejected
    await connection.execute(sql.end_import, import_id, rows, accepted, rejected, duplicates)
    await connection.execute(sql.freeze_total, campaign_id, accepted)
    return ImportReport(
        import_id, origin.filename, origin.encoding, origin.delimiter, rows, accepted, rejected, duplicates
    )


async def _copy(connection: Connection, table: str, columns: Sequence[str], lines: bytes) -> None:
    if lines:
        arguments: dict[str, Any] = {"source": io.BytesIO(lines), "columns": columns, "format": "text"}
        await connection.copy_to_table(table, timeout=_STATEMENT_SECONDS, **arguments)


def _incoming_lines(ids: Iterator[str], batch: Batch) -> bytes:
    """Return accepted rows in COPY's text format. Addresses hold nothing that needs escaping, JSON only backslashes."""
    lines = [
        f"{recipient_id}\t{number}\t{email}\t{fields}\n"
        for (number, email, fields), recipient_id in zip(batch.rows, ids, strict=False)
    ]
    return "".join(lines).replace("\\", "\\\\").encode()


def _rejection_lines(import_id: UUID, rejections: Iterable[Rejection]) -> bytes:
    return "".join(f"{import_id}\t{found.copied()}\n" for found in rejections).encode()
