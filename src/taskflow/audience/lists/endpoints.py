"""Routes of lists and the people on them."""

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Request, Response

from taskflow.audience.consent.endpoints import Consents
from taskflow.audience.consent.endpoints import Reader as ConsentHistory
from taskflow.audience.consent.models import Evidence, SubscriptionStatus
from taskflow.audience.lists.repository import ListReader
from taskflow.audience.lists.schemas import Added, ListChange, ListOut, MemberOut, NewList, People
from taskflow.audience.lists.service import ListService
from taskflow.base.pagination import Page
from taskflow.db.pool import Database
from taskflow.engine.schemas import Text
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    require,
    service,
)
from taskflow.identity.models import Role


async def _lists(database: Annotated[Database, service(Database)]) -> ListService:
    return ListService(database)


async def _reader(database: Annotated[Database, service(Database)]) -> ListReader:
    return ListReader(database.pool)


Lists = Annotated[ListService, Depends(_lists)]
Reader = Annotated[ListReader, Depends(_reader)]

router = APIRouter(prefix="/lists", tags=["lists"], dependencies=[require(Role.VIEWER)])

_MARKETER = require(Role.MARKETER)


@router.post("", status_code=201, dependencies=[_MARKETER, audited("list.create")])
async def create_list(body: NewList, caller: Caller, lists: Lists, reserved: ReservedId, trail: Trail) -> ListOut:
    """Make a list."""
    row = await lists.create(body.model_dump(), created_by=caller.user_id, list_id=reserved)
    trail.target(row["list_id"], name=row["name"])
    return ListOut.of(dict(row), {})


@router.get("")
async def list_lists(
    reader: Reader,
    name: Text | None = None,
    archived: bool | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[ListOut]:
    """List lists and how many people are on them, newest first."""
    rows, following = await reader.list_lists(name, archived, cursor, limit)
    counts = await reader.counts([row["list_id"] for row in rows])
    return Page(items=[ListOut.of(dict(row), counts[row["list_id"]]) for row in rows], next_cursor=following)


@router.get("/{list_id}")
async def get_list(list_id: UUID, reader: Reader) -> ListOut:
    """Get a list and how many people are on it."""
    return await _out(await reader.mailing_list(list_id), reader)


@router.patch("/{list_id}", dependencies=[_MARKETER, audited("list.update", target="list_id")])
async def update_list(list_id: UUID, body: ListChange, lists: Lists, reader: Reader, trail: Trail) -> ListOut:
    """Change a list; who is on it stays."""
    changes = body.columns()
    row = await lists.update(list_id, changes)
    trail.target(list_id, name=row["name"], changed=sorted(changes))
    return await _out(row, reader)


@router.delete("/{list_id}", status_code=204, dependencies=[_MARKETER, audited("list.delete", target="list_id")])
async def delete_list(list_id: UUID, lists: Lists, trail: Trail) -> Response:
    """Delete a list with its subscriptions; contacts and consents stay. To keep who unsubscribed, archive it."""
    trail.target(list_id, name=await lists.delete(list_id))
    return Response(status_code=204)


@router.get("/{list_id}/contacts")
async def list_members(
    list_id: UUID,
    reader: Reader,
    history: ConsentHistory,
    status: SubscriptionStatus | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[MemberOut]:
    """List the people on a list, newest contact first."""
    await reader.mailing_list(list_id)
    rows, following = await history.members(list_id, status, cursor, limit)
    return Page(items=[MemberOut.of(dict(row)) for row in rows], next_cursor=following)


@router.post("/{list_id}/contacts", dependencies=[_MARKETER, audited("list.add", target="list_id")])
async def add_members(
    list_id: UUID, body: People, consents: Consents, caller: Caller, request: Request, trail: Trail
) -> Added:
    """Put people on a list; a double opt-in asks them first. Repeating it changes nothing."""
    evidence = Evidence("api", body.wording, request.state.address, actor=caller.actor)
    added = await consents.add(list_id, body.contact_ids, evidence, confirmed=body.confirmed)
    trail.target(list_id, **added._asdict())
    return Added(**added._asdict())


@router.delete(
    "/{list_id}/contacts/{contact_id}",
    status_code=204,
    dependencies=[_MARKETER, audited("list.remove", target="list_id")],
)
async def remove_member(
    list_id: UUID,
    contact_id: UUID,
    consents: Consents,
    reader: Reader,
    caller: Caller,
    request: Request,
    trail: Trail,
) -> Response:
    """Take somebody off a list. Who has unsubscribed is kept as such: nobody can put them back."""
    await reader.mailing_list(list_id)
    evidence = Evidence("api", address=request.state.address, actor=caller.actor)
    trail.target(list_id, contact_id=str(contact_id))
    if not await consents.remove(list_id, [contact_id], evidence):
        trail.nothing_changed()
    return Response(status_code=204)


async def _out(row: asyncpg.Record, reader: ListReader) -> ListOut:
    counts = await reader.counts([row["list_id"]])
    return ListOut.of(dict(row), counts[row["list_id"]])
