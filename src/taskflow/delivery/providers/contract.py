"""What a provider is to whoever sends: it takes a window of messages and says what became of each.

A kind of provider is two small files: its settings with the request it makes, and how its answers read in the shared
vocabulary (`delivery.outcome`). It never retries, never counts and never chooses: that is the router's, and the
ledger's, so that all providers behave alike. A provider proves what it says: `deferred` and `provider_fault` only when
nothing can have been taken, otherwise `uncertain`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

from pydantic import BaseModel

from taskflow.audience.channels import Channel
from taskflow.base.errors import UnavailableError
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sms.hooks import Told


class ProviderUnusableError(UnavailableError):
    """The provider cannot be used as it is configured, or not now."""

    code = "provider_unusable"


class MessageClass(StrEnum):
    """Whom a message is for: one person who waits for it, or many who do not."""

    TRANSACTIONAL = "transactional"
    BULK = "bulk"


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
    template: Mapping[str, str] = field(default_factory=dict)  # what DLT wants to know of the text: `dlt.Facts`
    requires_dlt: bool = False  # an Indian text that only goes out under its template: never over a kind without DLT


@dataclass(frozen=True, slots=True)
class Sought:
    """A message that its provider perhaps has."""

    message_id: UUID  # ours; kinds that can be asked have sent it along
    header: str  # its Message-ID, with angle brackets; empty: it has none
    rcpt_to: str
    since: datetime  # when it was called SENDING


@dataclass(frozen=True, slots=True)
class Sighting:
    """The provider has taken the message, and calls it so."""

    provider_id: str | None


@runtime_checkable
class Searchable(Protocol):
    """What a provider may have besides: it can be asked whether it has taken a message."""

    async def find(self, sought: Sought) -> Sighting | None:
        """Return what it has; None only when it has read everything that could be the message, and it is not there.

        Raises:
            ProviderUnusableError: it did not answer, or not so that this is known.
        """


@runtime_checkable
class Metered(Protocol):
    """What a provider may have besides: it knows how much its account may send."""

    async def quota(self) -> Mapping[str, int]:
        """Return what it knows of per_second, per_minute and per_day.

        Raises:
            ProviderUnusableError: it did not answer, or not so that this is known.
        """


class MailProvider(Protocol):
    """Carries mail."""

    @property
    def longest_send_seconds(self) -> float:
        """Return the longest time from a message's first byte to its outcome."""

    async def send(self, mails: Sequence[Mail], deadline: float) -> list[Outcome]:
        """Hand over at most ten mails, and return one outcome for each, in order; nothing is raised for a message.

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

    @property
    def longest_send_seconds(self) -> float:
        """Return the longest time from a text's first byte to its outcome."""

    async def send(self, texts: Sequence[Sms], deadline: float) -> list[Outcome]:
        """Hand over at most ten texts, and return one outcome for each, in order."""

    async def check(self) -> str:
        """Sign in, send nothing, and say in one sentence what was found."""

    async def close(self) -> None:
        """Let go of connections."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process lends to its providers."""

    http: HttpClient  # the only way out over HTTP: guarded, bounded in time and size
    sandbox: tuple[str, int]  # host and port of the sandbox inbox
    inbox: Callable[[Sought], Awaitable[Sighting | None]] | None = None  # looks into it, where there is a database
    sms_hooks: str | None = None  # where providers of texts post what they tell, when they reach us over https


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
    # Those that depend on its fields: takes an instance of `settings`, returns what differs from `defaults`.
    own_defaults: Callable[[Any], Mapping[str, int]] | None = None
    supports_dlt: bool = False  # hands the ids of a DLT template to Indian operators
    dlt_only: bool = False  # carries no text without one
    # Reads what a provider of texts posts to its address (`taskflow sms hooks`): an instance of `settings`, the body.
    read_hook: Callable[[Any, bytes], list[Told]] | None = None
    is_sandbox: bool = False  # keeps messages for people to look at, and sends nothing on

    def budgets_of(self, fields: BaseModel) -> dict[str, int]:
        """Return the budgets of a new provider with these fields."""
        return {**self.defaults, **(self.own_defaults(fields) if self.own_defaults is not None else {})}

    def may_carry(self, message: Mail | Sms) -> bool:
        """Tell whether a provider of this kind may be asked to carry a message at all, first or after another."""
        if isinstance(message, Mail):
            return self.channel is Channel.EMAIL
        return self.channel is Channel.SMS and self.may_carry_texts(requires_dlt=message.requires_dlt)

    def may_carry_texts(self, *, requires_dlt: bool) -> bool:
        """Tell the same of texts that go out under a DLT template, or of all others."""
        return self.supports_dlt if requires_dlt else not self.dlt_only
