"""What a provider is to whoever sends: it takes a window of messages and says what became of each.

A kind of provider is two small files: its settings with the request it makes, and how its answers read in the shared
vocabulary (`delivery.outcome`). It never retries, never counts and never chooses: that is the router's, and the
ledger's, so that all providers behave alike. A provider proves what it says: `deferred` and `provider_fault` only when
nothing can have been taken, otherwise `uncertain`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from pydantic import BaseModel

from taskflow.base.errors import UnavailableError
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.http import HttpClient


class ProviderUnusableError(UnavailableError):
    """The provider cannot be used as it is configured, or not now."""

    code = "provider_unusable"


class Channel(StrEnum):
    """What is sent."""

    EMAIL = "email"
    SMS = "sms"


@dataclass(frozen=True, slots=True)
class Mail:
    """One finished mail to one recipient."""

    message_id: UUID
    mail_from: str  # an address, or `addresses.NULL_PATH`
    rcpt_to: str
    body: bytes  # headers, an empty line, the content


@dataclass(frozen=True, slots=True)
class Sms:
    """One finished SMS to one recipient."""

    message_id: UUID
    sender: str | None
    rcpt_to: str  # E.164
    text: str
    promotional: bool = False
    template: Mapping[str, str] = field(default_factory=dict)  # what DLT wants to know of the text: `sms.dlt.Facts`
    requires_dlt: bool = False  # an Indian text that only goes out under its template: never over a kind without DLT


class MailProvider(Protocol):
    """Carries mail."""

    @property
    def longest_send_seconds(self) -> float:
        """Return the longest time from a message's first byte to its outcome."""

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand over at most ten mails, in order, and return one outcome for each; nothing is raised for a message.

        `deadline`: on `time.monotonic()`, looked at before each mail; one whose turn comes later is `not_started`.
        """

    async def check(self) -> str:
        """Sign in, send nothing, and say in one sentence what was found ("Test connection").

        Raises:
            ProviderUnusableError: it cannot be used as it is configured, or now.
        """

    async def close(self) -> None:
        """Let go of connections."""


class SmsProvider(Protocol):
    """Carries SMS; as `MailProvider`."""

    async def send(self, texts: Sequence[Sms], deadline: float) -> list[Outcome]:
        """Hand over at most ten texts, in order, and return one outcome for each."""

    async def check(self) -> str:
        """Sign in, send nothing, and say in one sentence what was found."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process lends to its providers."""

    http: HttpClient  # the only way out over HTTP: guarded, bounded in time and size
    sandbox: tuple[str, int]  # host and port of the sandbox inbox


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of provider, as the registry and plugins (entry point group `taskflow.providers`) know it."""

    name: str  # "ses"
    title: str  # "Amazon SES"
    channel: Channel
    settings: type[BaseModel]  # its fields; those that are `SecretStr` are kept encrypted and never shown again
    # Takes an instance of `settings`, and connects to nothing yet.
    open: Callable[[Any, Surroundings], MailProvider | SmsProvider]
    priority: int = 1  # of a new provider of this kind; the smallest is asked first
    defaults: Mapping[str, int] = field(default_factory=dict)  # budgets of a new one: per_second, per_minute, per_day
    supports_dlt: bool = False  # hands the ids of a DLT template to Indian operators

    def may_carry(self, message: Mail | Sms) -> bool:
        """Tell whether a provider of this kind may be asked to carry a message at all, first or after another."""
        if isinstance(message, Mail):
            return self.channel is Channel.EMAIL
        return self.channel is Channel.SMS and (self.supports_dlt or not message.requires_dlt)
