"""What became of a message, whoever carried it: exactly one of six words, and the proof behind it.

| outcome | what is known | the message was |
|---|---|---|
| `accepted` | the provider said so | taken |
| `rejected` | refused for good, or we refused to hand it over | not taken, and never will be |
| `deferred` | refused for now, or the connection failed before it was handed over | not taken; try again |
| `provider_fault` | the provider, not the message: sign-in, quota, out of reach | not taken; later, or elsewhere |
| `uncertain` | it was handed over and no complete answer was read | perhaps taken: nobody can know |
| `not_started` | we stopped before it: the deadline, or the sender was cancelled | not taken, no attempt made |

Only `accepted` and `uncertain` can be in somebody's inbox; all others are proved not to be: only they may fail over.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class OutcomeKind(StrEnum):
    """The vocabulary."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    PROVIDER_FAULT = "provider_fault"
    UNCERTAIN = "uncertain"
    NOT_STARTED = "not_started"


class Cause(StrEnum):
    """Why, in words that all providers share; what it means for the person, the message and the provider."""

    ADDRESS = "address"  # there is no such recipient: suppress
    MAILBOX_FULL = "mailbox_full"
    OPTED_OUT = "opted_out"  # the provider knows that this person wants nothing
    REPUTATION = "reputation"  # we are blocked, not the person: never suppress
    CONTENT = "content"  # this message, whoever gets it
    SIZE = "size"
    THROTTLED = "throttled"  # slower; burns no attempt
    GREYLISTED = "greylisted"  # the server wants to see this message again later; nobody else has to go slower
    BUSY = "busy"  # this mailbox gets more than its server lets through: the message waits, nobody else
    QUOTA = "quota"  # nothing more today, or no money
    CREDENTIALS = "credentials"
    SENDER = "sender"  # the provider may not send for whom the message is from
    SUSPENDED = "suspended"
    OUTAGE = "outage"
    INVALID = "invalid"  # our request or configuration is wrong
    UNKNOWN = "unknown"


class Said(Protocol):
    """What a provider answered: its code, and all of it as one short line that is safe for a log."""

    @property
    def code(self) -> int:
        """Return the reply code, or the HTTP status."""

    def __str__(self) -> str:
        """Return the answer on one line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message."""

    kind: OutcomeKind
    # What was answered or cut: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, DOT; POST; CHECK: our own refusal;
    # ROOM: no provider has room now, whoever the message is for.
    verb: str
    reply: Said | None = None  # what the provider said, when it did
    reason: str = ""  # what happened when it did not
    retry_after: float | None = None  # seconds until a faulty provider, or a deferred message, is tried again
    cause: Cause | None = None
    provider_id: str | None = None  # the id that the provider gave the message
    refusals: tuple[str, ...] = field(default=(), compare=False)  # of providers that had it before, in this attempt

    @property
    def text(self) -> str:
        """Return one sentence for the ledger: the provider's words, or ours."""
        return str(self.reply) if self.reply is not None else self.reason

    @property
    def code(self) -> int | None:
        """Return the reply code."""
        return self.reply.code if self.reply is not None else None


def refused_by_us(reason: str) -> Outcome:
    """Return the outcome of a message that must not be handed to any provider."""
    return Outcome(OutcomeKind.REJECTED, "CHECK", reason=reason)


NOT_STARTED = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason="The window's time was over before its turn.")
STOPPED = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason="The sender was stopped.")
