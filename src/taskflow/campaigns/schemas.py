"""What crosses HTTP about campaigns."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

import orjson
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from taskflow.audience.segments.audiences import Audience
from taskflow.base.bodies import Instant
from taskflow.campaigns.models import Campaign, ImportReport, Progress, Recipient
from taskflow.campaigns.service import NewCampaign
from taskflow.campaigns.states import CampaignStatus
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.states import RecipientStatus

_MAX_VARIABLES_BYTES = 256 * 1024
_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=_NO_CONTROLS)]
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254, pattern=_NO_CONTROLS)]
Source = Annotated[str, StringConstraints(max_length=524_288, pattern=r"^[^\x00]*$")]


def _storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what PostgreSQL cannot keep in JSON."""
    try:
        encoded = orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be stored: {error}") from error
    if b"\\u0000" in encoded:
        raise ValueError("holds a NUL character")
    if len(encoded) > _MAX_VARIABLES_BYTES:
        raise ValueError(f"takes more than {_MAX_VARIABLES_BYTES:,} bytes")
    return value


Variables = Annotated[dict[str, Any], AfterValidator(_storable)]


class TemplateIn(BaseModel):
    """A template: Jinja2 in a sandbox."""

    model_config = ConfigDict(extra="forbid")

    template_subject: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=_NO_CONTROLS)]
    template_body: Annotated[Source, Field(min_length=1, description="HTML.")]
    template_text: Source | None = Field(None, description="Plain text; made from the HTML when absent.")
    template_variables: Variables = Field({}, description="Values for every recipient; their own win.")


class CampaignFields(TemplateIn):
    """A new campaign without its recipients."""

    name: Line
    from_email: Address
    from_name: Line | None = None
    reply_to: Address | None = None
    rate_limit_per_minute: int | None = Field(
        100, ge=1, le=10_000_000, description="Over all workers; null: unlimited."
    )
    scheduled_at: Instant | None = Field(None, description="Start then by itself, if no row lacks a variable.")
    uncertain_policy: Literal["hold", "resend"] = Field(
        "hold", description="What to do with a message that was on the wire when its sender died."
    )

    def new_campaign(self) -> NewCampaign:
        """Return it as the service takes it."""
        return NewCampaign(**self.model_dump(include=set(CampaignFields.model_fields)))


class CampaignIn(CampaignFields):
    """A new campaign with its recipients, or with contacts as its audience."""

    recipients: list[Any] = Field([], description='Objects with an email and further values: {"email": …, "name": …}.')
    audience: Audience | None = Field(
        None,
        description="Contacts to write to, instead of recipients; who they are is decided at the start.",
    )

    @model_validator(mode="after")
    def require_one_kind(self) -> Self:
        """Refuse both at once."""
        if self.recipients and self.audience:
            raise ValueError("recipients and audience: give one of them")
        return self

    def new_campaign(self) -> NewCampaign:
        """Return it as the service takes it."""
        return replace(super().new_campaign(), audience=self.audience)


class ProgressOut(BaseModel):
    """How far a campaign is, in recipients."""

    total: int
    sent: int
    failed: int
    pending: int
    deferred: int
    uncertain: int
    suppressed: int
    cancelled: int
    rate_per_second: float

    @classmethod
    def of(cls, progress: Progress) -> Self:
        """Return the sums as JSON."""
        return cls.model_validate(progress.sums())


class ImportOut(BaseModel):
    """What became of the rows of a file: `rows` = accepted + rejected + duplicates."""

    model_config = ConfigDict(from_attributes=True)

    import_id: UUID
    filename: str | None
    encoding: str | None
    delimiter: str | None
    rows: int
    accepted: int
    rejected: int
    duplicates: int

    @classmethod
    def of(cls, report: ImportReport | None) -> Self | None:
        """Return the report as JSON."""
        return cls.model_validate(report) if report is not None else None


class CampaignOut(BaseModel):
    """A campaign and how far it is."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    campaign_id: UUID
    name: str
    status: CampaignStatus
    outcome: Literal["clean", "partial"] | None
    template_subject: str
    template_body: str
    template_text: str | None
    template_variables: dict[str, Any]
    from_email: str
    from_name: str | None
    reply_to: str | None
    rate_limit_per_minute: int | None
    uncertain_policy: Literal["hold", "resend"]
    total_recipients: int
    sent_count: int
    failed_count: int
    progress: ProgressOut
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    created_by: UUID | None
    error_message: str | None
    audience: Audience | None
    frozen_at: datetime | None = Field(description="When the audience became recipients.")
    summary: str
    report: ImportOut | None = Field(serialization_alias="import")

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        """Return a campaign as JSON."""
        names = (name for name in cls.model_fields if hasattr(campaign, name))
        return cls.model_validate(
            {name: getattr(campaign, name) for name in names}
            | {
                "progress": ProgressOut.of(campaign.progress),
                "report": ImportOut.of(campaign.report),
                "sent_count": campaign.progress.sent,
                "failed_count": campaign.progress.failed,
                "summary": campaign.progress.summary(),
            }
        )


class RecipientOut(BaseModel):
    """A recipient and what became of the message."""

    recipient_id: UUID
    email: str
    status: RecipientStatus
    personalization: dict[str, Any]
    row_number: int | None
    sent_at: datetime | None
    provider: str | None
    attempt: int
    error_message: str | None
    bounce_reason: str | None
    reply: str | None
    task_id: UUID
    message_id: str

    @classmethod
    def of(cls, recipient: Recipient, message_ids: MessageIds) -> Self:
        """Return a recipient as JSON."""
        values = {name: getattr(recipient, name) for name in Recipient.__slots__}
        return cls(**values, message_id=message_ids.of(recipient.recipient_id))


class PreviewIn(TemplateIn):
    """A template and one recipient to try it on."""

    sample: dict[str, Any] = Field({}, description="The values of one recipient.")


class PreviewProblem(BaseModel):
    """What keeps a template from being rendered."""

    code: str
    message: str
    part: str | None = None
    line: int | None = None
    variable: str | None = None


class PreviewOut(BaseModel):
    """The message as the sample's recipient would get it; null with problems."""

    subject: str | None = None
    html: str | None = None
    text: str | None = None
    problems: list[PreviewProblem] = []


class Resolve(BaseModel):
    """A decision about uncertain messages."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    recipient_ids: list[UUID] | None = Field(None, max_length=10_000, description="Absent: all uncertain ones.")
    resolution: Literal["sent", "failed", "resend"] = Field(
        alias="as", description="What became, or shall become, of them."
    )


class Resolved(BaseModel):
    """How many recipients a decision was about."""

    resolved: int
