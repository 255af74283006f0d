"""SMTP as a provider: the server of `TASKFLOW_SMTP_*`, or the sandbox inbox when none is named."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from taskflow.delivery.smtp import SmtpPool
from taskflow.delivery.smtp.transaction import OnReply
from taskflow.settings import Settings


@dataclass(frozen=True, slots=True)
class SmtpProvider:
    """A pool of connections, and the name that ledger rows keep of it."""

    name: str
    pool: SmtpPool


def smtp_name(settings: Settings) -> str:
    """Return the name of that server as a provider."""
    return "sandbox" if settings.smtp.host is None else f"smtp:{settings.smtp.host}"[:50]


@asynccontextmanager
async def open_smtp(settings: Settings, *, on_reply: OnReply | None = None) -> AsyncIterator[SmtpProvider]:
    """Make the pool (it connects with the first message) and close it at the end.

    Raises:
        ConfigurationError: the settings would send a password in the clear.
    """
    smtp = settings.smtp.or_sandbox(settings.sandbox.host, settings.sandbox.port)
    pool = SmtpPool(smtp, on_reply=on_reply)
    try:
        yield SmtpProvider(smtp_name(settings), pool)
    finally:
        await pool.close()
