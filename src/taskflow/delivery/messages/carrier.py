"""Who carries messages, and mails of double opt-ins: the providers of the installation, by way of the router."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from taskflow.audience.channels import Channel
from taskflow.delivery.providers.contract import Mail, MessageClass, Sms
from taskflow.delivery.router.carrier import Admit, Carried
from taskflow.delivery.router.models import Ask
from taskflow.delivery.router.open_providers import OpenProviders
from taskflow.engine.context import WorkerContext


class Load(NamedTuple):
    """A message; of a mail also the domain that it is from, as its return path may be elsewhere, and its class."""

    message: Mail | Sms
    sending_domain: str = ""
    kind: MessageClass = MessageClass.TRANSACTIONAL

    @property
    def terms(self) -> Ask:
        """What it needs of a provider."""
        if isinstance(self.message, Mail):
            return Ask(self.kind, sending_domain=self.sending_domain)
        kind = MessageClass.BULK if self.message.promotional else MessageClass.TRANSACTIONAL
        return Ask(kind, requires_dlt=self.message.requires_dlt)


class Carrier(Protocol):
    """Carries messages."""

    async def longest_send_seconds(self, channel: Channel) -> float:
        """Return the longest time from the first byte of a message of a channel to its outcome."""

    async def send(self, loads: Sequence[Load], deadline: float, admit: Admit) -> list[Carried]:
        """Hand over at most ten messages; return for each what became of it, and the provider that had it.

        Nothing is raised for a message. `deadline`: on `time.monotonic()`; one whose turn comes later is `not_started`.
        `admit`: commits that messages, by their places, go to a provider now, and returns who may.
        """


class ProvidersCarrier:
    """The providers that are open for single messages."""

    def __init__(self, providers: OpenProviders) -> None:
        """Take what is open."""
        self._providers = providers

    async def longest_send_seconds(self, channel: Channel) -> float:
        """Return that of the slowest provider."""
        return await self._providers.longest_send_seconds(channel)

    async def send(self, loads: Sequence[Load], deadline: float, admit: Admit) -> list[Carried]:
        """Send what may go to the same providers together."""
        alike: defaultdict[tuple[type[Mail | Sms], Ask], list[int]] = defaultdict(list)
        for place, load in enumerate(loads):
            alike[type(load.message), load.terms].append(place)

        async def send(terms: Ask, places: Sequence[int]) -> dict[int, Carried]:
            async def admit_some(some: Sequence[int], provider: str) -> Collection[int]:
                admitted = await admit([places[one] for one in some], provider)
                return [one for one in some if places[one] in admitted]

            messages = [loads[place].message for place in places]
            return dict(zip(places, await self._providers.send(terms, messages, deadline, admit_some), strict=True))

        found: dict[int, Carried] = {}
        for some in await asyncio.gather(*(send(terms, places) for (_, terms), places in alike.items())):
            found |= some
        return [found[place] for place in range(len(loads))]


@asynccontextmanager
async def open_carrier(context: WorkerContext) -> AsyncIterator[Carrier]:
    """Open the carrier of one sender of a worker process."""
    async with OpenProviders.open(context) as providers:
        yield ProvidersCarrier(providers)
