"""What crosses HTTP about campaigns."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from taskflow.audience.segments.audiences import Audience
from taskflow.base.bodies import Instant
from taskflow.campaigns.drafts import NewCampaign
from taskflow.campaigns.models import Campaign, ImportReport, Progress, Recipient
from taskflow.campaigns.rates import Rates
from taskflow.campaigns.states import CampaignStatus
from taskflow.content.fields import NO_CONTROLS, Address, Line, Source, Variables
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.states import RecipientStatus

Subject = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=NO_CONTROLS)]
Html = Annotated[Source, Field(min_length=1)]


class CampaignFields(BaseModel):
    """A new campaign without its recipients: with a template of the library, or with its own words (Jinja2)."""

    model_config = ConfigDict(extra="forbid")

    name: Line
    from_email: Address
    template_id: UUID | None = Field(None, description="A template of the library, instead of own words.")
    template_version: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Which of its versions; the newest by default."
    )
    template_subject: Subject | None = Field(None, description="Own words.")
    template_body: Html | None = Field(None, description="Own words: HTML.")
    template_text: Source | None = Field(None, description="Plain text; made from the HTML when absent.")
    template_variables: Variables = Field({}, description="Values for every recipient; their own win.")
    from_name: Line | None = None
    reply_to: Address | None = None
    rate_limit_per_minute: int | None = Field(
        100, ge=1, le=10_000_000, description="Over all workers; null: unlimited."
    )
    scheduled_at: Instant | None = Field(None, description="Start then by itself, if no row lacks a variable.")
    uncertain_policy: Literal["hold", "resend", "reconcile"] = Field(
        "hold",
        description="What to do with a message that was perhaps taken: list it, send it again, or ask its provider.",
    )

    @model_validator(mode="after")
    def check_words(self) -> Self:
        """Demand a template or own words."""
        own = self.template_subject, self.template_body
        if self.template_id is not None and (any(own) or self.template_text is not None):
            raise ValueError("give template_id, or template_subject and template_body, not both")
        if self.template_id is None and (not all(own) or self.template_version is not None):
            raise ValueError("give template_id, or template_subject and template_body")
        return self

    def new_campaign(self) -> NewCampaign:
        """Return it as the service takes it."""
        values = self.model_dump(include=set(CampaignFields.model_fields))
        words = {name: values[name] or "" for name in ("template_subject", "template_body")}
        return NewCampaign(**(values | words))


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
    template_id: UUID | None
    template_version: int | None
    template_subject: str = Field(description="Of a template of the library: the default variant's.")
    template_body: str
    template_text: str | None
    template_variables: dict[str, Any]
    from_email: str
    from_name: str | None
    reply_to: str | None
    rate_limit_per_minute: int | None
    uncertain_policy: Literal["hold", "resend", "reconcile"]
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
    costs: dict[str, float] = Field(description="Of what was sent, by currency, as far as providers have prices.")
    summary: str
    report: ImportOut | None = Field(validation_alias=AliasChoices("report", "import"), serialization_alias="import")

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


class RatesOut(BaseModel):
    """What receivers and people think of a campaign."""

    bounced: int = Field(description="Messages that a server refused for good, or sent back.")
    complained: int = Field(description="Recipients who complained after the message came.")
    bounce_rate: float = Field(description="bounced / (sent + bounced)")
    complaint_rate: float = Field(description="complained / sent")
    paused_at: datetime | None = Field(description="When it last paused by itself.")
    pause_reason: str | None

    @classmethod
    def of(cls, rates: Rates) -> Self:
        """Return the rates as JSON."""
        names = ("bounced", "complained", "bounce_rate", "complaint_rate", "paused_at")
        return cls(**{name: getattr(rates, name) for name in names}, pause_reason=rates.reason)


class CampaignDetail(CampaignOut):
    """A campaign, how far it is, and what became of it at the receivers'."""

    rates: RatesOut

    @classmethod
    def with_rates(cls, campaign: Campaign, rates: Rates) -> Self:
        """Return both as JSON."""
        return cls(**CampaignOut.of(campaign).model_dump(), rates=RatesOut.of(rates))


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
    looks: int | None = Field(description="How often its provider was asked about it, while it is uncertain.")
    next_look_at: datetime | None = Field(description="When its provider is asked again.")
    finding: str | None = Field(description="What its provider said when it was asked.")
    cost: float | None = Field(description="What its provider takes for it, once it is sent.")
    currency: str | None

    @classmethod
    def of(cls, recipient: Recipient, message_ids: MessageIds) -> Self:
        """Return a recipient as JSON."""
        values = {name: getattr(recipient, name) for name in Recipient.__slots__}
        return cls(**values, message_id=message_ids.of(recipient.recipient_id))


class PreviewIn(BaseModel):
    """Own words of a campaign, and one recipient to try them on."""

    model_config = ConfigDict(extra="forbid")

    template_subject: Subject
    template_body: Html
    template_text: Source | None = None
    template_variables: Variables = {}
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
