"""Declares what attributes mean. Values that are there already stay as they are, until they are written again."""

from collections.abc import Sequence

import asyncpg

from taskflow.audience.contacts.repository import sql
from taskflow.audience.contacts.values import FieldType
from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError
from taskflow.db.pool import Pool

RESERVED = frozenset(
    {
        "attributes", "contact_id", "created_at", "email", "list_id", "lists", "locale", "phone", "status", "tags",
        "time_zone", "unsubscribe_url", "updated_at",
    }
)  # fmt: skip
"""Names that templates and files know already."""


class FieldNotFoundError(NotFoundError):
    """There is no such field."""

    code = "field_not_found"


class FieldExistsError(ConflictError):
    """Another field has this name."""

    code = "field_exists"


class InvalidFieldError(InvalidInputError):
    """A field cannot be like this."""

    code = "invalid_field"


class FieldService:
    """Fields for code that shares the database."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def list_fields(self) -> list[asyncpg.Record]:
        """Return all fields by name."""
        return await self._pool.fetch(sql.list_fields)

    async def create(self, name: str, label: str | None, kind: FieldType, choices: Sequence[str]) -> asyncpg.Record:
        """Declare an attribute.

        Raises:
            InvalidFieldError: the name is taken by what every contact has, or the choices do not fit the type.
            FieldExistsError: it is declared already.
        """
        if name in RESERVED:
            raise InvalidFieldError(f"Every contact has its {name} already: take another name.", field="name")
        if (kind is FieldType.CHOICE) != bool(choices):
            raise InvalidFieldError("A field of type choice has choices, and no other one has.", field="choices")
        row = await self._pool.fetchrow(sql.insert_field, name, label or name, kind, _distinct(choices))
        if row is None:
            raise FieldExistsError(f"There is a field called {name!r} already.", name=name)
        return row

    async def update(self, name: str, label: str | None, choices: Sequence[str] | None) -> asyncpg.Record:
        """Change how a field is called, or what it offers; None leaves it.

        Raises:
            FieldNotFoundError: there is none.
            InvalidFieldError: the choices do not fit the type.
        """
        try:
            row = await self._pool.fetchrow(
                sql.update_field, name, label, _distinct(choices) if choices is not None else None
            )
        except asyncpg.CheckViolationError as error:
            raise InvalidFieldError(
                "A field of type choice has choices, and no other one has.", field="choices"
            ) from error
        return _found(row, name)

    async def delete(self, name: str) -> None:
        """Forget what an attribute means; contacts keep it as a free one.

        Raises:
            FieldNotFoundError: there is none.
        """
        _found(await self._pool.fetchrow(sql.delete_field, name), name)


def _distinct(choices: Sequence[str]) -> list[str]:
    """Return choices that differ by more than their case."""
    spellings = {choice.strip().casefold(): choice.strip() for choice in reversed(choices)}
    distinct = list(reversed(spellings.values()))
    if "" in spellings or len(distinct) != len(choices):
        raise InvalidFieldError("Choices differ by more than their case, and none is empty.", field="choices")
    return distinct


def _found(row: asyncpg.Record | None, name: str) -> asyncpg.Record:
    if row is None:
        raise FieldNotFoundError(f"There is no field {name!r}.", name=name)
    return row
