"""What calls are made of and answers are read with, for both kinds of client: nothing here waits."""

import functools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, TypedDict, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from taskflow.audience.segments.conditions import Condition
from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.engine.remote.calls import Call
from taskflow.engine.results import WaitTimeoutError

T = TypeVar("T")

_adapter: Callable[[Any], TypeAdapter[Any]] = functools.lru_cache(maxsize=256)(TypeAdapter)

File: TypeAlias = str | Path | BinaryIO
"""A path, or a binary file that can be rewound."""
Conditions: TypeAlias = Condition | Mapping[str, Any]
"""A tree of conditions, as models or as JSON says it."""


class MessageFilter(TypedDict, total=False):
    """Which messages, all that is given must hold; with an address, what campaigns sent there too."""

    address: str | None
    status: str | None
    channel: Literal["email", "sms"] | None
    tag: str | None
    provider: str | None
    submission_id: UUID | None
    created_after: datetime | None
    created_before: datetime | None
    delivery: Literal["sent", "delivered", "failed"] | None
    """Texts of which their provider told this after it had taken them."""
    scheduled: bool
    """Only those whose time is yet to come."""
    search: str | None
    """An id, the provider's id, a Message-ID or a part of the subject; of the last 7 days unless `created_after` says,
    of 31 days at most."""


PAGE = 500
IDLE_SECONDS = 5.0
LONG_SECONDS = 600.0
"""For what takes long: an upload, the start of a campaign to a million contacts."""


def call(
    method: str,
    path: str,
    body: Any = None,
    query: Mapping[str, Any] | None = None,
    *,
    key: str | None = None,
    repeatable: bool = True,
    seconds: float | None = None,
) -> Call:
    """Build a call; a POST gets a key, its own or the caller's, under which the API makes nothing twice.

    Raises:
        InvalidInputError: the caller's key cannot stand in a header.
    """
    if key is not None and not (key and key.isascii() and key.isprintable()):
        raise InvalidInputError("An idempotency key has printable ASCII characters only.", field="idempotency_key")
    headers = {"Idempotency-Key": str(uuid7()) if key is None else key} if method == "POST" else {}
    return Call(
        method,
        path,
        to_jsonable_python(body),
        headers,
        to_jsonable_python(query or {}),
        repeatable=repeatable,
        seconds=seconds,
    )


def reading(path: str, query: Mapping[str, Any]) -> Call:
    """Build a GET; what is None is left out."""
    given = {name: value for name, value in query.items() if value is not None}
    return Call("GET", path, query=to_jsonable_python(given))


@contextmanager
def uploading(path: str, file: File, fields: Mapping[str, Any]) -> Iterator[Call]:
    """Build a form with a file, which is open inside of the block; fields that are no text are sent as JSON."""
    form = {
        name: value if isinstance(value, str) else json.dumps(to_jsonable_python(value))
        for name, value in fields.items()
        if value is not None
    }
    headers = {"Idempotency-Key": str(uuid7())}
    if isinstance(file, str | Path):
        with Path(file).open("rb") as opened:
            yield Call("POST", path, None, headers, file=(Path(file).name, opened), form=form, seconds=LONG_SECONDS)
    else:
        name = Path(str(getattr(file, "name", "file"))).name
        yield Call("POST", path, None, headers, file=(name, file), form=form, seconds=LONG_SECONDS)


def selection(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return a selection of contacts as a query: there, `tags` is `tag`, once for each."""
    return {"tag" if name == "tags" else name: value for name, value in wanted.items()}


def messages(wanted: MessageFilter) -> dict[str, Any]:
    """Return which messages are meant as a query: there, `search` is `q`."""
    return {"q" if name == "search" else name: value for name, value in wanted.items() if value is not False}


def definition(conditions: Conditions, time_zone: str) -> dict[str, Any]:
    """Return the definition of a segment."""
    return {"condition": conditions, "time_zone": time_zone}


def read(kind: type[T], answer: Any) -> T:
    """Return an answer's JSON as what it is."""
    found: T = _adapter(kind).validate_python(answer)
    return found


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


def deadline_after(seconds: float | None) -> float | None:
    """Return when `seconds` will be over, on the monotonic clock."""
    return None if seconds is None else time.monotonic() + seconds


def timed_out(what: str, seconds: float | None) -> WaitTimeoutError:
    """Return the error of somebody who has waited for `seconds`."""
    return WaitTimeoutError(f"{what} has not ended within {seconds:g} s; it goes on.")
