"""The sandbox inbox as a provider: it keeps what it gets and shows it, and sends nothing on."""

from collections.abc import Sequence

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Kind, Mail, ProviderUnusableError, Sighting, Sought, Surroundings
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider
from taskflow.delivery.providers.sandbox_faults import Faults, SandboxFields
from taskflow.delivery.smtp import SmtpPool
from taskflow.settings.smtp import SmtpSettings


class InboxMailProvider(SmtpMailProvider):
    """Hands mails to the inbox over SMTP, and can look into it."""

    def __init__(self, surroundings: Surroundings, faults: Faults) -> None:
        """Connect to nothing yet."""
        host, port = surroundings.sandbox
        super().__init__(SmtpPool(SmtpSettings().or_sandbox(host, port)), f"the sandbox inbox at {host}:{port}")
        self._look = surroundings.inbox
        self._faults = faults

    @property
    def longest_send_seconds(self) -> float:
        """Return what its mail server may take, or what it is to take."""
        return super().longest_send_seconds + self._faults.seconds

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand mails over, unless they are to fail."""
        return await self._faults.meet(mails, deadline, super().send)

    async def check(self) -> str:
        """Connect, and say whether it fails on purpose.

        Raises:
            ProviderUnusableError: it does not answer, or is to refuse.
        """
        return await super().check() + self._faults.check()

    async def find(self, sought: Sought) -> Sighting | None:
        """Look for a mail by its Message-ID and its recipient.

        Raises:
            ProviderUnusableError: the inbox cannot be read here, or keeps nothing that old any more.
        """
        if self._look is None:
            raise ProviderUnusableError("The inbox cannot be read here.")
        return await self._look(sought)


def open_inbox(fields: SandboxFields, surroundings: Surroundings) -> InboxMailProvider:
    """Return the provider for the inbox."""
    return InboxMailProvider(surroundings, Faults(fields))


SANDBOX = Kind(
    name="sandbox",
    title="Sandbox inbox",
    channel=Channel.EMAIL,
    settings=SandboxFields,
    open=open_inbox,
    priority=100,
    is_sandbox=True,
)
