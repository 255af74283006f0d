"""Snippets in PostgreSQL."""

from collections.abc import Iterable
from uuid import UUID

import asyncpg

from taskflow.base.errors import ConflictError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.content.jail.pieces import INCLUDE, MAX_DEPTH
from taskflow.db.pool import Pool
from taskflow.db.queries import load

sql = load(__file__)


class SnippetNotFoundError(NotFoundError):
    """There is no such snippet."""

    code = "snippet_not_found"


class SnippetNameTakenError(ConflictError):
    """Another snippet has this name."""

    code = "snippet_name_taken"


class SnippetRepository:
    """Reads and writes snippets; each call is one statement."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def create(
        self, name: str, body: str, description: str | None, created_by: UUID | None, snippet_id: UUID | None = None
    ) -> asyncpg.Record:
        """Make a snippet; one that exists under `snippet_id` is the answer: a repeated request.

        Raises:
            SnippetNameTakenError: another one has this name.
        """
        if snippet_id is not None and (known := await self._pool.fetchrow(sql.get_snippet, snippet_id)):
            return known
        try:
            made = await self._pool.fetchrow(
                sql.insert_snippet, snippet_id or uuid7(), name, description, body, created_by
            )
        except asyncpg.UniqueViolationError as error:
            raise SnippetNameTakenError(f"There is a snippet called '{name}' already.") from error
        return _found(made)

    async def get(self, snippet_id: UUID) -> asyncpg.Record:
        """Return a snippet, or raise SnippetNotFoundError."""
        return _found(await self._pool.fetchrow(sql.get_snippet, snippet_id), snippet_id)

    async def page(self, search: str | None, after: str | None, limit: int) -> list[asyncpg.Record]:
        """Return snippets by name."""
        return await self._pool.fetch(sql.list_snippets, search, after, limit)

    async def update(
        self, snippet_id: UUID, body: str | None, description: str | None, *, has_description: bool
    ) -> asyncpg.Record:
        """Change a snippet; templates take the new body along when they are saved next."""
        row = await self._pool.fetchrow(sql.update_snippet, snippet_id, body, has_description, description)
        return _found(row, snippet_id)

    async def delete(self, snippet_id: UUID) -> str:
        """Delete a snippet and return its name; versions that include it keep their copy."""
        name = await self._pool.fetchval(sql.delete_snippet, snippet_id)
        if name is None:
            raise SnippetNotFoundError(f"There is no snippet {snippet_id}.")
        return str(name)

    async def users(self, snippet_id: UUID) -> list[asyncpg.Record]:
        """Return the templates whose newest version includes it."""
        return await self._pool.fetch(sql.users_of, snippet_id)

    async def included_in(self, sources: Iterable[str]) -> dict[str, str]:
        """Return the bodies of all snippets that these sources include, directly or through others."""
        bodies: dict[str, str] = {}
        wanted = _included(sources)
        for _ in range(MAX_DEPTH + 1):
            if not wanted:
                break
            rows = await self._pool.fetch(sql.by_names, sorted(wanted))
            fresh: dict[str, str] = {row["name"]: row["body"] for row in rows}
            bodies |= fresh
            wanted = _included(fresh.values()) - bodies.keys()
        return bodies


def _included(sources: Iterable[str]) -> set[str]:
    return {match[2] for source in sources for match in INCLUDE.finditer(source)}


def _found(row: asyncpg.Record | None, snippet_id: UUID | None = None) -> asyncpg.Record:
    if row is None:
        raise SnippetNotFoundError(f"There is no snippet {snippet_id}.")
    return row
