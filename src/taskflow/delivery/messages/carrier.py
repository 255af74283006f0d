"""Who carries messages, and mails of double opt-ins: the providers of the installation, by way of the router.

They have connections of their own, so that no campaign's window stands before them.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol

from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Channel, Mail, Sms
from taskflow.delivery.router.carrier import Admit, Carried, RoutedCarrier, Sends
from taskflow.delivery.router.configured import open_routing
from taskflow.delivery.router.models import Ask, MessageClass
from taskflow.delivery.router.service import Router
from taskflow.settings import Settings


class Load(NamedTuple):
    """A message, and of a mail the domain of the address that it is from: its return path may be elsewhere."""

    message: Mail | Sms
    sending_domain: str = ""

    @property
    def terms(self) -> Ask:
        """What it needs of a provider."""
        if isinstance(self.message, Mail):
            return Ask(MessageClass.TRANSACTIONAL, sending_domain=self.sending_domain)
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
    """The enabled providers of each channel; where there is none, the server of the settings and the sandbox."""

    def __init__(self, router: Router, providers: ProviderCatalogue) -> None:
        """Take the router and the open providers of a process."""
        self._router = router
        self._providers = providers

    async def longest_send_seconds(self, channel: Channel) -> float:
        """Return that of the slowest provider."""
        return await self._providers.longest_send_seconds(channel)

    async def send(self, loads: Sequence[Load], deadline: float, admit: Admit) -> list[Carried]:
        """Send what may go to the same providers together."""
        alike: defaultdict[tuple[type[Mail | Sms], Ask], list[int]] = defaultdict(list)
        for place, load in enumerate(loads):
            alike[type(load.message), load.terms].append(place)

        async def send(kind: type[Mail | Sms], terms: Ask, places: Sequence[int]) -> dict[int, Carried]:
            providers = await self._open(kind, terms)

            async def admit_some(some: Sequence[int], provider: str) -> Collection[int]:
                admitted = await admit([places[one] for one in some], provider)
                return [one for one in some if places[one] in admitted]

            messages = [loads[place].message for place in places]
            carried = await RoutedCarrier(self._router, providers, terms).send(messages, deadline, admit_some)
            return dict(zip(places, carried, strict=True))

        found: dict[int, Carried] = {}
        for some in await asyncio.gather(*(send(*shared, places) for shared, places in alike.items())):
            found |= some
        return [found[place] for place in range(len(loads))]

    async def _open(self, kind: type[Mail | Sms], terms: Ask) -> Mapping[str, Sends[Any]]:
        """Return the open providers of a channel, by name."""
        if kind is Mail:
            return {row.name: provider for row, provider in await self._providers.mail_providers()}
        texts = await self._providers.sms_providers(requires_dlt=terms.requires_dlt)
        return {row.name: provider for row, provider in texts}


@asynccontextmanager
async def open_carrier(
    database: Database, broker: RedisBroker, settings: Settings, *, slot: int = 0
) -> AsyncIterator[Carrier]:
    """Open the carrier of a worker process; `slot` as in `open_routing`."""
    async with open_routing(database, broker, settings, slot=slot) as (router, providers):
        yield ProvidersCarrier(router, providers)
