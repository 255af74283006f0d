"""Decisions about templates: what may be saved, and what a saved version takes along.

Saving makes a version that never changes: it keeps its variants, its variables, and the bodies of the snippets that it
includes as they are at this moment, so that a snippet that is changed later changes no mail behind anybody's back.
"""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from taskflow.audience.channels import Channel
from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import CompiledTemplate, Format, RenderPool
from taskflow.content.snippets.repository import SnippetRepository
from taskflow.content.templates.errors import (
    TemplateArchivedError,
    TemplateChangedError,
    TemplateNameTakenError,
    TemplateNotFoundError,
    TemplateShapeError,
)
from taskflow.content.templates.models import Content, Draft, StoredTemplate, Version
from taskflow.content.templates.repository import TemplateRepository, sql
from taskflow.db.pool import Connection, Database


class TemplateService:
    """The templates of this installation."""

    def __init__(self, database: Database, rendering: RenderPool, media: MediaLibrary) -> None:
        """Take the pools, the rendering jail and the media."""
        self._pool = database.pool
        self._rendering = rendering
        self._media = media
        self._snippets = SnippetRepository(database.pool)
        self.repository = TemplateRepository(database.pool)

    async def create(
        self,
        name: str,
        draft: Draft,
        *,
        channel: Channel = Channel.EMAIL,
        default_locale: str = "en",
        description: str | None = None,
        note: str | None = None,
        created_by: UUID | None = None,
        template_id: UUID | None = None,
    ) -> StoredTemplate:
        """Make a template with its version 1. A `template_id` that exists already is the answer: a repeated request.

        Raises:
            TemplateNameTakenError: another template has this name.
            TemplateShapeError, TemplateSyntaxProblem, TemplateLimitError: it cannot be used as it is.
            MediaNotFoundError, AttachmentLimitError: what it attaches is not there, or too much.
        """
        if template_id is not None:
            try:
                return await self.repository.get(template_id)
            except TemplateNotFoundError:
                pass
        snippets = await self.check(channel, default_locale, draft)
        template_id = template_id or uuid7()
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    sql.insert_template, template_id, name, description, channel, default_locale, created_by
                )
                version = Version(template_id, 1, note, draft, snippets, datetime.now(UTC), created_by)
                await self._media.hold(connection, draft.attachments)
                await self.repository.insert_version(connection, version)
        except asyncpg.UniqueViolationError as error:
            raise TemplateNameTakenError(f"There is a template called '{name}' already.") from error
        return await self.repository.get(template_id)

    async def save(
        self,
        template_id: UUID,
        draft: Draft,
        *,
        base_version: int | None = None,
        note: str | None = None,
        created_by: UUID | None = None,
    ) -> StoredTemplate:
        """Make the next version; with `base_version` only if that is still the newest. Raises like `create`, and:

        Raises:
            TemplateNotFoundError, TemplateArchivedError: there is none to save to.
            TemplateChangedError: the newest version is another one.
        """
        found = await self._living(template_id)
        snippets = await self.check(found.channel, found.default_locale, draft)
        async with self._pool.acquire() as connection, connection.transaction():
            await self._append(
                connection, found, Version(template_id, 0, note, draft, snippets, datetime.now(UTC), created_by),
                base_version,
            )  # fmt: skip
        return await self.repository.get(template_id)

    async def restore(self, template_id: UUID, version: int, *, created_by: UUID | None = None) -> StoredTemplate:
        """Make an old version the newest one again, with the snippets that it had; raises like `save`."""
        found = await self._living(template_id)
        old = await self.repository.version(template_id, version)
        note = f"Version {version} restored."
        async with self._pool.acquire() as connection, connection.transaction():
            await self._append(connection, found, replace(old, note=note, created_by=created_by), None)
        return await self.repository.get(template_id)

    async def update(
        self, template_id: UUID, *, name: str | None, description: str | None, has_description: bool
    ) -> StoredTemplate:
        """Rename or describe a template.

        Raises:
            TemplateNotFoundError, TemplateArchivedError, TemplateNameTakenError: it cannot be.
        """
        await self._living(template_id)
        try:
            await self._pool.execute(sql.update_template, template_id, name, has_description, description)
        except asyncpg.UniqueViolationError as error:
            raise TemplateNameTakenError(f"There is a template called '{name}' already.") from error
        return await self.repository.get(template_id)

    async def archive(self, template_id: UUID) -> str:
        """Put a template away: campaigns that have it go on; return its name."""
        found = await self.repository.get(template_id)
        await self._pool.execute(sql.archive_template, template_id)
        return found.name

    async def check(self, channel: Channel, default_locale: str, draft: Draft) -> dict[str, str]:
        """Return the snippets that a draft includes, if all of it can be used; raises like `create`."""
        check_shape(channel, default_locale, draft)
        await self._media.check_attachments(draft.attachments)
        snippets = await self.snippets_of(draft)
        await compile_content(self._rendering, draft.content(channel, default_locale, snippets))
        return snippets

    async def snippets_of(self, draft: Draft) -> dict[str, str]:
        """Return the bodies of the snippets that a draft includes, directly or through others."""
        sources = [
            text for one in draft.variants for text in (one.subject, one.preheader, one.body, one.text) if text
        ]  # fmt: skip
        return await self._snippets.included_in(sources)

    async def draft_content(self, channel: Channel, default_locale: str, draft: Draft) -> Content:
        """Return what an unsaved draft says, with the snippets of today.

        Raises:
            TemplateShapeError: it does not fit its channel.
        """
        check_shape(channel, default_locale, draft)
        return draft.content(channel, default_locale, await self.snippets_of(draft))

    async def _living(self, template_id: UUID) -> StoredTemplate:
        found = await self.repository.get(template_id)
        if found.archived_at is not None:
            raise TemplateArchivedError(f"The template '{found.name}' is archived.")
        return found

    async def _append(
        self, connection: Connection, found: StoredTemplate, version: Version, base_version: int | None
    ) -> None:
        number = await connection.fetchval(sql.next_version, found.template_id, base_version)
        if number is None:
            raise TemplateChangedError(
                f"'{found.name}' is no longer at version {base_version}: look at the newest version first.",
                newest_version=(await self.repository.get(found.template_id, connection)).version,
            )
        await self._media.hold(connection, version.draft.attachments)
        await self.repository.insert_version(connection, replace(version, version=number))


def check_shape(channel: Channel, default_locale: str, draft: Draft) -> None:
    """Refuse a draft that its channel cannot carry.

    Raises:
        TemplateShapeError: a sentence says what is wrong.
    """
    counts = Counter(one.locale for one in draft.variants)
    if default_locale not in counts:
        raise TemplateShapeError(
            f"There is no variant for the default locale '{default_locale}': whoever has no other gets that one."
        )
    if twice := [locale for locale, count in counts.items() if count > 1]:
        raise TemplateShapeError(f"There are two variants for '{twice[0]}'.")
    names = Counter(file.filename for file in draft.attachments)
    if again := [name for name, count in names.items() if count > 1]:
        raise TemplateShapeError(f"Two attachments are called '{again[0]}'.")
    for one in draft.variants:
        if channel == "email" and not (one.subject or "").strip():
            raise TemplateShapeError(f"The variant '{one.locale}' has no subject.")
        if channel == "sms" and (one.format is not Format.TEXT or one.subject or one.preheader or one.text):
            raise TemplateShapeError("An SMS is plain text: format `text`, a body, and nothing else.")
        if one.format is Format.TEXT and (one.text is not None or one.preheader):
            raise TemplateShapeError(f"The variant '{one.locale}' is plain text already: it has a body only.")
    if channel == "sms" and draft.attachments:
        raise TemplateShapeError("An SMS has no attachments.")


async def compile_content(rendering: RenderPool, content: Content) -> dict[str, CompiledTemplate]:
    """Compile every variant.

    Raises:
        TemplateSyntaxProblem, TemplateLimitError: `problems` also say in which locale.
    """
    compiled: dict[str, CompiledTemplate] = {}
    problems: list[dict[str, object]] = []
    first: InvalidInputError | None = None
    for locale, source in content.sources.items():
        try:
            compiled[locale] = await rendering.compile(source)
        except (TemplateSyntaxProblem, TemplateLimitError) as error:
            found = error.context.get("problems") or [{"code": error.code, "message": str(error)}]
            problems += [item | {"locale": locale} for item in found] if locale else found
            first = first or error
    if first is not None:
        raise type(first)(str(first), problems=problems)
    return compiled
