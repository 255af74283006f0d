"""What providers tell us, in words that all of them share: replies of people, and reports of what became of a text."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from taskflow.delivery.outcome import Cause

PATH: Final = "/hooks/sms/"
"""Where they tell it, behind this server's address: `delivery.sms.inbound`."""


class ReportStatus(StrEnum):
    """How far a text has come. The last two are ends: what comes after them changes nothing."""

    SENT = "sent"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Reply:
    """A text that somebody sent to us."""

    reference: str  # the provider's id of it: the same text told again has the same
    sender: str  # as the provider writes it; anything may stand here
    recipient: str
    text: str
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What became of a text of ours."""

    provider_id: str  # the id that the provider gave it, as in `Outcome.provider_id`
    status: ReportStatus
    cause: Cause | None = None  # of a failure
    code: str = ""  # the provider's own word for it
    detail: str = ""
    recipient: str = ""
    message_id: UUID | None = None  # ours, where the provider hands it back
    occurred_at: datetime | None = None


Told = Reply | Report
