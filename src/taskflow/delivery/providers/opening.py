"""From a row to a provider that sends: secrets are opened, fields checked, and its kind makes the object.

One place for it, because senders, the API's "test connection" and tests all need the same; and the fallbacks for an
installation without rows, which sends mail as `TASKFLOW_SMTP_*` says, and texts to the sandbox inbox.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import orjson
from pydantic import BaseModel

from taskflow.audience.channels import Channel
from taskflow.base.envelope import SealBrokenError, Vault
from taskflow.base.errors import InvalidInputError
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.providers import fields
from taskflow.delivery.providers.contract import (
    Kind,
    MailProvider,
    ProviderUnusableError,
    Sighting,
    SmsProvider,
    Sought,
    Surroundings,
)
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider, replied
from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.sms import sandbox
from taskflow.delivery.providers.sms.hooks import PATH
from taskflow.delivery.smtp import SmtpPool
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings

FALLBACK_ID = UUID(int=0)
SMS_FALLBACK = "sms-sandbox"
"""The name of the provider of texts of an installation that has none."""
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


class Opener:
    """Opens providers of rows."""

    def __init__(self, registry: Registry, vault: Vault, surroundings: Surroundings) -> None:
        """Use the kinds, the keys and the client of a process."""
        self._registry = registry
        self._vault = vault
        self._surroundings = surroundings

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        settings: Settings,
        registry: Registry,
        inbox: Callable[[Sought], Awaitable[Sighting | None]] | None = None,
    ) -> AsyncIterator["Opener"]:
        """Make an opener with an HTTP client of its own, which is closed at the end; `inbox` looks into the sandbox's.

        Raises:
            ConfigurationError: there is no secret key.
        """
        client = HttpClient(
            AddressGuard(settings.provider.allow_networks, setting="TASKFLOW_PROVIDER_ALLOW_NETWORKS"),
            seconds=settings.provider.timeout,
            connections=settings.provider.connections,
        )
        try:
            sandbox = settings.sandbox.host, settings.sandbox.port
            url = settings.http.base_url
            hooks = url + PATH if url.startswith("https://") else None
            yield cls(registry, vault(settings), Surroundings(client, sandbox, inbox, hooks))
        finally:
            await client.close()

    def secrets(self, row: ProviderRow) -> dict[str, str]:
        """Return the secrets of a row.

        Raises:
            SealBrokenError: they cannot be opened here.
        """
        return opened(self._vault, row)

    def provider(self, row: ProviderRow) -> MailProvider | SmsProvider:
        """Return the provider of a row; it connects to nothing yet.

        Raises:
            ProviderUnusableError: its kind is not here, its secrets do not open, or its settings no longer fit.
        """
        kind, told = self.settings_of(row)
        try:
            made = kind.open(told, self._surroundings)
            lacks = lacking(made, kind.channel)
        except Exception as error:  # noqa: BLE001 - a plugin's code; its words may hold a secret, so only the type is told
            reason = f"{row.name}: its kind cannot open it: {type(error).__name__}."
            raise ProviderUnusableError(reason) from None
        if lacks:
            raise ProviderUnusableError(f"{row.name}: what its kind opens lacks {', '.join(lacks)}.")
        return made

    def settings_of(self, row: ProviderRow) -> tuple[Kind, BaseModel]:
        """Return the kind of a row, and its fields with the secrets.

        Raises:
            ProviderUnusableError: as in `provider`.
        """
        try:
            kind = self._registry.kind(row.kind)
            return kind, fields.read(kind, row.settings, self.secrets(row))
        except (InvalidInputError, SealBrokenError) as error:
            raise ProviderUnusableError(f"{row.name}: {error}") from error

    def why_not(self, row: ProviderRow) -> str | None:
        """Return why a provider cannot be opened here: as `provider` would say it, without opening it; None: it can."""
        try:
            self.settings_of(row)
        except ProviderUnusableError as error:
            return str(error)
        return None


def lacking(provider: object, channel: Channel) -> list[str]:
    """Return what a provider has to have for its channel and has not."""
    contract = MailProvider if channel is Channel.EMAIL else SmsProvider
    return [name for name in vars(contract) if not name.startswith("_") and not hasattr(provider, name)]


def bound_to(provider_id: UUID) -> str:
    """Return the name that a provider's seal is bound to."""
    return f"provider {provider_id}"


def opened(keys: Vault, row: ProviderRow) -> dict[str, str]:
    """Return the secrets of a row, opened with these keys; raises SealBrokenError."""
    if row.sealed is None:
        return {}
    found: dict[str, str] = orjson.loads(keys.open(row.sealed, bound_to(row.provider_id)))
    return found


def fallback(settings: Settings) -> tuple[ProviderRow, MailProvider]:
    """Return the server of `TASKFLOW_SMTP_*`, or the sandbox inbox, as if it were a row.

    Raises:
        ConfigurationError: the settings would send a password in the clear.
    """
    smtp = settings.smtp.or_sandbox(settings.sandbox.host, settings.sandbox.port)
    row = _standing_in(smtp_name(settings), "sandbox" if settings.smtp.host is None else "smtp", Channel.EMAIL)
    return row, SmtpMailProvider(SmtpPool(smtp, on_reply=replied), f"{smtp.host}:{smtp.port}")


def sms_fallback(settings: Settings) -> tuple[ProviderRow, SmsProvider]:
    """Return the sandbox inbox for texts, as if it were a row."""
    provider = sandbox.SmsSandbox(settings.sandbox.host, settings.sandbox.port)
    return _standing_in(SMS_FALLBACK, sandbox.KIND.name, Channel.SMS), provider


def _standing_in(name: str, kind: str, channel: Channel) -> ProviderRow:
    return ProviderRow(
        provider_id=FALLBACK_ID,
        name=name,
        kind=kind,
        channel=channel,
        enabled=True,
        priority=1,
        weight=1,
        preferences=(),
        settings={},
        sealed=None,
        secret_names=(),
        classes=(),
        domains=(),
        per_second=None,
        per_minute=None,
        per_day=None,
        warm_up=(),
        price=None,
        prices={},
        currency=None,
        created_at=_BEGINNING,
        updated_at=_BEGINNING,
        created_by=None,
    )
