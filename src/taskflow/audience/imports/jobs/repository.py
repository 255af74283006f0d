"""Imports in PostgreSQL."""

from dataclasses import fields
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.audience.imports.jobs.errors import ImportNotFoundError
from taskflow.audience.imports.jobs.models import ImportJob
from taskflow.audience.imports.jobs.staging import sql
from taskflow.db.pool import Pool

_COLUMNS = tuple(field.name for field in fields(ImportJob))


class ImportRepository:
    """Reads imports."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def get(self, import_id: UUID) -> ImportJob:
        """Return an import.

        Raises:
            ImportNotFoundError: there is none.
        """
        found = await self.find(import_id)
        if found is None:
            raise ImportNotFoundError(f"There is no import {import_id}.")
        return found

    async def find(self, import_id: UUID) -> ImportJob | None:
        """Return an import, or None."""
        row = await self._pool.fetchrow(sql.select_imports, import_id, None, None, 1)
        return job_of(row) if row is not None else None

    async def page(self, status: str | None, before: UUID | None, limit: int) -> list[ImportJob]:
        """Return imports, newest first."""
        return [job_of(row) for row in await self._pool.fetch(sql.select_imports, None, status, before, limit)]

    async def rejections(self, import_id: UUID, after: int, limit: int) -> list[tuple[Any, ...]]:
        """Return a page of rejected rows in the order of the file: number, code, reason, text."""
        return [tuple(row) for row in await self._pool.fetch(sql.rejections, import_id, after, limit)]


def job_of(row: asyncpg.Record) -> ImportJob:
    """Return a row of `contact_imports` as a job."""
    return ImportJob(**{name: row[name] for name in _COLUMNS})
