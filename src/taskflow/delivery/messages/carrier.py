"""Who carries messages: whatever takes a window of them and says what became of each.

Messages have connections of their own, so that no campaign's window stands before them.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.providers.email.smtp import SmtpProvider, open_smtp
from taskflow.delivery.smtp import Envelope
from taskflow.settings import Settings


class Carrier(Protocol):
    """Carries mail."""

    @property
    def name(self) -> str:
        """What the ledger keeps of who carried a message, at most 50 characters."""

    @property
    def longest_send_seconds(self) -> float:
        """Return the longest time from a window's first byte to its last outcome."""

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand over at most ten mails, in order, and return one outcome for each; nothing is raised for a message.

        `deadline`: on `time.monotonic()`; a mail whose turn comes later is `not_started`.
        """


class SmtpCarrier:
    """The mail server of the settings, or the sandbox inbox."""

    def __init__(self, provider: SmtpProvider) -> None:
        """Use an open pool."""
        self.name = provider.name
        self._pool = provider.pool

    @property
    def longest_send_seconds(self) -> float:
        """Return what the timeouts allow."""
        return self._pool.longest_send_seconds

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand over a window over one connection."""
        async with self._pool.session() as session:
            return await session.send_window(
                [Envelope(mail.mail_from, mail.rcpt_to, mail.body) for mail in mails], deadline
            )


@asynccontextmanager
async def open_carrier(settings: Settings, *, on_reply: Callable[..., None] | None = None) -> AsyncIterator[Carrier]:
    """Open the carrier of a process; `on_reply` is called after each reply to a final dot, for failpoints."""
    async with open_smtp(settings, on_reply=on_reply) as provider:
        yield SmtpCarrier(provider)
