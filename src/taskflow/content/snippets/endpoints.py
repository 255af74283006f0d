"""Routes of snippets."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.content.fields import Line
from taskflow.content.snippets.repository import SnippetRepository
from taskflow.content.snippets.schemas import NewSnippet, SnippetChange, SnippetDetail, SnippetOut
from taskflow.db.pool import Database
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

_MARKETER = require(Role.MARKETER)


async def _snippets(database: Annotated[Database, service(Database)]) -> SnippetRepository:
    return SnippetRepository(database.pool)


Snippets = Annotated[SnippetRepository, Depends(_snippets)]
router = APIRouter(prefix="/snippets", tags=["templates"], dependencies=[require(Role.VIEWER)])


@router.post("", status_code=201, dependencies=[_MARKETER, audited("snippet.create")])
async def create_snippet(
    body: NewSnippet, caller: Caller, snippets: Snippets, reserved: ReservedId, trail: Trail
) -> SnippetOut:
    """Make a snippet."""
    row = await snippets.create(body.name, body.body, body.description, caller.user_id, reserved)
    trail.target(row["snippet_id"], name=row["name"])
    return SnippetOut(**dict(row))


@router.get("")
async def list_snippets(
    snippets: Snippets,
    search: Annotated[Line | None, Query(description="In the name.")] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[SnippetOut]:
    """List snippets by name."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await snippets.page(search, after, limit + 1)
    more = encode_cursor(found[limit - 1]["name"]) if len(found) > limit else None
    return Page(items=[SnippetOut(**dict(row)) for row in found[:limit]], next_cursor=more)


@router.get("/{snippet_id}")
async def get_snippet(snippet_id: UUID, snippets: Snippets) -> SnippetDetail:
    """Get a snippet, and which templates include it."""
    return SnippetDetail.with_users(await snippets.get(snippet_id), await snippets.users(snippet_id))


@router.patch("/{snippet_id}", dependencies=[_MARKETER, audited("snippet.update", target="snippet_id")])
async def update_snippet(snippet_id: UUID, body: SnippetChange, snippets: Snippets, trail: Trail) -> SnippetDetail:
    """Change a snippet; saved versions of templates keep the body that they have."""
    row = await snippets.update(
        snippet_id, body.body, body.description, has_description="description" in body.model_fields_set
    )
    trail.target(snippet_id, name=row["name"], version=row["version"])
    return SnippetDetail.with_users(row, await snippets.users(snippet_id))


@router.delete(
    "/{snippet_id}", status_code=204, dependencies=[_MARKETER, audited("snippet.delete", target="snippet_id")]
)
async def delete_snippet(snippet_id: UUID, snippets: Snippets, trail: Trail) -> Response:
    """Delete a snippet; saved versions of templates keep their copy."""
    trail.target(snippet_id, name=await snippets.delete(snippet_id))
    return Response(status_code=204)
