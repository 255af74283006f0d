"""Sandboxes that fail on purpose: what a broken provider does, tried out without one.

The answers are those of real mail servers, read as theirs are, so that breakers, failover, attempts and ledgers do what
they would do. Nothing is suppressed by them: none is about a recipient.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeVar

from pydantic import Field

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError, Sms
from taskflow.delivery.providers.fields import Fields
from taskflow.delivery.smtp.causes import with_cause
from taskflow.delivery.smtp.outcome import of_refusal
from taskflow.delivery.smtp.reply import Reply

Message = TypeVar("Message", bound=Mail | Sms)
Fault = Literal["none", "reject_auth", "defer", "reject", "throttle", "drop_after_data", "slow"]

SLOW_SECONDS: Final = 3.0
_WINDOW = 10
_DROPPED = Outcome(
    OutcomeKind.UNCERTAIN, "DOT", reason="The sandbox dropped the connection on purpose.", cause=Cause.OUTAGE
)


def _refusal(verb: str, code: int, text: str) -> Outcome:
    return with_cause(of_refusal(verb, Reply(code, (text.encode(),))))


_REFUSALS: Final[dict[Fault, Outcome]] = {
    "reject_auth": _refusal("AUTH", 535, "5.7.8 The sandbox refuses these credentials on purpose."),
    "defer": _refusal("RCPT", 451, "4.3.0 The sandbox puts this message off on purpose."),
    "reject": _refusal("DOT", 554, "5.6.0 The sandbox refuses this message on purpose."),
    "throttle": _refusal("MAIL", 421, "4.7.0 The sandbox asks for fewer messages on purpose."),
}


class SandboxFields(Fields):
    """Nothing to set, unless it is to fail: the inbox is where `TASKFLOW_SANDBOX_*` says."""

    fault: Fault = Field("none", description=f"How it fails on purpose; slow: {SLOW_SECONDS:g} s a message.")
    fault_share: float = Field(1.0, gt=0, le=1, description="Share of messages that meet the fault.")


class Faults:
    """What the messages of one sandbox meet."""

    def __init__(self, fields: SandboxFields, draw: Callable[[], float] = random.random) -> None:
        """`draw`: a number below 1 for each message; those below the share meet the fault."""
        self._fault = fields.fault
        self._share = fields.fault_share
        self._draw = draw

    @property
    def seconds(self) -> float:
        """Return how much longer a window may take."""
        return SLOW_SECONDS * _WINDOW if self._fault == "slow" else 0.0

    def check(self) -> str:
        """Return what a test of the connection has to say of it.

        Raises:
            ProviderUnusableError: the fault is one of the connection.
        """
        if self._fault == "none":
            return ""
        if self._fault == "reject_auth":
            raise ProviderUnusableError(f"The sandbox: AUTH: {_REFUSALS[self._fault].text}")
        return f" It fails on purpose: {self._fault}."

    async def meet(
        self,
        messages: Sequence[Message],
        deadline: float,
        send: Callable[[Sequence[Message], float], Awaitable[list[Outcome]]],
    ) -> list[Outcome]:
        """Send messages, but for what happens to those that meet the fault."""
        if self._fault == "none":
            return await send(messages, deadline)
        met = [self._draw() < self._share for _ in messages]
        refusal = _REFUSALS.get(self._fault)
        if refusal is not None:
            passing = [message for message, is_met in zip(messages, met, strict=True) if not is_met]
            sent = iter(await send(passing, deadline) if passing else [])
            return [refusal if is_met else next(sent) for is_met in met]
        if self._fault == "slow":
            await asyncio.sleep(SLOW_SECONDS * sum(met))
            return await send(messages, deadline)
        return [
            _DROPPED if is_met and outcome.kind is OutcomeKind.ACCEPTED else outcome
            for outcome, is_met in zip(await send(messages, deadline), met, strict=True)
        ]
