"""The providers that a process may send through, open and up to date.

PostgreSQL is asked at most once a second, when somebody asks for providers: a change is seen by every sender with its
next window. A provider stays open while nothing that it depends on changes; a replaced one is closed, and whoever still
holds it ends its window in peace. One that cannot be opened is told once and left out; while PostgreSQL is away, what
was known holds.

Without any row for mail, `TASKFLOW_SMTP_*` or the sandbox inbox stand in, without any for texts the sandbox does: a new
installation sends at once.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, cast
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.delivery.providers.contract import MailProvider, ProviderUnusableError, SmsProvider
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import Opener, fallback, sms_fallback
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.settings import Settings

log = get_logger(__name__)

REFRESH_SECONDS = 1.0

Carrying = tuple[ProviderRow, MailProvider | SmsProvider]
_STAND_IN: dict[Channel, Callable[[Settings], Carrying]] = {Channel.EMAIL: fallback, Channel.SMS: sms_fallback}


class _Open(NamedTuple):
    depends_on: tuple[Any, ...]
    provider: MailProvider | SmsProvider | None  # None: it cannot be opened


class ProviderCatalogue:
    """Enabled providers, in the order in which they are asked."""

    def __init__(self, database: Database, settings: Settings, opener: Opener, registry: Registry) -> None:
        """Know nothing yet."""
        self._reader = ProviderReader(database.pool)
        self._settings = settings
        self._opener = opener
        self._registry = registry
        self._rows: list[ProviderRow] = []
        self._open: dict[UUID, _Open] = {}
        self._standing_in: dict[Channel, Carrying] = {}
        self._refreshing = asyncio.Lock()
        self._refreshed_at: float | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def open(
        cls, database: Database, settings: Settings, registry: Registry | None = None
    ) -> AsyncIterator["ProviderCatalogue"]:
        """Make the catalogue of a process, and close all its providers at the end.

        Raises:
            ConfigurationError: there is no secret key.
        """
        registry = registry or Registry.installed()
        async with Opener.open(settings, registry) as opener:
            catalogue = cls(database, settings, opener, registry)
            try:
                yield catalogue
            finally:
                await catalogue.close()

    async def mail_providers(self) -> Sequence[tuple[ProviderRow, MailProvider]]:
        """Return who carries mail now; nobody when all are disabled.

        Raises:
            ConfigurationError: there is no row, and `TASKFLOW_SMTP_*` cannot be used.
        """
        return cast("Sequence[tuple[ProviderRow, MailProvider]]", await self._now(Channel.EMAIL))

    async def longest_send_seconds(self, channel: Channel = Channel.EMAIL) -> float:
        """Return the longest that one of a channel may have a message without an outcome."""
        return max((provider.longest_send_seconds for _, provider in await self._now(channel)), default=0.0)

    async def sms_providers(self, *, requires_dlt: bool = False) -> Sequence[tuple[ProviderRow, SmsProvider]]:
        """Return who carries texts now: those that go out under a DLT template, or all others."""
        return [
            (row, cast("SmsProvider", provider))
            for row, provider in await self._now(Channel.SMS)
            if self._registry.kind(row.kind).may_carry_texts(requires_dlt=requires_dlt)
        ]

    async def close(self) -> None:
        """Close all providers."""
        for known in self._open.values():
            self._let_go(known.provider)
        for _, provider in self._standing_in.values():
            self._let_go(provider)
        self._open, self._standing_in, self._rows = {}, {}, []
        await asyncio.gather(*self._closing)

    async def _now(self, channel: Channel) -> Sequence[Carrying]:
        """Return who carries messages of a channel now, or who stands in where there is no row for it."""
        await self._refresh()
        if not any(row.channel is channel for row in self._rows):
            if channel not in self._standing_in:
                self._standing_in[channel] = _STAND_IN[channel](self._settings)
            return [self._standing_in[channel]]
        found: list[Carrying] = []
        for row in self._rows:
            provider = self._open[row.provider_id].provider if row.provider_id in self._open else None
            if row.channel is channel and provider is not None:
                found.append((row, provider))
        return found

    async def _refresh(self) -> None:
        async with self._refreshing:
            now = time.monotonic()
            if self._refreshed_at is not None and now - self._refreshed_at < REFRESH_SECONDS:
                return
            try:
                self._take(await self._reader.all())
            except DATABASE_AWAY as error:
                if self._refreshed_at is None:
                    raise
                log.warning("providers_not_refreshed", error=f"{type(error).__name__}: {error}")
            self._refreshed_at = now

    def _take(self, rows: list[ProviderRow]) -> None:
        """Open what is new or changed, and let go of what is no longer wanted."""
        wanted = {row.provider_id: row for row in rows if row.enabled}
        for provider_id, row in wanted.items():
            known = self._open.get(provider_id)
            if known is not None and known.depends_on == row.opens_as:
                continue
            if known is not None:
                self._let_go(known.provider)
            self._open[provider_id] = _Open(row.opens_as, self._opened(row))
        for provider_id in self._open.keys() - wanted.keys():
            self._let_go(self._open.pop(provider_id).provider)
        for channel in self._standing_in.keys() & {row.channel for row in rows}:
            self._let_go(self._standing_in.pop(channel)[1])
        self._rows = rows

    def _opened(self, row: ProviderRow) -> MailProvider | SmsProvider | None:
        try:
            return self._opener.provider(row)
        except ProviderUnusableError as error:
            log.error("provider_unusable", provider=row.name, reason=str(error))  # noqa: TRY400 - the sentence is all
            return None

    def _let_go(self, provider: MailProvider | SmsProvider | None) -> None:
        if provider is not None:
            task = asyncio.get_running_loop().create_task(provider.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
