"""What crosses HTTP about sending domains."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from taskflow.base.bodies import Body
from taskflow.content.fields import NO_CONTROLS
from taskflow.delivery.dkim import Algorithm
from taskflow.delivery.domains.findings import FindingStatus
from taskflow.delivery.domains.gmail import BULK_A_DAY, GmailUse
from taskflow.delivery.domains.models import KeyState, SendingDomain
from taskflow.delivery.domains.outlets import Outlets
from taskflow.delivery.domains.zone import records_of
from taskflow.settings import Settings

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=253, pattern=NO_CONTROLS)]

_FROM_THE_WORST = (FindingStatus.FAIL, FindingStatus.WARN, FindingStatus.OK)


class NewDomain(Body):
    """A domain that mail is to be sent from."""

    domain: Name = Field(examples=["example.org"])
    return_path_domain: Name | None = Field(
        None, description="Where bounces go, each to an address of its own; null: to the sender.",
        examples=["bounces.example.org"],
    )  # fmt: skip


class DomainChange(Body):
    """What to change."""

    return_path_domain: Name | None = Field(description="Where bounces go; null: to the sender.")


class KeyRotation(Body):
    """How to rotate."""

    force: StrictBool = Field(False, description="Let waiting keys sign although DNS does not show them.")


class ReturnPathOut(BaseModel):
    """The message that a return path belongs to."""

    model_config = ConfigDict(from_attributes=True)

    campaign_id: UUID | None
    message_id: UUID = Field(description="Of a campaign: the recipient's id.")
    email: str | None = Field(description="To whom it went, as long as that is known.")
    status: str | None


class DkimKeyOut(BaseModel):
    """A DKIM key; its private half never leaves the database."""

    model_config = ConfigDict(from_attributes=True)

    selector: str = Field(description="Under which name DNS shows it: SELECTOR._domainkey.")
    algorithm: Algorithm = Field(description="rsa or ed25519.")
    state: KeyState = Field(description="Whether it signs.")
    public_key: str = Field(description="In base64, as DNS shows it.")
    created_at: datetime = Field(description="When it was made.")
    activated_at: datetime | None = Field(description="Since when it has signed.")
    retired_at: datetime | None = Field(description="Since when it has not.")


class ZoneRecord(BaseModel):
    """A record for the zone."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(description="Without the dot at the end.")
    type: str = Field(description="TXT, MX, CNAME, …")
    value: str = Field(description="As most web forms want it: in one piece.")
    line: str = Field(description="As a line of a zone file: long values in several strings.")
    purpose: str = Field(description="What it is for.")


class DomainFinding(BaseModel):
    """One thing that the doctor found."""

    check: str = Field(description="What was looked at: dkim, spf, dmarc, …")
    status: FindingStatus = Field(description="How good it is.")
    sentence: str = Field(description="What was found.")
    action: str | None = Field(description="What to do about it.")
    records: list[ZoneRecord] = Field(description="What the zone lacks for it.")


class GmailUseOut(BaseModel):
    """How much goes to personal Gmail accounts, by the primary domain: Gmail counts subdomains together."""

    primary_domain: str = Field(description="The registrable domain.")
    last_day: int = Field(description="Messages that it took in the last 24 hours.")
    most_in_a_day: int = Field(description="The most in one day of the last 35.")
    bulk_at: int = Field(description="From so many a day on, the domain is a bulk sender for good.")
    bulk_since: datetime | None = Field(description="Since when it is one; null: it is not.")

    @classmethod
    def of(cls, use: GmailUse) -> Self:
        """Return the counts as JSON."""
        values = {name: getattr(use, name) for name in GmailUse.__slots__}
        return cls(**values, bulk_at=BULK_A_DAY)


class DomainOut(BaseModel):
    """A sending domain."""

    domain: str = Field(description="What mail is from, in ASCII.")
    return_path_domain: str | None = Field(description="Where bounces come back to; null: to the sender.")
    created_at: datetime = Field(description="When it was added.")
    created_by: UUID | None = Field(description="The user who added it.")
    keys: list[DkimKeyOut] = Field(description="Its DKIM keys.")
    records: list[ZoneRecord] = Field(description="What the zone should hold.")
    checked_at: datetime | None = Field(description="When the doctor last looked.")
    status: FindingStatus | None = Field(description="The worst that the last check found; null before the first.")
    findings: list[DomainFinding] = Field(description="What the last check found.")

    @classmethod
    def of(cls, domain: SendingDomain, settings: Settings, outlets: Outlets) -> Self:
        """Return a domain as JSON."""
        records = records_of(domain, settings, outlets.of(domain.domain))
        findings = [DomainFinding.model_validate(one) for one in domain.report or ()]
        found = {finding.status for finding in findings}
        return cls(
            domain=domain.domain,
            return_path_domain=domain.return_path_domain,
            created_at=domain.created_at,
            created_by=domain.created_by,
            keys=[DkimKeyOut.model_validate(key) for key in domain.keys],
            records=[ZoneRecord.model_validate(record) for record in records],
            checked_at=domain.checked_at,
            status=next((status for status in _FROM_THE_WORST if status in found), None),
            findings=findings,
        )


class DomainDetail(DomainOut):
    """A sending domain, and what it sends to Gmail."""

    gmail: GmailUseOut = Field(description="What it sends to Gmail.")

    @classmethod
    def with_use(cls, domain: SendingDomain, settings: Settings, outlets: Outlets, use: GmailUse) -> Self:
        """Return both as JSON."""
        return cls(**DomainOut.of(domain, settings, outlets).model_dump(), gmail=GmailUseOut.of(use))
