"""A window of messages over a provider that takes one a request: the first alone, then the rest together.

The first tells whether the provider works. After a fault of its own no further request begins; a fault that is about a
message's sender says nothing of the others.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from taskflow.delivery.outcome import NOT_STARTED, Cause, Outcome, OutcomeKind

Message = TypeVar("Message")


async def send_each(
    messages: Sequence[Message],
    deadline: float,
    slots: asyncio.Semaphore,
    send: Callable[[Message], Awaitable[Outcome]],
) -> list[Outcome]:
    """Return an outcome for each message, in their order.

    Args:
        messages: at most ten.
        deadline: on `time.monotonic()`; one whose turn comes later is `not_started`.
        slots: requests that the provider's senders may have under way in this process.
        send: hands one over, and raises nothing.
    """
    fault: Outcome | None = None

    async def one(message: Message) -> Outcome:
        nonlocal fault
        async with slots:
            if fault is not None:
                return fault
            if time.monotonic() >= deadline:
                return NOT_STARTED
            outcome = await send(message)
            if outcome.kind is OutcomeKind.PROVIDER_FAULT and outcome.cause is not Cause.SENDER:
                fault = outcome
            return outcome

    first = [await one(message) for message in messages[:1]]
    return [*first, *await asyncio.gather(*(one(message) for message in messages[1:]))]
