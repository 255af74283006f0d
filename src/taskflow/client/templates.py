"""Templates, their versions, and trying them on people."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, Literal, Unpack
from uuid import UUID

from taskflow.campaigns.proofs.schemas import LintOut, ProofOut, SentOut
from taskflow.client.fields import NewTemplateFields, NewVersionFields
from taskflow.client.link import Link
from taskflow.client.wire import given
from taskflow.content.templates.schemas import TemplateDetail, TemplateOut, VersionOut, VersionSummary


class Templates:
    """What people get."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def add(self, **template: Unpack[NewTemplateFields]) -> TemplateDetail:
        """Make a template with its version 1.

        Raises:
            ConflictError: the name is taken.
            InvalidInputError: it cannot be read (`template_syntax`); `context` says where.
        """
        return await self._link.ask(TemplateDetail, "POST", "/templates", template)

    async def save(self, template_id: UUID, **version: Unpack[NewVersionFields]) -> TemplateDetail:
        """Save the next version; with `base_version` only if nobody else has saved one meanwhile (ConflictError)."""
        return await self._link.ask(
            TemplateDetail, "POST", f"/templates/{template_id}/versions", version, repeatable=False
        )

    async def get(self, template_id: UUID) -> TemplateDetail:
        """Return a template with its newest version."""
        return await self._link.look(TemplateDetail, f"/templates/{template_id}")

    def find(
        self,
        *,
        search: str | None = None,
        channel: Literal["email", "sms"] | None = None,
        archived: bool = False,
    ) -> AsyncIterator[TemplateOut]:
        """Iterate over templates, newest first; `search` is part of the name."""
        return self._link.pages(TemplateOut, "/templates", search=search, channel=channel, archived=archived)

    def versions(self, template_id: UUID) -> AsyncIterator[VersionSummary]:
        """Iterate over a template's versions without their sources, newest first."""
        return self._link.pages(VersionSummary, f"/templates/{template_id}/versions")

    async def version(self, template_id: UUID, version: int) -> VersionOut:
        """Return a version with all that it says."""
        return await self._link.look(VersionOut, f"/templates/{template_id}/versions/{version}")

    async def restore(self, template_id: UUID, version: int) -> TemplateDetail:
        """Make an old version the newest one again."""
        path = f"/templates/{template_id}/versions/{version}/restore"
        return await self._link.ask(TemplateDetail, "POST", path, repeatable=False)

    async def archive(self, template_id: UUID) -> None:
        """Put a template away; campaigns that have it go on."""
        await self._link.tell("DELETE", f"/templates/{template_id}")

    async def preview(
        self,
        template_id: UUID,
        *,
        contact_id: UUID | None = None,
        sample: Mapping[str, Any] | None = None,
        locale: str | None = None,
        version: int | None = None,
    ) -> ProofOut:
        """Show what a contact, or somebody made up, would get; what is wrong with it comes as `problems`."""
        person = given(contact_id=contact_id, sample=sample, locale=locale, version=version)
        return await self._link.ask(ProofOut, "POST", f"/templates/{template_id}/preview", person)

    async def lint(
        self,
        template_id: UUID,
        *,
        contact_ids: list[UUID] | None = None,
        check_links: bool = False,
        version: int | None = None,
    ) -> LintOut:
        """Say what is wrong with a template: for these contacts (the newest by default), mail clients, spam filters."""
        what = given(contact_ids=contact_ids, check_links=check_links, version=version)
        return await self._link.ask(LintOut, "POST", f"/templates/{template_id}/lint", what)

    async def test(
        self,
        template_id: UUID,
        to: list[str],
        *,
        from_email: str,
        from_name: str | None = None,
        reply_to: str | None = None,
        contact_id: UUID | None = None,
        sample: Mapping[str, Any] | None = None,
        locale: str | None = None,
        version: int | None = None,
    ) -> list[SentOut]:
        """Send what one person would get to at most ten addresses, now."""
        body = given(
            to=to, from_email=from_email, from_name=from_name, reply_to=reply_to, contact_id=contact_id,
            sample=sample, locale=locale, version=version,
        )  # fmt: skip
        return await self._link.ask(list[SentOut], "POST", f"/templates/{template_id}/test", body, repeatable=False)
