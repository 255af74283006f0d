"""Who carries campaigns: the providers of the installation, by way of the router.

Campaigns have connections of their own, so that none of their windows stands before somebody's password.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from taskflow.base.errors import ConfigurationError
from taskflow.campaigns.lanes import Stream
from taskflow.delivery.ledger import patiently
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.router.carrier import NOBODY, Admit, Carried, RoutedCarrier
from taskflow.delivery.router.configured import open_routing
from taskflow.delivery.router.models import Ask, MessageClass
from taskflow.delivery.router.service import Router
from taskflow.engine.context import WorkerContext

_UNUSABLE_SECONDS = 5.0


class CampaignCarrier:
    """The enabled providers of mail, or the server of the settings."""

    def __init__(self, router: Router, providers: ProviderCatalogue) -> None:
        """Use `CampaignCarrier.open`."""
        self._router = router
        self._providers = providers

    @classmethod
    @asynccontextmanager
    async def open(cls, context: WorkerContext) -> AsyncIterator[Self]:
        """Open the carrier of a worker process; it connects with the first message.

        Raises:
            ConfigurationError: the settings would send a password in the clear.
        """
        opened = open_routing(context.database, context.broker, context.settings, slot=context.slot)
        async with opened as (router, providers):
            await patiently(providers.mail_providers)
            yield cls(router, providers)

    async def longest_send_seconds(self) -> float:
        """Return the longest that a provider may have a message without an outcome."""
        return await self._providers.longest_send_seconds()

    async def send(self, stream: Stream, mails: Sequence[Mail], deadline: float, admit: Admit) -> list[Carried]:
        """Send a window of a campaign."""
        try:
            providers = {row.name: provider for row, provider in await self._providers.mail_providers()}
        except ConfigurationError as error:
            wait = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason=str(error), retry_after=_UNUSABLE_SECONDS)
            return [(wait, NOBODY)] * len(mails)
        domain = stream.mail_from.rpartition("@")[2].lower()
        terms = Ask(MessageClass.BULK, domain)
        return await RoutedCarrier(self._router, providers, terms).send(mails, deadline, admit)
