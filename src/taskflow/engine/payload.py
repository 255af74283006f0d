"""What goes into a task and comes out of it: JSON that PostgreSQL can keep, up to a size."""

import json
import re
from typing import Any

import orjson
from pydantic_core import PydanticSerializationError, to_jsonable_python

from taskflow.base.errors import InvalidInputError, TaskFlowError

MAX_PAYLOAD_BYTES = 1024 * 1024
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class InvalidTaskArgumentsError(InvalidInputError):
    """The arguments do not fit the task."""

    code = "invalid_task_arguments"


class ResultRefusedError(TaskFlowError):
    """The task's result cannot be kept."""

    code = "result_refused"


class ResultTooLargeError(ResultRefusedError):
    """The task's result is too large to be kept."""

    code = "result_too_large"


def check_json(value: Any, what: str, *, exactly: bool = False) -> Any:
    """Return `value` as JSON-safe data that PostgreSQL can keep. NaN and infinity become null, unless `exactly`.

    Raises:
        InvalidTaskArgumentsError: it is no JSON, holds a NUL character, or is larger than a megabyte.
    """
    try:
        plain, encoded = _plain(value)
        if exactly and b"null" in encoded:  # of a None, or of a NaN
            json.dumps(plain, allow_nan=False)
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise InvalidTaskArgumentsError(f"{what} cannot be written as JSON: {error}") from error
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise InvalidTaskArgumentsError(f"{what} takes {len(encoded):,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}.")
    if _holds_nul(encoded):
        raise InvalidTaskArgumentsError(f"{what} holds a NUL character, which PostgreSQL cannot keep.")
    return plain


def check_result(value: Any, limit: int) -> Any:
    """Return what a task returned as JSON-safe data of at most `limit` bytes.

    Raises:
        ResultTooLargeError: it takes more.
        ResultRefusedError: it is no JSON, or holds a NUL character.
    """
    try:
        plain, encoded = _plain(value)
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise ResultRefusedError(f"The result cannot be written as JSON: {error}") from error
    if len(encoded) > limit:
        raise ResultTooLargeError(
            f"The result takes {len(encoded):,} bytes; the limit is {limit:,}. Keep it elsewhere and return where, or "
            "raise max_result_bytes of the task or TASKFLOW_WORKER_RESULT_MAX_BYTES."
        )
    if _holds_nul(encoded):
        raise ResultRefusedError("The result holds a NUL character, which PostgreSQL cannot keep.")
    return plain


def json_text(value: Any) -> str | None:
    """Return JSON-safe data as text, for statements that a connection without our codec may run; None of None."""
    if value is None:
        return None
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers beyond 64 bits
        return json.dumps(value)


def keepable(text: str) -> str:
    """Return text without what PostgreSQL cannot keep: NUL, and halves of surrogate pairs."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any) -> tuple[Any, bytes]:
    plain = to_jsonable_python(value)
    return plain, orjson.dumps(plain)


def _holds_nul(encoded: bytes) -> bool:
    return b"\\u0000" in encoded and _ESCAPED_NUL.search(encoded) is not None
