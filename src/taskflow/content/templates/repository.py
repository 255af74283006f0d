"""Templates in PostgreSQL: the statements of `queries.sql` as functions, rows as models."""

from typing import Any
from uuid import UUID

import asyncpg

from taskflow.content.rendering import Format
from taskflow.content.templates.errors import TemplateNotFoundError, TemplateVersionNotFoundError
from taskflow.content.templates.models import Attachment, Content, Draft, StoredTemplate, Variant, Version
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load

sql = load(__file__)


class TemplateRepository:
    """Reads and writes templates."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def get(self, template_id: UUID, connection: Connection | None = None) -> StoredTemplate:
        """Return a template.

        Raises:
            TemplateNotFoundError: there is none.
        """
        row = await (connection or self._pool).fetchrow(sql.get_template, template_id)
        if row is None:
            raise TemplateNotFoundError(f"There is no template {template_id}.")
        return StoredTemplate(*row)

    async def page(
        self, search: str | None, channel: str | None, archived: bool, before: UUID | None, limit: int
    ) -> list[StoredTemplate]:
        """Return templates, newest first."""
        rows = await self._pool.fetch(sql.list_templates, search, channel, archived, before, limit)
        return [StoredTemplate(*row) for row in rows]

    async def version(self, template_id: UUID, version: int, connection: Connection | None = None) -> Version:
        """Return a version with its variants.

        Raises:
            TemplateVersionNotFoundError: the template has none of this number.
        """
        target = connection or self._pool
        row = await target.fetchrow(sql.get_version, template_id, version)
        if row is None:
            raise TemplateVersionNotFoundError(f"The template {template_id} has no version {version}.")
        variants = await target.fetch(sql.get_variants, template_id, version)
        return _version(row, variants)

    async def content(
        self, template_id: UUID, version: int | None = None, connection: Connection | None = None
    ) -> tuple[StoredTemplate, Version, Content]:
        """Return what a version of a template says, the newest by default; raises like `get` and `version`."""
        found = await self.get(template_id, connection)
        chosen = await self.version(template_id, version or found.version, connection)
        return found, chosen, found.content(chosen)

    async def versions(self, template_id: UUID, before: int | None, limit: int) -> list[asyncpg.Record]:
        """Return versions without their sources, newest first."""
        return await self._pool.fetch(sql.list_versions, template_id, before, limit)

    async def insert_version(self, connection: Connection, version: Version) -> None:
        """Write a version and its variants."""
        draft = version.draft
        files = [
            {"media_id": str(file.media_id), "filename": file.filename, "inline": file.inline}
            for file in draft.attachments
        ]
        key = (version.template_id, version.version)
        await connection.execute(
            sql.insert_version,
            *key,
            version.note,
            dict(draft.variables),
            files,
            dict(version.snippets),
            version.created_by,
        )
        await connection.executemany(
            sql.insert_variant,
            [
                (*key, one.locale, one.format.value, one.subject, one.preheader, one.body, one.text)
                for one in draft.variants
            ],
        )


def _version(row: asyncpg.Record, variants: list[asyncpg.Record]) -> Version:
    values: dict[str, Any] = dict(row)
    files = values.pop("attachments")
    draft = Draft(
        tuple(Variant(one["locale"], Format(one["format"]), *list(one)[2:]) for one in variants),
        values.pop("variables"),
        tuple(Attachment(UUID(file["media_id"]), file["filename"], file["inline"]) for file in files),
    )
    return Version(**values, draft=draft)
