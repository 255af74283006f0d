"""What the router knows of a provider, what it is asked, and what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from taskflow.audience.channels import Channel
from taskflow.delivery.providers.contract import MessageClass


class BreakerState(StrEnum):
    """What the circuit breaker of a provider lets through: everything, nothing, or a few probes."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Override(StrEnum):
    """A person's word on a breaker; it wins until it is taken back."""

    OPEN = "open"  # nothing goes to the provider
    CLOSED = "closed"  # everything does, whatever comes of it


EVERY_CLASS = frozenset(MessageClass)


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many messages a provider may be given; None: as many as there are.

    Each holds for every span of its length, not only for those that begin on the clock: `per_day` for any 24 hours.
    `warm_up`: the most in 24 hours on the first day of use, the second, …; when it is over, `per_day` alone holds.
    """

    per_second: int | None = None
    per_minute: int | None = None
    per_day: int | None = None
    warm_up: tuple[int, ...] = ()

    @property
    def for_bulk(self) -> "Budgets":
        """Return what of them bulk may use, so that who waits for a message finds room: all but a tenth."""
        return Budgets(
            _less_a_tenth(self.per_second),
            _less_a_tenth(self.per_minute),
            _less_a_tenth(self.per_day),
            tuple(step - step // 10 for step in self.warm_up),
        )

    @property
    def outlast_redis(self) -> bool:
        """Tell whether PostgreSQL must know of the use before much more is given out."""
        return self.per_minute is not None or self.per_day is not None or bool(self.warm_up)


@dataclass(frozen=True, slots=True)
class Preference:
    """Another priority or weight of a provider for some messages; None: its own.

    `message_class` None: of every class; `domain`: that they are from, subdomains included; empty: any.
    """

    message_class: MessageClass | None = None
    domain: str = ""
    priority: int | None = None
    weight: float | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A provider as the router sees it."""

    name: str
    priority: int = 1  # the smallest first
    weight: float = 1.0  # the share among those of one priority, above 0
    classes: frozenset[MessageClass] = EVERY_CLASS
    preferences: tuple[Preference, ...] = ()
    sending_domains: frozenset[str] = frozenset()  # in lower case, with their subdomains; empty: any
    supports_dlt: bool = False
    budgets: Budgets = field(default_factory=Budgets)
    channel: Channel = Channel.EMAIL
    is_sandbox: bool = False  # keeps what it gets: never takes over from a real one


@dataclass(frozen=True, slots=True)
class Ask:
    """What one message needs of a provider.

    `recipient_domain`: in lower case; empty where there is none, as for a phone. `without`: providers that have had it
    and must not get it again in this attempt.
    """

    message_class: MessageClass
    sending_domain: str = ""
    recipient_domain: str = ""
    requires_dlt: bool = False
    without: frozenset[str] = frozenset()
    channel: Channel = Channel.EMAIL

    @property
    def terms(self) -> tuple[Any, ...]:
        """Return what decides with whom it can be reserved in one step: everything but the recipient."""
        return (self.message_class, self.sending_domain, self.requires_dlt, self.without)


@dataclass(frozen=True, slots=True)
class Choice:
    """The message may go to this provider now, and has been counted there.

    `taken_at`: when, in ms on Redis's clock; `probe`: the token, where it goes as a probe of a half-open breaker;
    `limited`: recipient domains of its step that have a limit, and were counted, too.
    """

    route: Route
    taken_at: int
    probe: str | None = None
    limited: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Wait:
    """No provider may have it now: ask again in so many seconds.

    `for_all`: so must every message of these terms, whoever it is for.
    """

    seconds: float
    reason: str
    for_all: bool = True
    is_for_want: bool = False  # there is none that could be waited for: all that may have it are left out
    is_lasting: bool = False  # a quota or the budget of a day: only a change of providers or limits ends it sooner


@dataclass(frozen=True, slots=True)
class Change:
    """A breaker that has just changed."""

    provider: str
    state: BreakerState
    reason: str


@dataclass(frozen=True, slots=True)
class BudgetState:
    """A budget at this moment."""

    span: Literal["second", "minute", "day"]
    limit: int
    used: int

    @property
    def left(self) -> int:
        """Return how many messages it still allows."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class RouteState:
    """A provider at this moment, as the workers see it; `waiting` and `wait_seconds`: why it takes nothing now."""

    route: Route
    breaker: BreakerState
    override: Override | None
    reason: str  # of the breaker's last change
    faults: int  # in a row
    budgets: Sequence[BudgetState]
    warm_up_day: int | None  # 1 on the first day of use
    pace_per_second: float | None  # where the provider has asked for less
    waiting: str | None
    wait_seconds: float | None
    failovers: int
    refused: dict[str, int]  # reservations by what refused them, since Redis was last empty

    @property
    def usable(self) -> bool:
        """Tell whether it takes a message now."""
        return self.waiting is None


@dataclass(frozen=True, slots=True)
class DomainPace:
    """How fast a recipient domain goes through a provider of which it has asked for less."""

    route: str
    per_second: float | None  # None: it has only said for how long nothing is to come
    waiting: str | None  # why it takes nothing now
    wait_seconds: float | None


@dataclass(frozen=True, slots=True)
class DomainState:
    """A recipient domain at this moment; `waiting` and `wait_seconds`: which of its limits is used up."""

    domain: str
    limit: Budgets | None
    budgets: Sequence[BudgetState]
    waiting: str | None
    wait_seconds: float | None
    paces: Sequence[DomainPace]

    @property
    def is_throttled(self) -> bool:
        """Tell whether it gets less now than there may be for it."""
        return self.waiting is not None or bool(self.paces)


def _less_a_tenth(limit: int | None) -> int | None:
    return None if limit is None else limit - limit // 10


def as_budgets(budgets: Budgets) -> dict[str, Any]:
    """Return budgets as the scripts read them."""
    limits = {"second": budgets.per_second, "minute": budgets.per_minute, "day": budgets.per_day}
    return {span: limit for span, limit in limits.items() if limit is not None} | {"warm_up": list(budgets.warm_up)}
