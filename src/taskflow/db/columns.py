"""Rows as columns, as `unnest` takes them."""

from collections.abc import Sequence
from typing import Any


def columns_of(rows: Sequence[tuple[Any, ...]], fields: Sequence[str]) -> list[list[Any]]:
    """Return one list for each field, also when there are no rows."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in fields]
