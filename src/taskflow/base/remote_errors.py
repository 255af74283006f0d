"""The way back: an HTTP problem (RFC 9457) as the domain error it was, for clients of the API."""

from typing import Any

import orjson

from taskflow.base.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    PayloadTooLargeError,
    RateLimitedError,
    TaskFlowError,
    UnauthenticatedError,
    UnavailableError,
)

_KINDS: dict[int, type[TaskFlowError]] = {
    kind.status: kind
    for kind in (
        UnauthenticatedError,
        ForbiddenError,
        NotFoundError,
        ConflictError,
        PayloadTooLargeError,
        InvalidInputError,
        RateLimitedError,
        UnavailableError,
    )
}
_OWN_MEMBERS = frozenset({"type", "title", "status", "detail"})


def error_of(status: int, body: bytes) -> TaskFlowError:
    """Return the domain error of an unsuccessful answer; its `context` holds the problem's `code` and other members."""
    kind = _KINDS.get(status, UnavailableError if status >= 500 else TaskFlowError)
    try:
        problem = orjson.loads(body)
    except ValueError:
        problem = None
    members: dict[str, Any] = problem if isinstance(problem, dict) else {}
    context = {name: value for name, value in members.items() if name not in _OWN_MEMBERS}
    return kind(members.get("detail") or members.get("title") or f"HTTP {status}", **context)
