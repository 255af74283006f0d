"""Routes of segments."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from taskflow.audience.contacts.schemas import ContactOut
from taskflow.audience.segments.audiences import Audience, count_audience
from taskflow.audience.segments.conditions import (
    CONTACT_STATUSES,
    INSTANT_FIELDS,
    MAX_CONDITIONS,
    MAX_DEPTH,
    ContactField,
    Definition,
    EventKind,
)
from taskflow.audience.segments.evaluator import Evaluator
from taskflow.audience.segments.operators import INSTANT_OPERATORS, OPERANDS, TEXT_OPERATORS
from taskflow.audience.segments.schemas import (
    FIELD_LABELS,
    AudienceCountOut,
    CountOut,
    NewSegment,
    OperatorOut,
    SegmentChange,
    SegmentOut,
    Vocabulary,
    VocabularyField,
)
from taskflow.audience.segments.service import OPERATORS_OF, SegmentService
from taskflow.base.pagination import Page
from taskflow.db.pool import Database
from taskflow.identity.access import DEFAULT_PAGE, Caller, Cursor, Limit, ReservedId, Trail, audited, require, service
from taskflow.identity.models import Role

_MARKETER = require(Role.MARKETER)

router = APIRouter(prefix="/segments", tags=["segments"], dependencies=[require(Role.VIEWER)])
audiences = APIRouter(prefix="/audiences", tags=["segments"], dependencies=[require(Role.VIEWER)])


async def _segments(
    database: Annotated[Database, service(Database)], evaluator: Annotated[Evaluator, service(Evaluator)]
) -> SegmentService:
    return SegmentService(database.pool, evaluator)


Segments = Annotated[SegmentService, Depends(_segments)]
Search = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="Part of the name.")]


@router.post("", status_code=201, dependencies=[_MARKETER, audited("segment.create")])
async def create_segment(
    body: NewSegment, caller: Caller, segments: Segments, reserved: ReservedId, trail: Trail
) -> SegmentOut:
    """Keep conditions under a name."""
    row = await segments.create(
        body.name, body.definition, description=body.description, segment_id=reserved, created_by=caller.user_id
    )
    trail.target(row["segment_id"], name=row["name"])
    return SegmentOut.of(row)


@router.get("")
async def list_segments(
    segments: Segments, search: Search = None, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[SegmentOut]:
    """List segments, newest first."""
    rows, following = await segments.page(search, cursor, limit)
    return Page(items=[SegmentOut.of(row) for row in rows], next_cursor=following)


@router.post("/count", dependencies=[audited("segment.count")])
async def count_conditions(body: Definition, segments: Segments, trail: Trail) -> CountOut:
    """Count the contacts that fulfil conditions which are kept nowhere: while they are being edited."""
    trail.nothing_changed()
    return CountOut(**(await segments.count(body))._asdict())


@router.get("/vocabulary")
async def get_vocabulary(segments: Segments) -> Vocabulary:
    """Get what conditions can be made of: fields with their operators, events, limits."""
    columns = [
        VocabularyField(
            condition="field",
            name=name,
            label=FIELD_LABELS[name],
            kind="instant" if name in INSTANT_FIELDS else "text",
            operators=list(INSTANT_OPERATORS if name in INSTANT_FIELDS else TEXT_OPERATORS),
            choices=list(CONTACT_STATUSES) if name is ContactField.STATUS else [],
        )
        for name in ContactField
    ]
    attributes = [
        VocabularyField(
            condition="attribute",
            name=row["name"],
            label=row["label"],
            kind=row["type"],
            operators=list(OPERATORS_OF[row["type"]]),
            choices=row["choices"],
        )
        for row in await segments.fields()
    ]
    return Vocabulary(
        fields=columns + attributes,
        operators=[OperatorOut(operator=operator, takes=operand) for operator, operand in OPERANDS.items()],
        events=list(EventKind),
        max_depth=MAX_DEPTH,
        max_conditions=MAX_CONDITIONS,
    )


@router.get("/{segment_id}")
async def get_segment(segment_id: UUID, segments: Segments) -> SegmentOut:
    """Get a segment."""
    return SegmentOut.of(await segments.get(segment_id))


@router.patch("/{segment_id}", dependencies=[_MARKETER, audited("segment.update", target="segment_id")])
async def update_segment(segment_id: UUID, body: SegmentChange, segments: Segments, trail: Trail) -> SegmentOut:
    """Change a segment's name, description or conditions."""
    changes = body.changes()
    trail.target(segment_id, changed=sorted(changes))
    return SegmentOut.of(await segments.update(segment_id, changes))


@router.delete(
    "/{segment_id}", status_code=204, dependencies=[_MARKETER, audited("segment.delete", target="segment_id")]
)
async def delete_segment(segment_id: UUID, segments: Segments, trail: Trail) -> Response:
    """Delete a segment; its contacts stay. 409 `segment_in_use` while a campaign that has yet to start names it."""
    trail.target(segment_id, name=await segments.delete(segment_id))
    return Response(status_code=204)


@router.post("/{segment_id}/count", dependencies=[audited("segment.count", target="segment_id")])
async def count_segment(segment_id: UUID, segments: Segments, trail: Trail) -> CountOut:
    """Count a segment's contacts, and keep the number with it."""
    trail.nothing_changed()
    return CountOut(**(await segments.count_segment(segment_id))._asdict())


@router.get("/{segment_id}/contacts")
async def list_segment_contacts(
    segment_id: UUID, segments: Segments, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[ContactOut]:
    """List the contacts that are in a segment now, oldest first."""
    rows, following = await segments.contacts(segment_id, cursor, limit)
    return Page(items=[ContactOut.of(dict(row)) for row in rows], next_cursor=following)


@audiences.post("/count", dependencies=[audited("audience.count")])
async def count_people(
    body: Audience,
    database: Annotated[Database, service(Database)],
    evaluator: Annotated[Evaluator, service(Evaluator)],
    trail: Trail,
) -> AudienceCountOut:
    """Count who a campaign with this audience would write to if it began now."""
    trail.nothing_changed()
    return AudienceCountOut(**(await count_audience(database.pool, evaluator, body))._asdict())
