"""What is posted to the address of one provider, read as its kind and its settings say."""

from collections.abc import Sequence
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.base.logging import get_logger
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderNotFoundError, ProviderReader
from taskflow.delivery.providers.sms.hooks import Told
from taskflow.delivery.sms.inbound.hooks import HookRefusedError

log = get_logger(__name__)


class ProviderHooks:
    """Providers with addresses of their own."""

    def __init__(self, reader: ProviderReader, registry: Registry, opener: Opener) -> None:
        """Take the rows, the kinds, and what opens secrets."""
        self._reader = reader
        self._registry = registry
        self._opener = opener

    async def all(self) -> Sequence[ProviderRow]:
        """Return the providers that have an address."""
        readers = {kind.name for kind in self._registry.kinds if kind.read_hook is not None}
        return [row for row in await self._reader.all(Channel.SMS) if row.kind in readers]

    async def read(self, provider_id: UUID, body: bytes) -> tuple[str, str, list[Told]]:
        """Return a provider's kind and name, and what a call to its address tells.

        Raises:
            HookRefusedError: it is not there any more.
            ProviderUnusableError: its kind cannot read now; it may call again.
        """
        try:
            row = await self._reader.get(provider_id)
        except ProviderNotFoundError as error:
            raise HookRefusedError from error
        kind, settings = self._opener.settings_of(row)
        if kind.read_hook is None:
            raise HookRefusedError
        try:
            return kind.name, row.name, kind.read_hook(settings, body)
        except Exception as error:  # noqa: BLE001 - a plugin's code; its words may hold a secret, so only the type is told
            log.error("hook_not_read", provider=row.name, error=type(error).__name__)  # noqa: TRY400 - likewise
            raise ProviderUnusableError(f"{row.name}: its kind cannot read this: {type(error).__name__}.") from None
