"""Sends a window of messages through the router: chosen, counted, handed over, told; then over to another provider.

A message fails over only when it is proved that the provider did not take it, and only for what is the provider's own:
a provider fault, a throttle, a quota. Whatever may be in somebody's inbox (accepted, uncertain) and whatever is about
the message itself (rejected, deferred by the recipient) goes nowhere else. Each provider has a message once an attempt.

What nobody could take ends `not_started`, with the reason and the seconds to wait: it burns no attempt.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Generic, Protocol, TypeVar

from taskflow.audience.channels import Channel
from taskflow.base.logging import get_logger
from taskflow.delivery.metrics import ATTEMPTS
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail, MessageClass, ProviderUnusableError, Sms
from taskflow.delivery.router.breaker import Report, is_quota, is_throttle, may_fail_over, refuses_sender
from taskflow.delivery.router.models import Ask, Choice, Wait
from taskflow.delivery.router.service import Router

log = get_logger(__name__)

Message = TypeVar("Message", bound=Mail | Sms)
Message_contra = TypeVar("Message_contra", bound=Mail | Sms, contravariant=True)
Carried = tuple[Outcome, str]
Admit = Callable[[Sequence[int], str], Awaitable[Collection[int]]]
"""Commits that messages, by their places in the window, go to a provider now; returns the places of those that may."""

NOT_ADMITTED = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason="It is not to be sent any more.")

NOT_NOTED = Outcome(
    OutcomeKind.NOT_STARTED, "CHECK", reason="The ledger could not note it, so it was not sent.", retry_after=1.0
)
LONGEST_WAIT_SECONDS = 60.0
"""Until somebody asks again, however long a provider takes nothing: it may have recovered, or a throttle be over."""
LONGEST_LASTING_SECONDS = 900.0
"""The same where a quota or the budget of a day is used up: only a person changes that, which wakes who waits."""

NOBODY = ""  # the name of the provider of a message that none has had


class Sends(Protocol[Message_contra]):
    """An open provider (`MailProvider`, `SmsProvider`)."""

    async def send(self, messages: Sequence[Message_contra], deadline: float, /) -> list[Outcome]:
        """Hand over at most ten messages, in order."""


class RoutedCarrier(Generic[Message]):
    """Sends messages of one channel and of the same terms: those of a campaign, or transactional ones of a domain."""

    def __init__(self, router: Router, providers: Mapping[str, Sends[Message]], terms: Ask) -> None:
        """Send nothing yet.

        Args:
            router: of this process.
            providers: those that are open here, by the names of their routes.
            terms: what the messages have in common.
        """
        self._router = router
        self._providers = providers
        self._terms = terms

    async def send(self, messages: Sequence[Message], deadline: float, admit: Admit | None = None) -> list[Carried]:
        """Send at most ten messages, and return each one's outcome and the name of the provider that had it last.

        `admit` is asked before each provider, so that a ledger knows who has a message before the network does; who is
        not admitted is `not_started`.
        """
        asks = self._asks(messages)
        results = [self._busy(message) for message in messages]
        waiting = [i for i, result in enumerate(results) if result is None]
        while waiting:
            loads = await self._choose(messages, asks, results, waiting)
            sent = [self._admitted(choice, messages, load, deadline, admit) for choice, load in loads]
            reports: list[Report] = []
            waiting = []
            for (choice, load), outcomes in zip(loads, await asyncio.gather(*sent), strict=True):
                self._count(choice, asks[load[0]].channel, outcomes)
                told = [(outcome, asks[i].recipient_domain) for i, outcome in zip(load, outcomes, strict=True)]
                reports.append(Report.of(choice, told, failovers=sum(bool(asks[i].without) for i in load)))
                for i, outcome in zip(load, outcomes, strict=True):
                    results[i] = (_after(results[i], outcome), choice.route.name)
                    if outcome.kind is OutcomeKind.ACCEPTED:
                        self._router.busy.took(messages[i].rcpt_to)
                    if refuses_sender(outcome):
                        self._router.holds.note(choice.route.name, self._sender(messages[i]), outcome)
                    if may_fail_over(outcome):
                        asks[i] = replace(asks[i], without=asks[i].without | {choice.route.name})
                        waiting.append(i)
            if reports:
                await self._router.settle(reports)
            if time.monotonic() >= deadline:
                break
        return [self._at_the_end(message, *_known(result)) for message, result in zip(messages, results, strict=True)]

    def _at_the_end(self, message: Message, outcome: Outcome, provider: str) -> Carried:
        """Let a busy mailbox be no attempt as long as there is patience with it; for all else see `_ended`."""
        if outcome.kind is OutcomeKind.DEFERRED and outcome.cause is Cause.BUSY:
            seconds = self._router.busy.refused(message.rcpt_to)
            if seconds is not None:
                return replace(outcome, kind=OutcomeKind.NOT_STARTED, retry_after=seconds), provider
        return _ended(outcome, provider, self._terms.message_class)

    def _count(self, choice: Choice, channel: Channel, outcomes: Sequence[Outcome]) -> None:
        """Count what a provider made of its messages; one that it was not given is none."""
        for kind, count in Counter(outcome.kind for outcome in outcomes).items():
            if kind is not OutcomeKind.NOT_STARTED:
                labels = (channel.value, self._terms.message_class.value, kind.value, choice.route.name)
                self._router.meter.count(ATTEMPTS, *labels, by=count)

    def _asks(self, messages: Sequence[Message]) -> list[Ask]:
        """Return what each message needs; those to one domain share it."""
        domains = [_domain(message) for message in messages]
        channel = Channel.SMS if any(isinstance(message, Sms) for message in messages) else Channel.EMAIL
        asks = {domain: replace(self._terms, recipient_domain=domain, channel=channel) for domain in set(domains)}
        return [asks[domain] for domain in domains]

    def _busy(self, message: Message) -> Carried | None:
        """Return what a message to a busy mailbox ends as without being tried."""
        wait = self._router.busy.wait(message.rcpt_to)
        if wait is None:
            return None
        held = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason=wait.reason, retry_after=wait.seconds, cause=Cause.BUSY)
        return held, NOBODY

    def _sender(self, message: Message) -> str:
        """Return whom a provider must be allowed to send for."""
        return (message.sender or "") if isinstance(message, Sms) else self._terms.sending_domain

    async def _choose(
        self, messages: Sequence[Message], asks: Sequence[Ask], results: list[Carried | None], waiting: Sequence[int]
    ) -> list[tuple[Choice, list[int]]]:
        """Return who gets which messages; those that must wait get their outcome."""
        loads: dict[tuple[str, int, str | None], tuple[Choice, list[int]]] = {}
        holds = [self._router.holds.of(self._sender(messages[i]), self._providers) for i in waiting]
        asked = [
            replace(asks[i], without=asks[i].without.union(held)) if held else asks[i]
            for i, held in zip(waiting, holds, strict=True)
        ]
        answers = await self._router.reserve(asked, self._providers)
        for i, held, answer in zip(waiting, holds, answers, strict=True):
            if isinstance(answer, Wait):
                results[i] = _waiting(results[i], _shortest(answer, held.values()))
            else:
                key = (answer.route.name, answer.taken_at, answer.probe)
                loads.setdefault(key, (answer, []))[1].append(i)
        return list(loads.values())

    async def _admitted(
        self, choice: Choice, messages: Sequence[Message], load: Sequence[int], deadline: float, admit: Admit | None
    ) -> list[Outcome]:
        """Hand over what may go; return an outcome for each of the load."""
        try:
            going = await admit(load, choice.route.name) if admit is not None else load
        except Exception:
            log.exception("not_admitted", provider=choice.route.name)
            return [NOT_NOTED] * len(load)
        sent = iter(await self._hand_over(choice, [messages[i] for i in load if i in going], deadline))
        return [next(sent) if i in going else NOT_ADMITTED for i in load]

    async def _hand_over(self, choice: Choice, messages: Sequence[Message], deadline: float) -> list[Outcome]:
        """Return an outcome for each message, whatever the provider does: what it did not prove is uncertain."""
        name = choice.route.name
        if not messages:
            return []
        try:
            outcomes = await self._providers[name].send(messages, deadline)
        except ProviderUnusableError as error:
            return [Outcome(OutcomeKind.PROVIDER_FAULT, "CHECK", reason=str(error))] * len(messages)
        except Exception as error:
            log.exception("provider_failed", provider=name)
            reason = f"{name} broke off: {type(error).__name__}."
            return [Outcome(OutcomeKind.UNCERTAIN, "SEND", reason=reason)] * len(messages)
        missing = Outcome(OutcomeKind.UNCERTAIN, "SEND", reason=f"{name} did not say what became of it.")
        return [*outcomes, *[missing] * (len(messages) - len(outcomes))][: len(messages)]


def _domain(message: Mail | Sms) -> str:
    return message.rcpt_to.rpartition("@")[2].lower() if "@" in message.rcpt_to else ""


def _known(result: Carried | None) -> Carried:
    """Return a result that is there: every message of a window has been chosen for, or told to wait."""
    if result is None:
        raise AssertionError("a message without an outcome")
    return result


def _after(before: Carried | None, outcome: Outcome) -> Outcome:
    """Return an outcome that knows why providers that had the message before did not take it."""
    if before is None:
        return outcome
    refused, provider = before
    return replace(outcome, refusals=(*refused.refusals, f"{provider}: {refused.text}"))


def _waiting(before: Carried | None, wait: Wait) -> Carried:
    """Return the outcome of a message that nobody takes now, after a provider has refused it or not."""
    if before is None:
        verb = "ROOM" if wait.for_all else "CHECK"
        return Outcome(OutcomeKind.NOT_STARTED, verb, reason=wait.reason, retry_after=_bounded(wait)), NOBODY
    outcome, provider = before
    if outcome.retry_after is None or wait.is_for_want:
        return replace(outcome, retry_after=outcome.retry_after or wait.seconds), provider
    return replace(outcome, retry_after=min(outcome.retry_after, wait.seconds)), provider  # whoever takes it first


def _bounded(wait: Wait) -> float:
    """Return the seconds until somebody asks again; those who wait long do not all come at once."""
    if not wait.is_lasting or wait.seconds <= LONGEST_WAIT_SECONDS:
        return min(wait.seconds, LONGEST_WAIT_SECONDS)
    return min(wait.seconds, LONGEST_LASTING_SECONDS) + random.uniform(0.0, LONGEST_WAIT_SECONDS)  # noqa: S311 - no secret


def _shortest(wait: Wait, holds: Collection[Wait]) -> Wait:
    """Return the wait that is over first."""
    waits = [*holds] if wait.is_for_want and holds else [wait, *holds]
    return min(waits, key=lambda one: one.seconds)


def _ended(outcome: Outcome, provider: str, message_class: MessageClass) -> Carried:
    """Let a throttle or a quota that nobody made up for be no attempt, and no wait that one asks for exceed a minute.

    A sender whom nobody sends for is one, where a person waits: the message ends when its attempts are used up. A
    campaign waits until its sender is verified.
    """
    if refuses_sender(outcome) and message_class is MessageClass.TRANSACTIONAL:
        return replace(outcome, kind=OutcomeKind.DEFERRED), provider
    if outcome.kind is OutcomeKind.DEFERRED and (is_throttle(outcome) or is_quota(outcome)):
        outcome = replace(outcome, kind=OutcomeKind.NOT_STARTED, retry_after=outcome.retry_after or 1.0)
    if outcome.kind is not OutcomeKind.DEFERRED and outcome.retry_after is not None and provider != NOBODY:
        outcome = replace(outcome, retry_after=min(outcome.retry_after, LONGEST_WAIT_SECONDS))
    return outcome, provider
