"""What became of a message: exactly one of six words, and the proof behind it.

| outcome | what is known | the message was |
|---|---|---|
| `accepted` | 2yz to the final dot | taken by the server |
| `rejected` | 5yz to MAIL, RCPT, DATA or the final dot, or we refused to say it | not taken, and never will be |
| `deferred` | 4yz, or the connection failed before the final dot was written | not taken; try again |
| `provider_fault` | connecting, TLS or AUTH failed: the server, not the message | not taken; try again, or elsewhere |
| `uncertain` | the final dot was written and no complete reply was read | perhaps taken: nobody can know |
| `not_started` | we stopped before it: the deadline, or the sender was cancelled | not taken, no attempt made |

Only `accepted` and `uncertain` can be in somebody's inbox; all others are proved not to be.
"""

from dataclasses import dataclass
from enum import StrEnum

from taskflow.delivery.smtp.reply import Reply

_AUTH_CODES = frozenset({530, 534, 535, 538})  # RFC 4954: about us and the server, whatever command they answer


class OutcomeKind(StrEnum):
    """The vocabulary."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    DEFERRED = "deferred"
    PROVIDER_FAULT = "provider_fault"
    UNCERTAIN = "uncertain"
    NOT_STARTED = "not_started"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message."""

    kind: OutcomeKind
    verb: str  # what was answered or cut: CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, DOT; CHECK: our own refusal
    reply: Reply | None = None  # what the server said, when it did
    reason: str = ""  # what happened when it did not
    retry_after: float | None = None  # seconds until the server is tried again, for a provider fault

    @property
    def text(self) -> str:
        """Return one sentence for the ledger: the server's words, or ours."""
        return str(self.reply) if self.reply is not None else self.reason

    @property
    def code(self) -> int | None:
        """Return the reply code."""
        return self.reply.code if self.reply is not None else None


def of_final(reply: Reply) -> Outcome:
    """Classify the reply to the final dot."""
    if reply.ok:
        return Outcome(OutcomeKind.ACCEPTED, "DOT", reply)
    if reply.code < 400:
        return Outcome(OutcomeKind.UNCERTAIN, "DOT", reply, f"The server answered the message with {reply}.")
    return of_refusal("DOT", reply)


def of_refusal(verb: str, reply: Reply) -> Outcome:
    """Classify a refusal, or an answer that makes no sense, before the message or at its end."""
    if reply.code in _AUTH_CODES:
        return Outcome(OutcomeKind.PROVIDER_FAULT, verb, reply)
    kind = OutcomeKind.REJECTED if reply.code >= 500 else OutcomeKind.DEFERRED
    return Outcome(kind, verb, reply)


def refused_by_us(reason: str) -> Outcome:
    """Return the outcome of a message that must not be said to any server."""
    return Outcome(OutcomeKind.REJECTED, "CHECK", reason=reason)


def cut(verb: str, reason: str) -> Outcome:
    """Return the outcome of a message whose connection failed at `verb`."""
    return Outcome(OutcomeKind.UNCERTAIN if verb == "DOT" else OutcomeKind.DEFERRED, verb, reason=reason)


NOT_STARTED = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason="The window's time was over before its turn.")
STOPPED = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason="The sender was stopped.")
