"""Campaigns and their recipients as rows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from taskflow.content.rendering.models import Template

TASK_NAME = "send_email"
QUEUE = "email"
DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
"""Seconds before each further attempt: the first for a hiccup, then as long as greylisting and a night take."""
MAX_RETRIES = len(DELAYS)
TIMEOUT_SECONDS = 300


def dispatch_key(campaign_id: UUID) -> str:
    """Return the dispatch key of a campaign: what makes pause, cancel and rate a matter of one key."""
    return f"{QUEUE}/campaign:{campaign_id}"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is, in recipients. `pending` includes those on the wire."""

    total: int = 0
    sent: int = 0
    failed: int = 0
    deferred: int = 0
    uncertain: int = 0
    suppressed: int = 0
    cancelled: int = 0
    rate_per_second: float = 0.0

    @property
    def terminal(self) -> int:
        """How many have ended, whichever way."""
        return self.sent + self.failed + self.uncertain + self.suppressed + self.cancelled

    @property
    def pending(self) -> int:
        """How many have not been tried to an end, and do not wait for a retry."""
        return max(0, self.total - self.terminal - self.deferred)

    @property
    def outcome(self) -> str:
        """How a completed campaign went: `clean`, or `partial` when somebody who should have did not surely get it."""
        return "partial" if self.failed or self.uncertain or self.cancelled else "clean"

    def sums(self) -> dict[str, int]:
        """Return the absolute sums, as they are kept in Redis and sent to browsers."""
        return {
            "total": self.total,
            "sent": self.sent,
            "failed": self.failed,
            "pending": self.pending,
            "deferred": self.deferred,
            "uncertain": self.uncertain,
            "suppressed": self.suppressed,
            "cancelled": self.cancelled,
            "rate_per_second": round(self.rate_per_second),
        }

    def summary(self) -> str:
        """Return the sentence a person reads: `9,988 sent, 12 failed`."""
        parts = [f"{self.sent:,} sent", f"{self.failed:,} failed"]
        rest = {
            "uncertain": self.uncertain,
            "suppressed": self.suppressed,
            "cancelled": self.cancelled,
            "waiting for a retry": self.deferred,
        }
        return ", ".join(parts + [f"{count:,} {word}" for word, count in rest.items() if count])


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file of recipients."""

    import_id: UUID
    filename: str | None
    encoding: str | None
    delimiter: str | None
    rows: int
    accepted: int
    rejected: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Campaign:
    """A row of `campaigns` with its sums."""

    campaign_id: UUID
    name: str
    status: str
    outcome: str | None
    template_subject: str
    template_body: str
    template_text: str | None
    template_variables: dict[str, Any]
    from_email: str
    from_name: str | None
    reply_to: str | None
    rate_limit_per_minute: int | None
    uncertain_policy: str
    total_recipients: int
    created_at: datetime
    scheduled_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    created_by: UUID | None
    error_message: str | None
    audience: dict[str, Any] | None  # who is written to, when that is contacts; frozen into recipients at the start
    frozen_at: datetime | None
    template_id: UUID | None  # with its version; subject and body are then a copy of the default variant, to be shown
    template_version: int | None
    costs: dict[str, float]  # of what was sent, by currency, as far as its providers have prices
    progress: Progress
    report: ImportReport | None

    @property
    def is_open(self) -> bool:
        """Whether it writes to contacts and nobody has been chosen yet."""
        return self.audience is not None and self.frozen_at is None

    @property
    def template(self) -> Template:
        """What it says, when it brings its own words."""
        return Template(self.template_subject, self.template_body, self.template_text, self.template_variables)

    @property
    def dispatch_key(self) -> str:
        """The line in which its tasks wait."""
        return dispatch_key(self.campaign_id)


@dataclass(frozen=True, slots=True)
class Recipient:
    """A row of the ledger as people see it."""

    recipient_id: UUID
    email: str
    status: str
    personalization: dict[str, Any]
    row_number: int | None
    sent_at: datetime | None
    provider: str | None
    attempt: int
    error_message: str | None
    bounce_reason: str | None
    reply: str | None
    task_id: UUID
    looks: int | None  # how often its provider was asked about it; null: it is not, or not yet
    next_look_at: datetime | None
    finding: str | None
    cost: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class ActiveCampaign:
    """What the campaigns duty needs to know of a campaign.

    `due`: its scheduled time has come. `is_open`: its audience has yet to be frozen; `has_contacts`: it has been.
    """

    campaign_id: UUID
    status: str
    due: bool
    is_open: bool
    has_contacts: bool
    rate_limit_per_minute: int | None
    tasks_made_through: UUID | None
    tasks_made: int
    sent_count: int
    failed_count: int
    outcome: str | None
    progress: Progress

    @property
    def dispatch_key(self) -> str:
        """The line in which its tasks wait."""
        return dispatch_key(self.campaign_id)


@dataclass(frozen=True, slots=True)
class MissingVariable:
    """A variable that the template needs and `count` recipients lack; row and address are of the first of them."""

    variable: str
    row_number: int | None
    email: str
    count: int
