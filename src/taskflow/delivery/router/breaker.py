"""What an outcome tells of its provider: for the breaker, and for how fast the provider or a recipient domain goes.

| outcome | breaker hears | pace | budget |
|---|---|---|---|
| accepted | good | a little faster, where it was slowed | used |
| rejected by the provider | good: it works, the message does not | - | used |
| provider fault | fault | - | given back |
| provider fault that will not pass by itself: wrong password, suspended | opens it at once | - | given back |
| provider fault about the sender | - | held for this sender (`holds.py`) | given back |
| uncertain, by an outage or a broken connection | fault | - | used |
| deferred, because the connection broke | fault | - | used |
| deferred by a 421 or 4yz to RCPT, DATA or the message | - | its domain half as fast, through this provider | used |
| deferred by greylisting, or for a busy mailbox (`busy.py`) | - | - : the one message waits | used |
| throttled, as a fault (429, `Throttling`) | - | the provider half as fast; stopped as long as it asks | given back |
| throttled, as a deferral (421) | - | half as fast: its domain after RCPT, else the provider | used |
| quota used up | - | the provider stopped for as long as it asks, or five minutes | given back |
| not started | - | - | given back |

The breaker's own protocol is in `breaker.lua`: every decision is one atomic step in Redis, shared by all workers.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from taskflow.delivery.outcome import STOPPED, Cause, Outcome, OutcomeKind
from taskflow.delivery.router.models import Choice
from taskflow.settings.router import RouterSettings

_CLOSING = 421
_SES_THROTTLING = 454  # "Throttling failure: Maximum sending rate exceeded": ours, not the recipient's
_AT_THE_RECIPIENT = frozenset({"RCPT", "DATA", "DOT"})
_QUOTA_SECONDS = 300.0
_LONGEST_REASON = 300
_BROKEN = (None, Cause.OUTAGE)
_CERTAIN = {
    Cause.CREDENTIALS: "Its credentials are refused",
    Cause.SUSPENDED: "Its account is suspended",
}
_FORBIDDEN = 403  # of an HTTP API: perhaps about one message


class Verdict(StrEnum):
    """What a breaker makes of an outcome."""

    GOOD = "good"
    FAULT = "fault"
    NOTHING = "nothing"


def is_throttle(outcome: Outcome) -> bool:
    """Tell whether the provider, or who is behind it, asks for fewer messages: no attempt of the message."""
    if outcome.kind is OutcomeKind.PROVIDER_FAULT:
        return outcome.cause is Cause.THROTTLED
    if outcome.kind is not OutcomeKind.DEFERRED:
        return False
    return outcome.cause is Cause.THROTTLED or (outcome.cause is None and outcome.code == _CLOSING)


def is_quota(outcome: Outcome) -> bool:
    """Tell whether the provider takes no more for a good while."""
    return outcome.kind in (OutcomeKind.DEFERRED, OutcomeKind.PROVIDER_FAULT) and outcome.cause is Cause.QUOTA


def refuses_sender(outcome: Outcome) -> bool:
    """Tell whether the provider does not send for whom the message is from: nothing is known of other senders."""
    return outcome.kind is OutcomeKind.PROVIDER_FAULT and outcome.cause is Cause.SENDER


def may_fail_over(outcome: Outcome) -> bool:
    """Tell whether another provider may have the message: it is proved that this one did not take it, and why."""
    return outcome.kind is OutcomeKind.PROVIDER_FAULT or is_throttle(outcome) or is_quota(outcome)


def verdict(outcome: Outcome) -> Verdict:
    """Return what the breaker of its provider hears."""
    if is_throttle(outcome) or is_quota(outcome) or refuses_sender(outcome):
        return Verdict.NOTHING
    match outcome.kind:
        case OutcomeKind.ACCEPTED:
            return Verdict.GOOD
        case OutcomeKind.REJECTED:
            return Verdict.NOTHING if outcome.verb == "CHECK" else Verdict.GOOD
        case OutcomeKind.PROVIDER_FAULT:
            return Verdict.FAULT
        case OutcomeKind.UNCERTAIN if outcome.cause in _BROKEN and outcome.reason != STOPPED.reason:
            return Verdict.FAULT
        case OutcomeKind.DEFERRED if outcome.cause in _BROKEN and not _is_of_the_recipient(outcome):
            return Verdict.FAULT
        case _:
            return Verdict.NOTHING


def certainty(outcome: Outcome) -> str:
    """Return what is certain of its provider after one fault, in words; nothing where further messages must tell.

    A refused password is not taken a moment later either: whoever tries it again only waits, and risks a lock.
    """
    is_of_one = outcome.verb in _AT_THE_RECIPIENT or outcome.code == _FORBIDDEN
    if outcome.kind is not OutcomeKind.PROVIDER_FAULT or outcome.cause is None or is_of_one:
        return ""
    return _CERTAIN.get(outcome.cause, "")


def _is_of_the_recipient(outcome: Outcome) -> bool:
    """Tell whether a message was put off in words that may be about its recipient: its domain is down."""
    return outcome.reply is not None and (outcome.cause is None or outcome.verb in _AT_THE_RECIPIENT)


def slowed(outcome: Outcome, provider: str, domain: str) -> tuple[str, float, str] | None:
    """Return what goes slower after this outcome: the subject, seconds in which it takes nothing, and why."""
    if is_quota(outcome):
        return provider, outcome.retry_after or _QUOTA_SECONDS, "quota"
    from_domain = outcome.verb in _AT_THE_RECIPIENT and outcome.code != _SES_THROTTLING and domain != ""
    subject = f"{provider}/{domain}" if from_domain else provider
    if is_throttle(outcome):
        return subject, outcome.retry_after or 0.0, "throttled"
    is_soft = outcome.kind is OutcomeKind.DEFERRED and outcome.cause is None and 400 <= (outcome.code or 0) < 500
    return (subject, 0.0, "throttled") if is_soft and from_domain else None


@dataclass(slots=True)
class Report:
    """What became of the messages that one reservation gave to a provider."""

    provider: str
    taken_at: int
    probe: str | None = None
    good: int = 0
    faults: int = 0
    trailing: int = 0  # faults after the last good one
    certain: str = ""  # what is certain after them
    reason: str = ""
    unused: int = 0  # reserved, and never handed over
    unused_to: Counter[str] = field(default_factory=Counter)  # the same by recipient domain that has a limit
    failovers: int = 0  # messages that it took over from others
    throttles: dict[str, tuple[float, str]] = field(default_factory=dict)
    quickened: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, choice: Choice, outcomes: Sequence[tuple[Outcome, str]], failovers: int) -> "Report":
        """Sum up outcomes, each with the recipient's domain, in the order in which they were handed over."""
        report = cls(choice.route.name, choice.taken_at, choice.probe, failovers=failovers)
        for outcome, domain in outcomes:
            report._add(outcome, domain, is_limited=domain in choice.limited)
        return report

    def __add__(self, later: "Report") -> "Report":
        """Sum up with a later report of the same provider; neither is urgent."""
        return Report(
            self.provider,
            later.taken_at,
            good=self.good + later.good,
            failovers=self.failovers + later.failovers,
            quickened=self.quickened + later.quickened,
        )

    @property
    def is_urgent(self) -> bool:
        """Tell whether the next reservation should already know."""
        return bool(self.faults or self.unused or self.throttles or self.probe)

    def packed(self) -> dict[str, Any]:
        """Return it as the script reads it."""
        packed: dict[str, Any] = {
            "provider": self.provider,
            "taken_at": self.taken_at,
            "good": self.good,
            "faults": self.faults,
            "trailing": self.trailing,
            "certain": self.certain,
            "reason": self.reason[:_LONGEST_REASON],
            "unused": self.unused,
            "unused_to": list(self.unused_to.items()),
            "failovers": self.failovers,
            "throttles": [(subject, seconds * 1000, why) for subject, (seconds, why) in self.throttles.items()],
            "quickened": list(self.quickened.items()),
        }
        return packed if self.probe is None else packed | {"probe": self.probe}

    def _add(self, outcome: Outcome, domain: str, *, is_limited: bool) -> None:
        if outcome.kind is OutcomeKind.ACCEPTED:  # nearly always, and there is nothing else to find out
            self.good += 1
            self.trailing = 0
            self.certain = ""
            self.quickened[self.provider] += 1
            if domain:
                self.quickened[f"{self.provider}/{domain}"] += 1
            return
        match verdict(outcome):
            case Verdict.GOOD:
                self.good += 1
                self.trailing = 0
                self.certain = ""
            case Verdict.FAULT:
                self.faults += 1
                self.trailing += 1
                self.certain = self.certain or certainty(outcome)
                self.reason = outcome.text
            case Verdict.NOTHING:
                pass
        if outcome.kind in (OutcomeKind.NOT_STARTED, OutcomeKind.PROVIDER_FAULT) or is_quota(outcome):
            self.unused += 1
            if is_limited:
                self.unused_to[domain] += 1
        slower = slowed(outcome, self.provider, domain)
        if slower is not None:
            subject, seconds, why = slower
            self.throttles[subject] = max((seconds, why), self.throttles.get(subject, (0.0, "")))


def policy(settings: RouterSettings) -> dict[str, Any]:
    """Return what breakers go by, as the scripts read it; times in ms."""
    return {
        "faults": settings.faults,
        "ratio": settings.fault_ratio,
        "volume": settings.ratio_messages,
        "window": settings.window_seconds * 1000,
        "first": settings.open_seconds * 1000,
        "longest": settings.longest_open_seconds * 1000,
        "probes": settings.probes,
        "good": settings.good_probes,
        "lost": round(settings.probe_seconds * 1000),
    }
