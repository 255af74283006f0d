"""The conversation of one process with the router's script: one call at a time, as group commit does it.

Whatever comes up while a call is under way goes in the next: windows that want a provider, and what became of others.
A lone sender waits for nobody, and busy ones share. What need not be known at once waits for the next window that asks,
but no longer than `TELL_SECONDS`, and is summed up by provider. What must be known is waited for as long: while Redis
does not answer it is told behind the sender, because a crash before outcomes are committed makes messages uncertain
that are known to be sent.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskflow.base.logging import get_logger
from taskflow.delivery.router.breaker import Report
from taskflow.delivery.router.choose import order
from taskflow.delivery.router.models import Choice, Route, Wait

log = get_logger(__name__)

TELL_SECONDS = 0.05
_GOODBYE_SECONDS = 5.0

Answers = list[Choice | Wait]


@dataclass(frozen=True, slots=True, eq=False)
class Lineup:
    """The providers that messages of the same terms may go to; whoever holds the same one shares a step.

    `limits`: of recipient domains, as the script reads them.
    """

    routes: Sequence[Route]
    limits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def drawn(self, rng: random.Random) -> Sequence[Route]:
        """Return them in the order in which they are asked."""
        return order(self.routes, rng)

    def counted(self, domains: Sequence[str]) -> list[tuple[Any, ...]]:
        """Return how many messages there are to each domain, as the script reads it: with its limits, if it has any."""
        counts = Counter(domains).items()
        if not self.limits:
            return list(counts)
        return [(*pair, self.limits[pair[0]]) if pair[0] in self.limits else pair for pair in counts]


Group = tuple[Lineup, list[str]]
"""Messages that go in one step: who may have them, and the domain of each one's recipient."""

Say = Callable[[Sequence[Group], Sequence[Report]], Awaitable[list[Answers]]]
"""Tells reports, and then returns for each group an answer for each message."""


class Exchange:
    """Collects what is to be said, and says it."""

    def __init__(self, say: Say) -> None:
        """Say nothing yet."""
        self._say = say
        self._asked: dict[Lineup, list[tuple[Sequence[str], asyncio.Future[Answers]]]] = {}
        self._reports: list[Report] = []
        self._plain: dict[str, Report] = {}  # by provider: nothing but messages that were taken
        self._told: list[asyncio.Future[None]] = []
        self._talking: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None

    async def ask(self, lineup: Lineup, domains: Sequence[str]) -> Answers:
        """Return a provider, or a wait, for a message to each of these domains.

        Raises:
            RedisError, OSError: Redis does not answer.
        """
        answers: asyncio.Future[Answers] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(lineup, []).append((domains, answers))
        self._talk()
        return await answers

    async def tell(self, reports: Sequence[Report]) -> None:
        """Say what became of messages; wait a moment until it is said only if the next to ask should know it."""
        for report in reports:
            self._note(report)
        if any(report.is_urgent for report in reports):
            told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._told.append(told)
            self._talk()
            await asyncio.wait([told], timeout=TELL_SECONDS)
        elif self._later is None:
            self._later = asyncio.get_running_loop().call_later(TELL_SECONDS, self._talk)

    async def close(self) -> None:
        """Say what has not been said."""
        self._talk()
        if self._talking is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    await self._talking

    def _note(self, report: Report) -> None:
        """Keep a report, in its order among those of its provider."""
        earlier = self._plain.get(report.provider)
        if not report.is_urgent:
            self._plain[report.provider] = report if earlier is None else earlier + report
            return
        if earlier is not None:
            self._reports.append(self._plain.pop(report.provider))
        self._reports.append(report)

    def _talk(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None
        if self._talking is None or self._talking.done():
            self._talking = asyncio.create_task(self._say_all(), name="router-exchange")

    async def _say_all(self) -> None:
        while self._asked or self._told or (self._later is None and (self._reports or self._plain)):
            if self._later is not None:
                self._later.cancel()
                self._later = None
            asked, self._asked = self._asked, {}
            told, self._told = self._told, []
            reports, self._reports, self._plain = [*self._reports, *self._plain.values()], [], {}
            groups = [(lineup, [domain for domains, _ in some for domain in domains]) for lineup, some in asked.items()]
            try:
                found = await self._say(groups, reports)
            except Exception as error:  # noqa: BLE001 - everybody who asked handles their own
                for some in asked.values():
                    for _, waiting in some:
                        if not waiting.done():
                            waiting.set_exception(error)
                if reports:
                    # Breakers learn it from the next messages; what is not given back counts until its span is over.
                    log.warning("outcomes_untold", error=str(error) or type(error).__name__)
            else:
                for some, answers in zip(asked.values(), found, strict=True):
                    _hand_out(some, answers)
            for one in told:
                if not one.done():
                    one.set_result(None)


def _hand_out(asked: Sequence[tuple[Sequence[str], asyncio.Future[Answers]]], answers: Answers) -> None:
    """Give each who asked their part."""
    start = 0
    for domains, waiting in asked:
        if not waiting.done():  # who asked may have been cancelled
            waiting.set_result(answers[start : start + len(domains)])
        start += len(domains)
