"""The bases of bodies. In those of requests, members that nobody knows are errors, and there are never many of them.

A body of ten megabytes can hold a million unknown members, and a sentence about each takes ten seconds to make. So an
object with more members than any of ours has is refused before they are looked at, and lists of models stop at the
first wrong one (`Field(fail_fast=True)`).
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, model_validator

_MOST_MEMBERS = 100
_FIRST_YEAR, _LAST_YEAR = 2, 9998
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]")


def _refuse_numbers(value: Any) -> Any:
    if isinstance(value, str) and not _RFC_3339.match(value):
        raise ValueError("an instant is written like 2026-01-31T09:00:00+01:00")
    if isinstance(value, int | float):
        raise ValueError("an instant is text, not a number")  # noqa: TRY004 - pydantic wants a ValueError
    return value


def _to_utc(value: datetime) -> datetime:
    """Refuse the ends of time: there, sums overflow, and asyncpg takes the first and the last instant for infinity."""
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"an instant lies between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return value.astimezone(UTC)


# An instant with a time zone as text (RFC 3339); pydantic alone would take 0 for the first of January 1970.
Instant = Annotated[AwareDatetime, BeforeValidator(_refuse_numbers), AfterValidator(_to_utc)]


class Body(BaseModel):
    """A request body, or an object in one."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def refuse_crowds(cls, value: Any) -> Any:
        """Refuse an object with very many members."""
        if isinstance(value, dict) and len(value) > _MOST_MEMBERS:
            raise ValueError(f"at most {_MOST_MEMBERS} members")
        return value


class Row(Protocol):
    """A row of a table, or what has its columns."""

    def __getitem__(self, name: str, /) -> Any:
        """Return a column."""


class RowOut(BaseModel):
    """An answer whose members are called as the columns that they come from."""

    @classmethod
    def of(cls, row: Row) -> Self:
        """Read a row, which may have more columns."""
        return cls(**{name: row[name] for name in cls.model_fields})
