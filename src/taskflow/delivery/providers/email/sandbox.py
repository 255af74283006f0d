"""The sandbox inbox as a provider: it keeps what it gets and shows it, and sends nothing on."""

from taskflow.delivery.providers.contract import Channel, Kind, Surroundings
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider
from taskflow.delivery.providers.fields import Fields
from taskflow.delivery.smtp import SmtpPool
from taskflow.settings.smtp import SmtpSettings


class SandboxFields(Fields):
    """Nothing to set: the inbox is where `TASKFLOW_SANDBOX_*` says."""


def open_inbox(_fields: SandboxFields, surroundings: Surroundings) -> SmtpMailProvider:
    """Return the provider for the inbox."""
    host, port = surroundings.sandbox
    return SmtpMailProvider(SmtpPool(SmtpSettings().or_sandbox(host, port)), f"the sandbox inbox at {host}:{port}")


SANDBOX = Kind(
    name="sandbox",
    title="Sandbox inbox",
    channel=Channel.EMAIL,
    settings=SandboxFields,
    open=open_inbox,
    priority=100,
    is_sandbox=True,
)
