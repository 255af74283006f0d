"""Audiences: lists and segments, less other lists and segments, as one query.

- A person is in it once, however many of its lists and segments they are in.
- Only ACTIVE contacts with an address are ever written to, whatever the segments say.
- `list_id` of a recipient is the list that brought them: the first of `lists` on which they are confirmed and not
  suppressed. Nobody's list brings those whom only a segment found.
- Who is suppressed when it is asked is left out; who is suppressed later is when the message is sent (`delivery`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, NamedTuple, Self
from uuid import UUID

from pydantic import Field, model_validator

from taskflow.audience.segments.compiler import FRAGMENTS, Query, group, opposite
from taskflow.audience.segments.conditions import Definition, ListsCondition
from taskflow.audience.segments.evaluator import Evaluator, sql
from taskflow.base.bodies import Body
from taskflow.base.errors import InvalidInputError
from taskflow.db.pool import Connection, Pool

Some = Annotated[list[UUID], Field(max_length=20)]


class UnknownAudienceError(InvalidInputError):
    """The audience names a list or a segment that there is not."""

    code = "unknown_audience"


class Audience(Body):
    """Who is written to: everybody on these lists and in these segments, but nobody in the excluded ones."""

    lists: Some = Field([], description="Confirmed subscriptions. A person's first list brings them.")
    segments: Some = []
    exclude_lists: Some = []
    exclude_segments: Some = []

    @model_validator(mode="after")
    def require_somebody(self) -> Self:
        """Refuse an audience that only excludes."""
        if not self.lists and not self.segments:
            raise ValueError("name at least one list or segment")
        return self


class AudienceCount(NamedTuple):
    """Who an audience comes to: `matched` = `recipients` + `suppressed` + `unreachable`."""

    matched: int
    recipients: int
    suppressed: int
    unreachable: int


@dataclass(frozen=True, slots=True)
class AudienceQuery:
    """The clauses of an audience over `subscribers AS s`, and the values of their binds."""

    query: Query
    matched: str
    suppressed: str
    brought_by: str

    @property
    def recipients(self) -> str:
        """The SELECT of those who will be written to: contact_id, email, list_id, personalization."""
        return f"""SELECT s.contact_id, s.email, {self.brought_by} AS list_id,
  {FRAGMENTS["personalization"]} AS personalization
{self.query.source}
WHERE {FRAGMENTS["reachable"]} AND {self.matched} AND NOT {self.suppressed}"""

    @property
    def counts(self) -> str:
        """The SELECT of the members of `AudienceCount`."""
        return f"""SELECT count(*) AS matched,
  count(*) FILTER (WHERE {FRAGMENTS["reachable"]} AND NOT {self.suppressed}) AS recipients,
  count(*) FILTER (WHERE {FRAGMENTS["reachable"]} AND {self.suppressed}) AS suppressed,
  count(*) FILTER (WHERE NOT {FRAGMENTS["reachable"]}) AS unreachable
{self.query.source}
WHERE {self.matched}"""


async def open_audience(target: Connection | Pool, audience: Audience) -> AudienceQuery:
    """Read the segments of an audience and compile it.

    Raises:
        UnknownAudienceError: a list or a segment is not there, or not any more; `problems` names every one.
    """
    lists = sorted({*audience.lists, *audience.exclude_lists})
    segments = sorted({*audience.segments, *audience.exclude_segments})
    rows = await target.fetch(sql.get_segments, segments)
    definitions = {row["segment_id"]: Definition.model_validate(row["definition"]) for row in rows}
    problems = [f"There is no list {row[0]}." for row in await target.fetch(sql.missing_lists, lists)]
    problems += [f"There is no segment {key}." for key in segments if key not in definitions]
    if problems:
        raise UnknownAudienceError(problems[0], problems=problems)
    return compile_audience(audience, definitions)


def compile_audience(audience: Audience, definitions: Mapping[UUID, Definition]) -> AudienceQuery:
    """Compile an audience whose segments are known."""
    query = Query()
    included: list[str] = []
    brought_by = "NULL::uuid"
    if audience.lists:
        table = query.join("join_brought", list_ids=list(dict.fromkeys(audience.lists)))
        included.append(query.fragment("joined", {"table": table}))
        brought_by = f"{table}.list_id"
    included += [query.where(definitions[key]) for key in dict.fromkeys(audience.segments)]
    excluded: list[str] = []
    if audience.exclude_lists:
        condition = ListsCondition(type="lists", list_ids=audience.exclude_lists)
        excluded.append(query.where(Definition(condition=condition)))
    excluded += [query.where(definitions[key]) for key in dict.fromkeys(audience.exclude_segments)]
    matched = group(" OR ", included)
    if excluded:
        matched = group(" AND ", [matched, opposite(group(" OR ", excluded))])
    tables = [query.join("join_suppressed"), query.join("join_suppressed_domain")]
    suppressed = group(" OR ", [query.fragment("suppressed", {"table": table}) for table in tables])
    return AudienceQuery(query, f"({matched})", suppressed, brought_by)


async def count_audience(pool: Pool, evaluator: Evaluator, audience: Audience) -> AudienceCount:
    """Count who an audience comes to, now.

    Raises:
        UnknownAudienceError: a list or a segment is not there.
        SegmentTooSlowError: it takes too long.
    """
    found = await open_audience(pool, audience)
    [row] = await evaluator.fetch(found.counts, found.query.arguments)
    return AudienceCount(*row)
