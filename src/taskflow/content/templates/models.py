"""What a template says: variants by locale, what holds for everybody, and what goes along."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.content.rendering import Format, Template


@dataclass(frozen=True, slots=True)
class Variant:
    """The words of one locale. `text` None: made from the body."""

    locale: str
    format: Format
    body: str
    subject: str | None = None
    preheader: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the media library that goes along; `inline`: shown where the HTML says `cid:<filename>`."""

    media_id: UUID
    filename: str
    inline: bool = False

    @property
    def content_id(self) -> str:
        """What the HTML's `cid:` becomes, and the part's Content-ID without its brackets."""
        return f"{self.media_id.hex}@taskflow"


@dataclass(frozen=True, slots=True)
class Content:
    """What is said, ready to be compiled: one source for each locale, and the locale of whoever has another one."""

    default_locale: str
    sources: Mapping[str, Template]
    attachments: tuple[Attachment, ...] = ()

    def choose(self, locale: object) -> str:
        """Return the variant of a recipient: of their locale, else of its parents (de-AT: de), else the default."""
        if len(self.sources) > 1 and isinstance(locale, str):
            known = {name.lower(): name for name in self.sources}
            parts = locale.replace("_", "-").lower().split("-")
            for length in range(len(parts), 0, -1):
                if (found := known.get("-".join(parts[:length]))) is not None:
                    return found
        return self.default_locale

    def with_variables(self, variables: Mapping[str, Any]) -> "Content":
        """Return the content with further values for every recipient."""
        if not variables:
            return self
        sources = {
            locale: replace(source, variables={**source.variables, **variables})
            for locale, source in self.sources.items()
        }
        return replace(self, sources=sources)

    @classmethod
    def plain(cls, template: Template) -> "Content":
        """Return content without locales: a template that a campaign brings along."""
        return cls("", {"": template})


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that is not saved: what an editor holds."""

    variants: tuple[Variant, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()

    def content(self, channel: str, default_locale: str, snippets: Mapping[str, str]) -> Content:
        """Return what it says; `cid:` of HTML, also in snippets, leads to the attached files."""
        inline = {file.filename: file.content_id for file in self.attachments if file.inline}
        shown = {name: _leading_to(inline, body) for name, body in snippets.items()}
        sources = {one.locale: _source(one, channel, self.variables, shown, inline) for one in self.variants}
        return Content(default_locale, sources, self.attachments)


@dataclass(frozen=True, slots=True)
class Version:
    """A saved version; it never changes."""

    template_id: UUID
    version: int
    note: str | None
    draft: Draft
    snippets: Mapping[str, str]
    created_at: datetime
    created_by: UUID | None


@dataclass(frozen=True, slots=True)
class StoredTemplate:
    """A template and its newest version's number."""

    template_id: UUID
    name: str
    description: str | None
    channel: Channel
    default_locale: str
    version: int
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None
    archived_at: datetime | None

    def content(self, version: Version) -> Content:
        """Return what one of its versions says."""
        return version.draft.content(self.channel, self.default_locale, version.snippets)


def _source(
    variant: Variant, channel: str, variables: Mapping[str, Any], snippets: Mapping[str, str], inline: Mapping[str, str]
) -> Template:
    is_text = variant.format is Format.TEXT
    return Template(
        subject=(variant.subject or "") if channel == "email" else "",
        html="" if is_text else _leading_to(inline, variant.body),
        text=variant.body if is_text else variant.text,
        variables=variables,
        format=variant.format,
        preheader=None if is_text else variant.preheader,
        inline_css=not is_text,
        snippets=snippets,
        locale=variant.locale,
    )


def _leading_to(inline: Mapping[str, str], markup: str) -> str:
    """Return markup whose `cid:FILENAME` are Content-IDs."""
    if not inline or "cid:" not in markup:
        return markup
    names = "|".join(re.escape(name) for name in sorted(inline, key=len, reverse=True))
    return re.sub(rf"\bcid:({names})(?=[\"'\s)&>]|$)", lambda match: f"cid:{inline[match[1]]}", markup)
