"""Who carries messages, and mails of double opt-ins: the providers of the installation, by way of the router."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.router.carrier import Admit, Carried
from taskflow.delivery.router.models import Ask, MessageClass
from taskflow.delivery.router.open_providers import OpenProviders
from taskflow.engine.context import WorkerContext


class Load(NamedTuple):
    """A mail, and the domain of the address that it is from: its return path may be elsewhere."""

    mail: Mail
    sending_domain: str


class Carrier(Protocol):
    """Carries mail."""

    async def longest_send_seconds(self) -> float:
        """Return the longest time from a message's first byte to its outcome."""

    async def send(self, loads: Sequence[Load], deadline: float, admit: Admit) -> list[Carried]:
        """Hand over at most ten mails; return for each what became of it, and the provider that had it.

        Nothing is raised for a message. `deadline`: on `time.monotonic()`; a mail whose turn comes later is
        `not_started`. `admit`: commits that mails, by their places, go to a provider now, and returns who may.
        """


class ProvidersCarrier:
    """The providers that are open for single messages."""

    def __init__(self, providers: OpenProviders) -> None:
        """Take what is open."""
        self._providers = providers

    async def longest_send_seconds(self) -> float:
        """Return that of the slowest provider."""
        return await self._providers.longest_send_seconds()

    async def send(self, loads: Sequence[Load], deadline: float, admit: Admit) -> list[Carried]:
        """Send what comes from one domain together."""
        by_domain: defaultdict[str, list[int]] = defaultdict(list)
        for place, load in enumerate(loads):
            by_domain[load.sending_domain].append(place)

        async def send(domain: str, places: Sequence[int]) -> dict[int, Carried]:
            async def admit_some(some: Sequence[int], provider: str) -> Collection[int]:
                admitted = await admit([places[one] for one in some], provider)
                return [one for one in some if places[one] in admitted]

            terms = Ask(MessageClass.TRANSACTIONAL, sending_domain=domain)
            mails = [loads[place].mail for place in places]
            return dict(zip(places, await self._providers.send(terms, mails, deadline, admit_some), strict=True))

        found: dict[int, Carried] = {}
        for some in await asyncio.gather(*(send(domain, places) for domain, places in by_domain.items())):
            found |= some
        return [found[place] for place in range(len(loads))]


@asynccontextmanager
async def open_carrier(context: WorkerContext) -> AsyncIterator[Carrier]:
    """Open the carrier of one sender of a worker process."""
    async with OpenProviders.open(context) as providers:
        yield ProvidersCarrier(providers)
