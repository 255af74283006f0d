"""Makes, changes and tests providers. Secrets come in and never go out."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol
from uuid import UUID

import asyncpg
import orjson
from pydantic import BaseModel

from taskflow.audience.channels import Channel
from taskflow.base.envelope import Sealed, Vault
from taskflow.base.errors import ConflictError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.delivery.addresses import is_within
from taskflow.delivery.providers import fields
from taskflow.delivery.providers.contract import Kind, Metered, ProviderUnusableError
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import Opener, bound_to, opened
from taskflow.delivery.providers.posting import NO_PROBE
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader, found, sql

_TEST_SECONDS = 20.0
_BUDGETS = ("per_second", "per_minute", "per_day")
_PRICE = ("price", "prices", "currency")
_STEERING = ("enabled", "opens_as", "priority", "preferences", "classes", "domains", *_BUDGETS, "warm_up")
_TERMS = ("classes", "domains", *_BUDGETS, "warm_up", *_PRICE, "preferences")


class ProviderNameTakenError(ConflictError):
    """Another provider has this name."""

    code = "provider_name_taken"


class LastProviderError(ConflictError):
    """This is the last provider of its channel."""

    code = "last_provider"


class Found(NamedTuple):
    """What a test of the connection found."""

    works: bool
    sentence: str
    budgets: Mapping[str, int] = MappingProxyType({})  # that the account has, as far as it is known


class Routes(Protocol):
    """What the router hears of providers, by name."""

    async def moved(self, name: str, renamed: str | None) -> None:
        """Hear that a provider has another name (None: it was deleted)."""

    async def changed(self, channel: Channel) -> None:
        """Hear that providers of a channel are not what they were: messages that wait may have one now."""

    async def mended(self, name: str, why: str, *, is_other: bool) -> None:
        """Hear that a provider may work again, and why; `is_other`: by other settings."""


class ProviderService:
    """Providers for code that shares the database."""

    def __init__(
        self, database: Database, registry: Registry, vault: Vault, opener: Opener, *, routes: Routes | None = None
    ) -> None:
        """Use what the process has opened; `routes` hears of changes that they have to know of."""
        self._routes = routes
        self._pool = database.pool
        self._registry = registry
        self._vault = vault
        self._opener = opener
        self.reader = ProviderReader(database.pool)

    async def create(self, told: Mapping[str, Any], *, created_by: UUID | None = None) -> ProviderRow:
        """Make a provider; priority and budgets that are not told are its kind's own.

        Raises:
            UnknownKindError, InvalidSettingsError: what was told does not fit.
            ProviderNameTakenError: there is one of this name.
        """
        kind = self._registry.kind(told["kind"])
        secrets = dict(told["secrets"])
        checked = fields.read(kind, told["settings"], secrets)
        settings, own = _kept(kind, checked), kind.budgets_of(checked)
        budgets = {name: told[name] if name in told else own.get(name) for name in _BUDGETS}
        terms = {**dict.fromkeys(_PRICE), "prices": {}, "preferences": [], **told, **budgets}
        _check_terms(kind.channel, terms)
        provider_id = uuid7()
        sealed = self._seal(secrets, provider_id)
        try:
            row = await self._pool.fetchrow(
                sql.insert_provider,
                *(provider_id, told["name"], kind.name, kind.channel, told["enabled"]),
                *(told.get("priority") or kind.priority, told["weight"], settings),
                *(*_columns(sealed), sorted(secrets)),
                *(terms[name] for name in _TERMS),
                created_by,
            )
        except asyncpg.UniqueViolationError as error:
            raise _taken(told["name"]) from error
        if self._routes is not None and told["enabled"]:
            await self._routes.changed(kind.channel)
        return ProviderRow.of(found(row, provider_id))

    async def update(self, provider_id: UUID, changes: Mapping[str, Any]) -> ProviderRow:
        """Change a provider; `settings` and `secrets` are merged, a null in them goes back to the default.

        Raises:
            ProviderNotFoundError: there is none.
            InvalidSettingsError, ProviderNameTakenError: as in `create`.
            SealBrokenError: secrets are changed one by one, and the others cannot be opened.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            row = ProviderRow.of(found(await connection.fetchrow(sql.lock_provider, provider_id), provider_id))
            settings, sealed, names = row.settings, row.sealed, row.secret_names
            if "settings" in changes or "secrets" in changes:
                kind = self._registry.kind(row.kind)
                secrets = _merged(self._opened_for(row, kind, changes), changes.get("secrets") or {})
                merged = _merged(row.settings, changes.get("settings") or {})
                settings = _kept(kind, fields.read(kind, merged, secrets))
                if changes.get("secrets"):
                    sealed, names = self._seal(secrets, provider_id), sorted(secrets)
            steered, terms = (
                [changes.get(name, getattr(row, name)) for name in names_of]
                for names_of in (("name", "enabled", "priority", "weight"), _TERMS)
            )
            _check_terms(row.channel, dict(zip(_TERMS, terms, strict=True)))
            try:
                changed = await connection.fetchrow(
                    sql.update_provider,
                    *(provider_id, *steered, settings, *_columns(sealed), names),
                    *terms,
                )
            except asyncpg.UniqueViolationError as error:
                raise _taken(changes["name"]) from error
            now = ProviderRow.of(found(changed, provider_id))
            if now.name != row.name:
                await connection.execute(sql.forget_state, now.name)  # of one that was deleted long ago
                await connection.execute(sql.carry_state, row.name, now.name)
        if self._routes is not None:
            if now.name != row.name:
                await self._routes.moved(row.name, now.name)
            if now.opens_as != row.opens_as:
                await self._routes.mended(now.name, "Its settings have changed.", is_other=True)
            elif now.enabled and not row.enabled:
                await self._routes.mended(now.name, "It was enabled.", is_other=False)
            if any(getattr(now, name) != getattr(row, name) for name in _STEERING):
                await self._routes.changed(now.channel)
        return now

    async def delete(self, provider_id: UUID, *, last: bool = False) -> str:
        """Delete a provider and return its name, which stays in ledgers; `last`: also the last one of its channel.

        Raises:
            ProviderNotFoundError: there is none.
            LastProviderError: without it what waits would go into the sandbox inbox, and count as sent.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            left = await connection.fetch(sql.lock_channel, provider_id)
            if not last and [row["provider_id"] for row in left] == [provider_id]:
                raise LastProviderError(
                    "Without this provider, the last of its channel, messages that wait go to TASKFLOW_SMTP_* or into"
                    " the sandbox inbox. Disable it to stop them, or say that it is the last (last=true, --last)."
                )
            gone = found(await connection.fetchrow(sql.delete_provider, provider_id), provider_id)
            name = str(gone["name"])
            await connection.execute(sql.forget_state, name)
        if self._routes is not None:
            await self._routes.moved(name, None)
            await self._routes.changed(Channel(gone["channel"]))
        return name

    async def test(self, provider_id: UUID) -> Found:
        """Sign in at a provider, send nothing, and say what was found; it may be disabled.

        One that works again is probed by the next messages.

        Raises:
            ProviderNotFoundError: there is none.
        """
        row = await self.reader.get(provider_id)
        try:
            provider = self._opener.provider(row)
        except ProviderUnusableError as error:
            return Found(False, str(error))
        try:
            async with asyncio.timeout(_TEST_SECONDS):
                sentence = await provider.check()
                quota = await provider.quota() if isinstance(provider, Metered) else {}
        except ProviderUnusableError as error:
            return Found(False, str(error))
        except TimeoutError:
            return Found(False, f"{row.name}: no answer within {_TEST_SECONDS:g} s.")
        finally:
            await provider.close()
        if self._routes is not None and sentence != NO_PROBE:
            await self._routes.mended(row.name, "A test of its connection went well.", is_other=False)
            await self._routes.changed(row.channel)
        return Found(True, sentence, quota)

    def _opened_for(self, row: ProviderRow, kind: Kind, changes: Mapping[str, Any]) -> dict[str, str]:
        """Return the secrets of a row; none when all of them are being given anew, whatever became of the old ones."""
        given = {name for name, value in (changes.get("secrets") or {}).items() if value is not None}
        if given and given >= set(row.secret_names) & fields.secret_names(kind):
            return {}
        return opened(self._vault, row)

    def _seal(self, secrets: Mapping[str, str], provider_id: UUID) -> Sealed | None:
        return self._vault.seal(orjson.dumps(secrets), bound_to(provider_id)) if secrets else None


def _kept(kind: Kind, checked: BaseModel) -> dict[str, Any]:
    """Return the plain fields as they are kept: in the form that their kind gives them, without defaults."""
    return checked.model_dump(mode="json", exclude=set(fields.secret_names(kind)), exclude_unset=True)


def _check_terms(channel: Channel, terms: Mapping[str, Any]) -> None:
    """Refuse what would never hold: a price in no currency, a preference for messages that it does not carry."""
    price, prices, currency = (terms[name] for name in _PRICE)
    if (price is None and not prices) != (currency is None):
        raise fields.InvalidSettingsError("A price has a currency, and a currency a price.", field="price")
    if prices and channel is not Channel.SMS:
        raise fields.InvalidSettingsError("Prices by number are of texts; a mail has one price.", field="prices")
    classes, domains = terms["classes"], terms["domains"]
    for one in terms["preferences"]:
        message_class, domain = one.get("message_class"), one.get("domain")
        if domain and channel is Channel.SMS:
            raise fields.InvalidSettingsError("Texts are from no domain: prefer by class alone.", field="preferences")
        if classes and message_class not in (None, *classes):
            told = f"It carries no {message_class} messages, so it needs no preference for them."
            raise fields.InvalidSettingsError(told, field="preferences")
        if domains and domain and not any(is_within(domain, parent) for parent in domains):
            told = f"It does not send from {domain}, so it needs no preference for that domain."
            raise fields.InvalidSettingsError(told, field="preferences")


def _merged(old: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**old, **changes}.items() if value is not None}


def _columns(sealed: Sealed | None) -> tuple[bytes | None, str | None]:
    return (sealed.data, sealed.key_id) if sealed is not None else (None, None)


def _taken(name: str) -> ProviderNameTakenError:
    return ProviderNameTakenError(f"There is a provider called '{name}' already.")
