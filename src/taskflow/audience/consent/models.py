"""Subscriptions and the history of consent.

    PENDING       waits for the confirmation of a double opt-in; is not written to
    CONFIRMED     is written to
    UNSUBSCRIBED  asked to be left alone; only a confirmation by the person makes it CONFIRMED again

Each step stands in `consents`, which is only added to: who did it, when, from which address, to which wording.
"""

from dataclasses import dataclass
from enum import StrEnum


class SubscriptionStatus(StrEnum):
    """How somebody stands to a list."""

    PENDING = "PENDING"
    CONFIRMED = "CONFIRMED"
    UNSUBSCRIBED = "UNSUBSCRIBED"


class ConsentAction(StrEnum):
    """A step."""

    REQUESTED = "requested"
    """A confirmation was asked for: not yet a consent."""
    GRANTED = "granted"
    CONFIRMED = "confirmed"
    """By the signed link that only the holder of the address had."""
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is written down beside a step."""

    source: str
    """How it came: api, import, form, page, one-click."""
    wording: str | None = None
    address: str | None = None
    """From which IP address."""
    user_agent: str | None = None
    actor: str | None = None
    """A user, when it was not the person."""

    @property
    def proof(self) -> tuple[str | None, ...]:
        """What `consents` keeps beside the source: wording, address, user agent, actor."""
        agent = self.user_agent[:500] if self.user_agent else None
        return self.wording, self.address, agent, self.actor[:300] if self.actor else None
