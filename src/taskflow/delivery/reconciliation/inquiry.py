"""Asks providers whether they have taken a message.

A provider is asked by the name that the ledger has kept, whether it is enabled or not: it may have been switched off
because messages became uncertain.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from taskflow.base.errors import ConfigurationError
from taskflow.base.logging import get_logger
from taskflow.db.pool import Database
from taskflow.delivery.providers.contract import (
    MailProvider,
    ProviderUnusableError,
    Searchable,
    SmsProvider,
    Sought,
)
from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import Opener, fallback
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.reconciliation.rules import Finding
from taskflow.delivery.sandbox.repository import InboxRepository
from taskflow.settings import Settings

log = get_logger(__name__)

_SECONDS = 20.0  # for one answer

Open = MailProvider | SmsProvider


class Inquiry:
    """Providers that are asked."""

    def __init__(self, settings: Settings, opener: Opener, rows: dict[str, ProviderRow]) -> None:
        """Use `Inquiry.open`."""
        self._settings = settings
        self._opener = opener
        self._rows = rows
        self._open: dict[str, Open] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, database: Database, settings: Settings) -> AsyncIterator["Inquiry"]:
        """Read which providers there are, and close at the end those that were asked.

        Raises:
            ConfigurationError: there is no secret key.
        """
        rows = {row.name: row for row in await ProviderReader(database.pool).all()}
        inbox = InboxRepository(database.pool).find
        async with Opener.open(settings, Registry.installed(), inbox) as opener:
            inquiry = cls(settings, opener, rows)
            try:
                yield inquiry
            finally:
                await asyncio.gather(*(provider.close() for provider in inquiry._open.values()))

    async def ask(self, name: str | None, sought: Sought) -> Finding:
        """Ask a provider for a message; nothing is raised."""
        try:
            provider = self._provider(name)
        except (ProviderUnusableError, ConfigurationError) as error:
            return Finding(f"{name} cannot be asked now: {error}")
        if provider is None:
            return Finding(f"There is no provider {name} any more that could be asked.", may_ask=False)
        if not isinstance(provider, Searchable):
            return Finding(f"{name} cannot be asked which messages it has.", may_ask=False)
        try:
            async with asyncio.timeout(_SECONDS):
                sighting = await provider.find(sought)
        except ProviderUnusableError as error:
            return Finding(f"{name} was asked, and did not say: {error}")
        except TimeoutError:
            return Finding(f"{name} was asked, and did not answer within {_SECONDS:g} s.")
        except Exception as error:  # a plugin's, for one message of many
            log.exception("provider_not_asked", provider=name)
            return Finding(f"{name} was asked, and did not say: {type(error).__name__}.")
        if sighting is None:
            return Finding(f"{name} has no such message.", is_known=True)
        return Finding(f"{name} has the message.", sighting, is_known=True)

    def _provider(self, name: str | None) -> Open | None:
        """Return a provider; raises ProviderUnusableError, ConfigurationError."""
        row = self._rows.get(name or "")
        if row is None and name == smtp_name(self._settings):
            row, plain = fallback(self._settings)
            if row.kind != "sandbox":
                return plain
        if row is None:
            return None
        if row.name not in self._open:
            self._open[row.name] = self._opener.provider(row)
        return self._open[row.name]
