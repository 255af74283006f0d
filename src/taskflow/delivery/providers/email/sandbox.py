"""The sandbox inbox as a provider: it keeps what it gets and shows it, and sends nothing on."""

from taskflow.audience.channels import Channel
from taskflow.delivery.providers.contract import Kind, ProviderUnusableError, Sighting, Sought, Surroundings
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider
from taskflow.delivery.providers.fields import Fields
from taskflow.delivery.smtp import SmtpPool
from taskflow.settings.smtp import SmtpSettings


class SandboxFields(Fields):
    """Nothing to set: the inbox is where `TASKFLOW_SANDBOX_*` says."""


class InboxMailProvider(SmtpMailProvider):
    """Hands mails to the inbox over SMTP, and can look into it."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Connect to nothing yet."""
        host, port = surroundings.sandbox
        super().__init__(SmtpPool(SmtpSettings().or_sandbox(host, port)), f"the sandbox inbox at {host}:{port}")
        self._look = surroundings.inbox

    async def find(self, sought: Sought) -> Sighting | None:
        """Look for a mail by its Message-ID and its recipient.

        Raises:
            ProviderUnusableError: the inbox cannot be read here, or keeps nothing that old any more.
        """
        if self._look is None:
            raise ProviderUnusableError("The inbox cannot be read here.")
        return await self._look(sought)


def open_inbox(_fields: SandboxFields, surroundings: Surroundings) -> InboxMailProvider:
    """Return the provider for the inbox."""
    return InboxMailProvider(surroundings)


SANDBOX = Kind(
    name="sandbox",
    title="Sandbox inbox",
    channel=Channel.EMAIL,
    settings=SandboxFields,
    open=open_inbox,
    priority=100,
    is_sandbox=True,
)
