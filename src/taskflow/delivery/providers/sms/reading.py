"""Reads what providers post: it is authentic, and still nothing about its form is certain."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import orjson

_MOST_ITEMS = 1_000
_MOST_FIELDS = 200  # of a form
_MOST_CHARS = 5_000  # of one value; ten parts of 153 characters are much less


Form = list[tuple[str, str]]


def form_of(body: bytes) -> Form | None:
    """Return the fields of a form; None when it is none."""
    try:
        return parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS,
            encoding="utf-8", errors="strict",
        )  # fmt: skip
    except ValueError:
        return None


def json_of(body: bytes) -> Any:
    """Return what a body says; None when it is no JSON."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def dicts(found: Any) -> Iterator[dict[str, Any]]:
    """Yield the objects of a list, or the one object."""
    items = found if isinstance(found, list) else [found]
    yield from (item for item in items[:_MOST_ITEMS] if isinstance(item, dict))


def text_of(value: Any) -> str:
    """Return a text or number as text that PostgreSQL takes; empty for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value).replace("\x00", "")[:_MOST_CHARS].strip()


def uuid_of(value: Any) -> UUID | None:
    """Return the id that a value is."""
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def instant_of(value: Any) -> datetime | None:
    """Return the instant that a value is (ISO 8601 with its offset)."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
        return found.astimezone(UTC) if found is not None and found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
