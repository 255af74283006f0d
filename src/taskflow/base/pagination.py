"""Cursor pagination: a page and the opaque cursor of the next one.

A cursor is the last row's sort key, base64url JSON. It holds no secret and grants nothing: a forged one only
starts another page of what the caller may see anyway.
"""

import base64
import binascii
from typing import Any, Generic, TypeVar

import orjson
from pydantic import BaseModel, Field

from taskflow.base.errors import InvalidInputError

Item = TypeVar("Item")

DEFAULT_LIMIT = 50
MAX_LIMIT = 500


class InvalidCursorError(InvalidInputError):
    """The cursor is not one that this list handed out."""

    code = "invalid_cursor"


class Page(BaseModel, Generic[Item]):
    """One page of a list, newest first unless the list says otherwise."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Pass it as `cursor` for the next page; null at the end.")


def encode_cursor(*key: Any) -> str:
    """Turn a row's sort key into a cursor."""
    return base64.urlsafe_b64encode(orjson.dumps(key, default=str)).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: Any) -> tuple[Any, ...]:
    """Turn a cursor back into its sort key, each part through its constructor (`decode_cursor(c, UUID)`).

    A part that is text (`str`) has to be text already, of characters that PostgreSQL can compare.

    Raises:
        InvalidCursorError: it was not made by `encode_cursor` for this kind of list.
    """
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(parts, list) or len(parts) != len(kinds):
            raise InvalidCursorError
        return tuple(_text(part) if kind is str else kind(part) for kind, part in zip(kinds, parts, strict=True))
    except (binascii.Error, ValueError, TypeError, AttributeError) as error:
        raise InvalidCursorError from error


def _text(part: Any) -> str:
    if not isinstance(part, str) or "\x00" in part:
        raise InvalidCursorError
    return part
