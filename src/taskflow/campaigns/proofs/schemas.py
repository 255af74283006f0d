"""What crosses HTTP about proofs."""

from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

from taskflow.audience.channels import Channel
from taskflow.base.bodies import Body
from taskflow.campaigns.proofs.service import Proof, Sent
from taskflow.content.fields import Address, Line, Locale, Variables
from taskflow.content.lint.findings import Finding, Severity
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import Rendered
from taskflow.content.sms import sms_length
from taskflow.content.templates.models import Attachment
from taskflow.content.templates.schemas import DraftIn

_MOST_CONTACTS = 100
_MOST_READERS = 10


class PersonIn(Body):
    """On whom to try it: a contact, or somebody made up."""

    contact_id: UUID | None = None
    sample: Variables = Field({}, description="The values of somebody made up, instead of a contact.")
    locale: Locale | None = Field(None, description="Show this variant, whatever the person's locale is.")

    @model_validator(mode="after")
    def check_person(self) -> Self:
        """Demand one person."""
        if self.contact_id is not None and self.sample:
            raise ValueError("give contact_id or sample, not both")
        return self


class VersionedPerson(PersonIn):
    """On whom to try which version."""

    version: int | None = Field(None, ge=1, le=2**31 - 1, description="The newest by default.")


class UnsavedDraft(DraftIn):
    """A draft that is not saved, and what it will belong to."""

    channel: Channel = Channel.EMAIL
    default_locale: Locale = "en"


class DraftPreview(UnsavedDraft, PersonIn):
    """A draft and on whom to try it."""


class LetterheadIn(Body):
    """Who writes."""

    from_email: Address
    from_name: Line | None = None
    reply_to: Address | None = None


class TestIn(VersionedPerson, LetterheadIn):
    """Where a test goes, who writes, and whose words they are."""

    __test__ = False  # no test of ours

    to: Annotated[list[Address], Field(min_length=1, max_length=_MOST_READERS)]


class CampaignTestIn(PersonIn):
    """Where a test goes, and whose words they are."""

    to: Annotated[list[Address], Field(min_length=1, max_length=_MOST_READERS)]


class LintIn(Body):
    """What to look at."""

    version: int | None = Field(None, ge=1, le=2**31 - 1, description="The newest by default.")
    contact_ids: list[UUID] | None = Field(
        None, max_length=_MOST_CONTACTS, description="Who shall lack nothing; the newest twenty by default."
    )
    check_links: StrictBool = Field(
        False, description="Ask whether links answer. Only public https addresses are asked."
    )


class DraftLint(UnsavedDraft):
    """A draft to look at."""

    contact_ids: list[UUID] | None = Field(None, max_length=_MOST_CONTACTS)
    check_links: StrictBool = False


class CampaignLint(Body):
    """What to look at."""

    check_links: StrictBool = False


class ProblemOut(BaseModel):
    """Why there is no message."""

    code: str
    message: str
    locale: str | None = None
    part: str | None = None
    line: int | None = None
    snippet: str | None = None
    variable: str | None = None


class SmsOut(BaseModel):
    """How a text message is sent."""

    encoding: str
    units: int = Field(description="Characters as the encoding counts them.")
    segments: int = Field(description="Messages that it is sent, and paid, as.")


class ProofOut(BaseModel):
    """The message as this person would get it; null with problems."""

    locale: str | None = Field(None, description="Which variant it is.")
    subject: str | None = None
    html: str | None = Field(None, description="Inline images have public addresses here, for browsers.")
    text: str | None = None
    size: int | None = Field(None, description="Bytes of the HTML; Gmail cuts off after 102 KB.")
    sms: SmsOut | None = None
    problems: list[ProblemOut] = []

    @classmethod
    def of(cls, proof: Proof, channel: str, images: dict[str, str]) -> Self:
        """Return a proof as JSON; `images`: Content-IDs and their public addresses."""
        result, locale = proof.result, proof.locale or None
        if not isinstance(result, Rendered):
            names = ProblemOut.model_fields.keys() - {"locale"}
            problem = ProblemOut(**{name: getattr(result, name) for name in names}, locale=locale)
            return cls(locale=locale, problems=[problem])
        if proof.refusal is not None:
            code, _, message = proof.refusal.partition(": ")
            return cls(locale=locale, problems=[ProblemOut(code=code, message=message, locale=locale)])
        if channel == "sms":
            length = sms_length(text := result.text.rstrip("\n"))
            sms = SmsOut(encoding=length.encoding, units=length.units, segments=length.segments)
            return cls(locale=locale, text=text, sms=sms)
        html = result.html
        for content_id, url in images.items():
            html = html.replace(f"cid:{content_id}", url)
        return cls(
            locale=locale,
            subject=result.subject,
            html=html or None,
            text=result.text,
            size=len(result.html_bytes),
        )

    @classmethod
    def refused(cls, problems: list[dict[str, Any]]) -> Self:
        """Return what keeps a template from being compiled."""
        names = ProblemOut.model_fields
        return cls(problems=[ProblemOut(**{name: one[name] for name in names if name in one}) for one in problems])


class FindingOut(BaseModel):
    """One finding."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    severity: Severity
    message: str
    locale: str | None
    part: str | None
    line: int | None
    snippet: str | None
    variable: str | None
    count: int | None


class LintOut(BaseModel):
    """Everything found, the worst first."""

    errors: int
    warnings: int
    notices: int
    findings: list[FindingOut]

    @classmethod
    def of(cls, found: list[Finding]) -> Self:
        """Return findings as JSON."""
        order = list(Severity)
        ranked = sorted(found, key=lambda finding: order.index(finding.severity))
        counts = {severity: sum(finding.severity is severity for finding in found) for severity in Severity}
        return cls(
            errors=counts[Severity.ERROR],
            warnings=counts[Severity.WARNING],
            notices=counts[Severity.NOTICE],
            findings=[FindingOut.model_validate(finding) for finding in ranked],
        )


class SentOut(BaseModel):
    """What became of one test message."""

    model_config = ConfigDict(from_attributes=True)

    address: str
    outcome: str = Field(description="accepted, rejected, deferred, uncertain, provider_fault, not_started.")
    reply: str = Field(description="The provider's words, or why none had it.")
    message_id: str
    provider: str | None = Field(description="Who had it last; null: no provider has room, or carries such mail.")

    @classmethod
    def all_of(cls, sent: list[Sent]) -> list[Self]:
        """Return them as JSON."""
        return [cls.model_validate(one) for one in sent]


async def image_urls(media: MediaLibrary, attachments: tuple[Attachment, ...]) -> dict[str, str]:
    """Return the public addresses of inline images by their Content-ID."""
    shown = [file for file in attachments if file.inline]
    found = await media.check_attachments(shown)
    return {file.content_id: media.url(row) for file, row in zip(shown, found, strict=True)}
