"""Inserting many rows, through a connection of ours or a caller's.

COPY is the fast way, and sends values in the binary form of their types. For `jsonb` a connection must know how: ours
do; a caller's writes it in a way of its own, or not in that form at all. It gets one INSERT that reads JSON.
"""

import json
from collections.abc import Sequence
from typing import Any

import orjson

from taskflow.db.pool import Connection


async def copy_into(
    connection: Connection, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]
) -> None:
    """Insert `records` into a table of ours; names of tables and columns never come from outside."""
    if getattr(connection, "writes_jsonb", False):
        await connection.copy_records_to_table(table, records=records, columns=columns)
        return
    names = ", ".join(columns)
    await connection.execute(
        f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, $1::text::jsonb)",  # noqa: S608 - ours
        _text([dict(zip(columns, record, strict=True)) for record in records]),
    )


def _text(rows: list[dict[str, Any]]) -> str:
    try:
        return orjson.dumps(rows).decode()
    except TypeError:  # integers beyond 64 bits
        return json.dumps(rows, default=str)
