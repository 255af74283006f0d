"""Segments: made, changed, counted and read."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.audience.contacts.repository import sql as contacts_sql
from taskflow.audience.segments.compiler import Query
from taskflow.audience.segments.conditions import AttributeCondition, Definition, EventCondition, ListsCondition, leaves
from taskflow.audience.segments.evaluator import Counted, Evaluator, sql
from taskflow.audience.segments.operators import (
    BOOLEAN_OPERATORS,
    CHOICE_OPERATORS,
    DAY_OPERATORS,
    NUMBER_OPERATORS,
    TEXT_OPERATORS,
    Operator,
)
from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Pool
from taskflow.engine.repository import Rows, before, page

_NIL = UUID(int=0)

OPERATORS_OF: dict[str, tuple[Operator, ...]] = {
    "text": TEXT_OPERATORS,
    "number": NUMBER_OPERATORS,
    "boolean": BOOLEAN_OPERATORS,
    "date": DAY_OPERATORS,
    "datetime": DAY_OPERATORS,
    "choice": CHOICE_OPERATORS,
}
"""What can be asked of a field, by its type in `contact_fields`."""


class SegmentNotFoundError(NotFoundError):
    """There is no such segment."""

    code = "segment_not_found"


class SegmentNameTakenError(ConflictError):
    """Another segment has this name."""

    code = "segment_name_taken"


class SegmentInUseError(ConflictError):
    """A campaign that has yet to start names this segment."""

    code = "segment_in_use"


class InvalidSegmentError(InvalidInputError):
    """The conditions name something that there is not, or compare a field with what it cannot be."""

    code = "invalid_segment"


class SegmentService:
    """Segments for code that shares the database."""

    def __init__(self, pool: Pool, evaluator: Evaluator) -> None:
        """Use the ordinary pool, and this process's evaluator."""
        self._pool = pool
        self._evaluator = evaluator

    async def create(
        self,
        name: str,
        definition: Definition,
        *,
        description: str | None = None,
        segment_id: UUID | None = None,
        created_by: UUID | None = None,
    ) -> asyncpg.Record:
        """Keep conditions under a name. `segment_id`: given by a caller that may repeat itself.

        Raises:
            SegmentNameTakenError: the name is taken.
            InvalidSegmentError: the conditions cannot be meant so.
        """
        await self.check(definition)
        segment_id = segment_id or uuid7()
        try:
            row = await self._pool.fetchrow(
                sql.insert_segment, segment_id, name, description, stored(definition), created_by
            )
        except asyncpg.UniqueViolationError as error:
            row = await self._pool.fetchrow(sql.get_segment, segment_id)
            if row is None:
                raise _taken(name) from error
        return _found(row, segment_id)

    async def get(self, segment_id: UUID) -> asyncpg.Record:
        """Return a segment's row, or raise SegmentNotFoundError."""
        return _found(await self._pool.fetchrow(sql.get_segment, segment_id), segment_id)

    async def page(self, search: str | None, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of segments, newest first."""
        rows = await self._pool.fetch(sql.list_segments, before(cursor), search, limit + 1)
        return page(rows, limit, "segment_id")

    async def update(self, segment_id: UUID, changes: Mapping[str, Any]) -> asyncpg.Record:
        """Change name, description or definition; return the row.

        Raises:
            SegmentNotFoundError, SegmentNameTakenError, InvalidSegmentError: as in `create`.
        """
        definition: Definition | None = changes.get("definition")
        if definition is not None:
            await self.check(definition)
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                row = _found(await connection.fetchrow(sql.lock_segment, segment_id), segment_id)
                merged = {**row, **changes}
                kept = stored(definition) if definition is not None else row["definition"]
                changed = await connection.fetchrow(
                    sql.update_segment, segment_id, merged["name"], merged["description"], kept
                )
        except asyncpg.UniqueViolationError as error:
            raise _taken(changes["name"]) from error
        return _found(changed, segment_id)

    async def delete(self, segment_id: UUID) -> str:
        """Delete a segment; return its name.

        Raises:
            SegmentNotFoundError: there is none.
            SegmentInUseError: a campaign that has yet to start names it.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            _found(await connection.fetchrow(sql.lock_segment, segment_id), segment_id)
            campaigns = await connection.fetch(sql.waiting_campaigns, str(segment_id))
            if campaigns:
                names = ", ".join(repr(row["name"]) for row in campaigns)
                raise SegmentInUseError(f"Campaigns that have yet to start name it: {names}. Cancel them first.")
            row = await connection.fetchrow(sql.delete_segment, segment_id)
        name: str = _found(row, segment_id)["name"]
        return name

    async def count(self, definition: Definition) -> Counted:
        """Count the contacts that fulfil conditions, now.

        Raises:
            InvalidSegmentError: the conditions cannot be meant so.
            SegmentTooSlowError: it takes too long.
        """
        await self.check(definition)
        return await self._evaluator.count(definition)

    async def count_segment(self, segment_id: UUID) -> Counted:
        """Count a segment's contacts, and keep the number with it.

        Raises:
            SegmentNotFoundError: there is no such segment.
            SegmentTooSlowError: it takes too long.
        """
        row = await self.get(segment_id)
        counted = await self._evaluator.count(Definition.model_validate(row["definition"]))
        await self._pool.execute(sql.note_count, segment_id, row["definition"], counted.contacts)
        return counted

    async def contacts(self, segment_id: UUID, cursor: str | None, limit: int) -> tuple[Rows, str | None]:
        """Return a page of a segment's contacts, oldest first; raises as `count_segment` does."""
        definition = Definition.model_validate((await self.get(segment_id))["definition"])
        rows = await self._evaluator.page(definition, before(cursor) or _NIL, limit + 1)
        return page(rows, limit, "contact_id")

    async def fields(self) -> Rows:
        """Return the fields that contacts have been given."""
        return await self._pool.fetch(contacts_sql.list_fields)

    async def check(self, definition: Definition) -> None:
        """Refuse conditions that name what there is not, or ask of a field what its type cannot answer.

        Raises:
            InvalidSegmentError: `problems` has every one of them.
            TooManyTablesError: they look at too many lists and events.
        """
        Query().where(definition)
        found = list(leaves(definition.condition))
        attributes = [leaf for leaf in found if isinstance(leaf, AttributeCondition)]
        lists = {list_id for leaf in found if isinstance(leaf, ListsCondition) for list_id in leaf.list_ids}
        campaigns = {leaf.campaign_id for leaf in found if isinstance(leaf, EventCondition) and leaf.campaign_id}
        problems = [f"There is no list {row[0]}." for row in await self._pool.fetch(sql.missing_lists, sorted(lists))]
        gone = await self._pool.fetch(sql.missing_campaigns, sorted(campaigns))
        problems += [f"There is no campaign {row[0]}." for row in gone]
        names = sorted({leaf.name for leaf in attributes})
        fields = {row["name"]: row for row in await self._pool.fetch(sql.fields_called, names)}
        problems += [fault for leaf in attributes if (fault := _field_fault(leaf, fields.get(leaf.name)))]
        if problems:
            raise InvalidSegmentError(problems[0], problems=problems)


def stored(definition: Definition) -> dict[str, Any]:
    """Return a definition as it is kept."""
    return definition.model_dump(mode="json", exclude_none=True)


def _field_fault(leaf: AttributeCondition, field: asyncpg.Record | None) -> str | None:
    """Return what is wrong with asking this of a field of its type; an attribute without a field may be anything."""
    if field is None:
        return None
    kind: str = field["type"]
    allowed = OPERATORS_OF[kind]
    if leaf.operator not in allowed:
        return f"'{leaf.name}' is a {kind}: it takes the operators {', '.join(allowed)}, not '{leaf.operator}'."
    wanted: tuple[type, ...] = {"number": (int, float), "boolean": (bool,)}.get(kind, (str,))
    if kind in ("date", "datetime"):
        return None
    for value in leaf.values:
        if not isinstance(value, wanted) or (kind == "number" and isinstance(value, bool)):
            return f"'{leaf.name}' is a {kind}: it cannot be {value!r}."
        if kind == "choice" and str(value).lower() not in {choice.lower() for choice in field["choices"]}:
            return f"'{leaf.name}' is one of {', '.join(field['choices'])}: it cannot be {value!r}."
    return None


def _taken(name: str) -> SegmentNameTakenError:
    return SegmentNameTakenError(f"There is a segment called {name!r} already.", name=name)


def _found(row: asyncpg.Record | None, segment_id: UUID) -> asyncpg.Record:
    if row is None:
        raise SegmentNotFoundError(f"There is no segment {segment_id}.", segment_id=str(segment_id))
    return row
