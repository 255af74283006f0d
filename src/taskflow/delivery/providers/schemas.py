"""What crosses HTTP about providers."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, SecretStr, StrictBool, StringConstraints, model_validator

from taskflow.audience.channels import Channel
from taskflow.base.bodies import Body
from taskflow.delivery import addresses
from taskflow.delivery.providers.contract import Kind, MessageClass
from taskflow.delivery.providers.fields import described
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.registry import BrokenPlugin
from taskflow.settings.sms import Prefix

_MOST = 2**31 - 1


def _domain(value: str) -> str:
    try:
        return addresses.parse(f"x@{value}").domain.lower()
    except addresses.UnsafeAddressError as error:
        raise ValueError("this is no domain") from error


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,49}$")]
KindName = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\x00]*$")]
Classes = Annotated[list[MessageClass], Field(max_length=2, description="What it carries; empty: all.")]
Domain = Annotated[str, StringConstraints(min_length=1, max_length=253), AfterValidator(_domain)]
Domains = Annotated[
    list[Domain],
    Field(max_length=1000, fail_fast=True, description="It sends from, and from their subdomains; empty: all."),
]
Priority = Annotated[int, Field(strict=True, ge=1, le=100, description="The smallest is asked first.")]
Weight = Annotated[int, Field(strict=True, ge=1, le=1000, description="Share among those of one priority.")]
Budget = Annotated[int, Field(strict=True, ge=1, le=_MOST)]
Price = Annotated[
    float,
    Field(strict=True, ge=0, lt=1_000_000, allow_inf_nan=False, description="Of a mail, or of each part of a text."),
]
Prices = Annotated[
    dict[Prefix, Price],
    Field(max_length=1000, description="Of each part of a text, by the beginning of the number; the longest counts."),
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
WarmUp = Annotated[
    list[Budget],
    Field(max_length=365, fail_fast=True, description="Most on its first day of use, on its second, …; empty: none."),
]
PlainFields = Annotated[
    dict[str, Any], Field(max_length=100, description="The kind's fields that are not secret: see `/provider-kinds`.")
]
SecretField = Annotated[SecretStr, Field(max_length=10_000)]
SecretFields = Annotated[
    dict[str, SecretField],
    Field(max_length=20, description="The kind's secret fields: kept encrypted, never shown again."),
]


class Preference(Body):
    """What a provider's priority and weight are for some messages; null: its own.

    Of preferences that fit, the one with the longest domain counts, and of these the one that names the class.
    """

    message_class: MessageClass | None = Field(None, description="null: messages of every class.")
    domain: Domain | None = Field(None, description="From this domain and its subdomains; null: from any.")
    priority: Priority | None = None
    weight: Weight | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.message_class is None and self.domain is None:
            raise ValueError("name a message_class, a domain, or both")
        if self.priority is None and self.weight is None:
            raise ValueError("give a priority, a weight, or both")
        return self


def _each_once(value: list[Preference]) -> list[Preference]:
    if len({(one.message_class, one.domain) for one in value}) < len(value):
        raise ValueError("two preferences for the same messages")
    return value


Preferences = Annotated[
    list[Preference],
    Field(max_length=100, fail_fast=True, description="Other priorities and weights, for some messages."),
    AfterValidator(_each_once),
]


class NewProvider(Body):
    """Who is to carry messages."""

    name: Name = Field(description="What ledgers keep of it.", examples=["ses-ireland"])
    kind: KindName = Field(examples=["ses"])
    enabled: StrictBool = True
    priority: Priority | None = Field(None, description="The kind's own by default.")
    weight: Weight = 1
    preferences: Preferences = []
    settings: PlainFields = {}
    secrets: SecretFields = {}
    classes: Classes = []
    domains: Domains = []
    per_second: Budget | None = Field(None, description="Most messages a second; the kind's own budget by default.")
    per_minute: Budget | None = None
    per_day: Budget | None = None
    warm_up: WarmUp = []
    price: Price | None = None
    prices: Prices = Field({}, examples=[{"+91": 0.0025}])
    currency: Currency | None = Field(None, description="Of the prices (ISO 4217).", examples=["USD"])


class ProviderChange(Body):
    """What to change; members that are left out stay.

    `settings` and `secrets` are merged: a member that is null goes back to its default.
    """

    name: Name | None = None
    enabled: StrictBool | None = None
    priority: Priority | None = None
    weight: Weight | None = None
    preferences: Preferences | None = None
    settings: PlainFields | None = None
    secrets: Annotated[dict[str, SecretField | None], Field(max_length=20)] | None = None
    classes: Classes | None = None
    domains: Domains | None = None
    per_second: Budget | None = Field(None, description="null: no limit.")
    per_minute: Budget | None = Field(None, description="null: no limit.")
    per_day: Budget | None = Field(None, description="null: no limit.")
    warm_up: WarmUp | None = None
    price: Price | None = Field(None, description="null, with the currency: nobody says what it costs.")
    prices: Prices | None = Field(None, description="All of them; {}: none.")
    currency: Currency | None = None


class PreferenceOut(BaseModel):
    """A provider's priority and weight for some messages."""

    message_class: MessageClass | None = Field(None, description="null: messages of every class.")
    domain: str | None = Field(None, description="From this domain and its subdomains; null: from any.")
    priority: int | None = Field(None, description="null: the provider's own.")
    weight: float | None = Field(None, description="null: the provider's own.")


class ProviderOut(BaseModel):
    """A provider, without its secrets."""

    provider_id: UUID
    name: str = Field(description="What ledgers keep of it.")
    kind: str = Field(description="One of /provider-kinds.")
    channel: Channel = Field(description="What it carries: email or sms.")
    enabled: bool = Field(description="Whether it is asked at all.")
    priority: int = Field(description="The smallest is asked first.")
    weight: int = Field(description="The share among those of one priority.")
    preferences: list[PreferenceOut] = Field(description="Other priorities and weights, for some messages.")
    settings: dict[str, Any] = Field(description="What its kind has to be told, without secrets.")
    secrets_set: list[str] = Field(description="Which secrets are kept; nobody can read them.")
    classes: list[str] = Field(description="Which messages it carries: transactional, bulk.")
    domains: list[str] = Field(description="Mail from these domains only; empty: from any.")
    per_second: int | None = Field(description="Messages in any second; null: no limit.")
    per_minute: int | None = Field(description="Messages in any minute.")
    per_day: int | None = Field(description="Messages in any 24 hours.")
    warm_up: list[int] = Field(description="Messages a day on its first days of use.")
    price: float | None = Field(description="For a mail, or a part of a text; null: nobody said.")
    prices: dict[str, float] = Field(description="For a part of a text, by the beginning of its number.")
    currency: str | None = Field(description="Of the price (ISO 4217).")
    created_at: datetime = Field(description="When it was added.")
    updated_at: datetime = Field(description="When it was last changed.")
    created_by: UUID | None = Field(description="The user who added it.")

    @classmethod
    def of(cls, row: ProviderRow) -> Self:
        """Tell of a row what may be told."""
        plain = {name: getattr(row, name) for name in cls.model_fields if name != "secrets_set"}
        return cls(**plain, secrets_set=list(row.secret_names))


class FoundOut(BaseModel):
    """What a test of the connection found."""

    works: bool
    found: str = Field(description="One sentence.")
    suggested_budgets: dict[Literal["per_second", "per_minute", "per_day"], int] = Field(
        description="What the account may send, as far as the provider tells."
    )


class RotatedOut(BaseModel):
    """What a rotation of secrets did, private keys of DKIM among them."""

    key_id: str = Field(description="The key that wraps all of them now.")
    rewrapped: int
    kept: int = Field(description="Those that it wrapped before.")


class FieldOut(BaseModel):
    """A field of a kind."""

    name: str
    type: str
    is_required: bool
    is_secret: bool
    description: str
    choices: list[str]
    default: Any


class KindOut(BaseModel):
    """A kind of provider, and what it has to be told."""

    name: str
    title: str
    channel: Channel
    priority: int = Field(description="Of a new provider of this kind.")
    budgets: dict[str, int] = Field(description="Of a new provider of this kind.")
    fields: list[FieldOut]

    @classmethod
    def of(cls, kind: Kind) -> Self:
        """Tell of a kind."""
        return cls(
            name=kind.name,
            title=kind.title,
            channel=kind.channel,
            priority=kind.priority,
            budgets=dict(kind.defaults),
            fields=[FieldOut(**one) for one in described(kind)],
        )


class BrokenPluginOut(BaseModel):
    """A plugin that could not be loaded, and why."""

    name: str
    reason: str

    @classmethod
    def of(cls, plugin: BrokenPlugin) -> Self:
        """Tell of a plugin."""
        return cls(name=plugin.name, reason=plugin.reason)


class KindsOut(BaseModel):
    """All kinds, and the plugins that gave none."""

    items: list[KindOut]
    broken_plugins: list[BrokenPluginOut]
