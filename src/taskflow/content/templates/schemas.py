"""What crosses HTTP about templates."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from taskflow.audience.channels import Channel
from taskflow.base.bodies import Body
from taskflow.content.fields import NO_CONTROLS, Locale, Note, Source, Variables
from taskflow.content.rendering import Format
from taskflow.content.templates.changes import Change
from taskflow.content.templates.models import Attachment, Draft, StoredTemplate, Variant, Version

MAX_VARIANTS = 40
MAX_ATTACHMENTS = 20

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=NO_CONTROLS)]
Subject = Annotated[str, StringConstraints(max_length=998, pattern=NO_CONTROLS)]
FileName = Annotated[
    str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029/\\]+$")
]


class VariantIn(Body):
    """The words of one locale."""

    locale: Locale | None = Field(None, description="de, de-AT; the template's default locale when left out.")
    format: Format = Field(Format.HTML, description="What `body` is written in; `text` for plain text and SMS.")
    subject: Subject | None = None
    preheader: Annotated[str, StringConstraints(max_length=255, pattern=NO_CONTROLS)] | None = Field(
        None, description="What mailboxes show behind the subject."
    )
    body: Annotated[Source, Field(min_length=1)]
    text: Source | None = Field(None, description="The plain text part; made from the body when left out.")


class AttachmentIn(Body):
    """A file of the media library that goes along."""

    media_id: UUID
    filename: FileName = Field(description="Its name in the mail.")
    inline: StrictBool = Field(False, description="An image that the HTML shows: <img src='cid:FILENAME'>.")


class DraftIn(Body):
    """What a version says."""

    variants: list[VariantIn] = Field(min_length=1, max_length=MAX_VARIANTS, fail_fast=True)
    variables: Variables = Field({}, description="Values for every recipient; their own win.")
    attachments: list[AttachmentIn] = Field([], max_length=MAX_ATTACHMENTS, fail_fast=True)

    def draft(self, default_locale: str) -> Draft:
        """Return it as the service takes it."""
        return Draft(
            tuple(Variant(**(dict(one) | {"locale": one.locale or default_locale})) for one in self.variants),
            self.variables,
            tuple(Attachment(**dict(file)) for file in self.attachments),
        )


class NewTemplate(DraftIn):
    """A new template with its first version."""

    name: Name
    description: Note | None = None
    channel: Channel = Channel.EMAIL
    default_locale: Locale = Field("en", description="Whose variant everybody gets who has no other.")
    note: Note | None = Field(None, description="About this version.")


class NewVersion(DraftIn):
    """The next version of a template."""

    note: Note | None = None
    base_version: int | None = Field(
        None,
        ge=1,
        le=2**31 - 1,
        description="The version that was edited: if it is no longer the newest, nothing is saved (409).",
    )


class TemplateChange(Body):
    """What is changed without a new version; what is left out stays."""

    name: Name | None = None
    description: Note | None = None


class VariantOut(BaseModel):
    """The words of one locale."""

    model_config = ConfigDict(from_attributes=True)

    locale: str
    format: Format
    subject: str | None
    preheader: str | None
    body: str
    text: str | None


class AttachmentOut(BaseModel):
    """A file that goes along."""

    model_config = ConfigDict(from_attributes=True)

    media_id: UUID
    filename: str
    inline: bool


class VersionOut(BaseModel):
    """A version with all that it says."""

    version: int
    note: str | None
    variants: list[VariantOut]
    variables: dict[str, Any]
    attachments: list[AttachmentOut]
    snippets: dict[str, str] = Field(description="The snippets that it includes, as they were when it was saved.")
    created_at: datetime
    created_by: UUID | None

    @classmethod
    def of(cls, version: Version) -> Self:
        """Return a version as JSON."""
        draft = version.draft
        return cls(
            version=version.version,
            note=version.note,
            variants=[VariantOut.model_validate(one) for one in draft.variants],
            variables=dict(draft.variables),
            attachments=[AttachmentOut.model_validate(file) for file in draft.attachments],
            snippets=dict(version.snippets),
            created_at=version.created_at,
            created_by=version.created_by,
        )


class VersionSummary(BaseModel):
    """A version without its sources."""

    version: int
    note: str | None
    locales: list[str]
    created_at: datetime
    created_by: UUID | None


class TemplateOut(BaseModel):
    """A template."""

    model_config = ConfigDict(from_attributes=True)

    template_id: UUID
    name: str
    description: str | None
    channel: Channel
    default_locale: str
    version: int = Field(description="The newest.")
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None
    archived_at: datetime | None


class TemplateDetail(TemplateOut):
    """A template with its newest version."""

    current: VersionOut

    @classmethod
    def with_version(cls, template: StoredTemplate, version: Version) -> Self:
        """Return both as JSON."""
        shown = TemplateOut.model_validate(template).model_dump()
        return cls(**shown, current=VersionOut.of(version))


class ChangeOut(BaseModel):
    """One part that differs."""

    locale: str | None = Field(description="Null: it belongs to every variant.")
    part: str = Field(description="format, subject, preheader, body, text, variables, attachments, `snippet NAME`.")
    diff: list[str] = Field(description="Lines as `diff -u` writes them.")


class ChangesOut(BaseModel):
    """What changed between two versions."""

    template_id: UUID
    from_version: int
    to_version: int
    changes: list[ChangeOut]

    @classmethod
    def of(cls, old: Version, new: Version, found: list[Change]) -> Self:
        """Return changes as JSON."""
        return cls(
            template_id=new.template_id,
            from_version=old.version,
            to_version=new.version,
            changes=[ChangeOut(**change._asdict()) for change in found],
        )
