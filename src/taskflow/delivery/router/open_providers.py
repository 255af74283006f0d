"""The providers that one sender of a worker process has open, by way of the router that all its senders share.

Campaigns, single messages and mails of double opt-ins each have their own, and with them their own connections: no
window of a campaign stands before somebody's password.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from taskflow.audience.channels import Channel
from taskflow.base.errors import ConfigurationError
from taskflow.db.outages import patiently
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Mail, Sms
from taskflow.delivery.router.carrier import NOBODY, Admit, Carried, RoutedCarrier, Sends
from taskflow.delivery.router.configured import open_router
from taskflow.delivery.router.models import Ask
from taskflow.delivery.router.service import Router
from taskflow.engine.context import WorkerContext

_UNUSABLE_SECONDS = 5.0


class OpenProviders:
    """The enabled providers of each channel; where there is none, the server of the settings and the sandbox."""

    def __init__(self, router: Router, providers: ProviderCatalogue) -> None:
        """Take the router of the process, and providers with connections of their own."""
        self._router = router
        self._providers = providers

    @classmethod
    @asynccontextmanager
    async def open(cls, context: WorkerContext) -> AsyncIterator[Self]:
        """Open them for one sender of a worker process; each connects with its first message."""
        router = await context.resource(open_router)
        async with ProviderCatalogue.open(context.database, context.settings) as providers:
            opened = cls(router, providers)
            await patiently(opened.longest_send_seconds)  # from now on they are known, also while PostgreSQL is away
            yield opened

    async def longest_send_seconds(self, channel: Channel = Channel.EMAIL) -> float:
        """Return the longest that one of a channel may have a message without an outcome; 0 when none can be used."""
        try:
            return await self._providers.longest_send_seconds(channel)
        except ConfigurationError:
            return 0.0

    async def send(self, terms: Ask, messages: Sequence[Mail | Sms], deadline: float, admit: Admit) -> list[Carried]:
        """Send a window of messages of one channel and of the same terms; nothing is raised for a message.

        While the settings allow no provider at all, everything waits, and is told why.
        """
        try:
            providers = await self._open(terms, is_mail=isinstance(messages[0], Mail))
        except ConfigurationError as error:
            wait = Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason=str(error), retry_after=_UNUSABLE_SECONDS)
            return [(wait, NOBODY)] * len(messages)
        return await RoutedCarrier(self._router, providers, terms).send(messages, deadline, admit)

    async def _open(self, terms: Ask, *, is_mail: bool) -> Mapping[str, Sends[Any]]:
        if is_mail:
            return {row.name: provider for row, provider in await self._providers.mail_providers()}
        texts = await self._providers.sms_providers(requires_dlt=terms.requires_dlt)
        return {row.name: provider for row, provider in texts}
