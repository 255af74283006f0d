"""What crosses HTTP about routes."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, Self

import asyncpg
from pydantic import BaseModel, Field, model_validator

from taskflow.base.bodies import Body
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.providers.schemas import Budget, PreferenceOut
from taskflow.delivery.router.models import BreakerState, Budgets, BudgetState, DomainState, Override, RouteState


class BudgetOut(BaseModel):
    """A budget of a provider."""

    span: Literal["second", "minute", "day"] = Field(description="Any span of this length, wherever it begins.")
    limit: int = Field(description="Of `day`: what the warm-up allows, while there is one.")
    used: int = Field(description="Messages in the span that ends now.")
    left: int = Field(description="Messages that it takes now.")

    @classmethod
    def of(cls, state: BudgetState) -> Self:
        """Show a budget."""
        return cls(span=state.span, limit=state.limit, used=state.used, left=state.left)


class BreakerChangeOut(BaseModel):
    """One change of a breaker."""

    state: Literal["closed", "open", "half_open", "forced_open", "forced_closed", "auto"] = Field(
        description="What it has been since."
    )
    reason: str = Field(description="Why.")
    changed_at: datetime = Field(description="When.")


class BreakerOut(BaseModel):
    """The circuit breaker of a provider."""

    state: BreakerState = Field(description="What it decides by itself; `override` wins.")
    override: Override | None = Field(description="A person's word, until it is taken back.")
    reason: str = Field(description="Of its last change, since Redis was last empty.")
    faults: int = Field(description="In a row.")
    history: list[BreakerChangeOut] = Field(description="The last ten changes, the newest first.")


class DomainLimit(Body):
    """Most messages to a recipient domain, over all providers, in any span of that length; null: no limit."""

    per_second: Budget | None = None
    per_minute: Budget | None = None
    per_day: Budget | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.per_second is None and self.per_minute is None and self.per_day is None:
            raise ValueError("give per_second, per_minute or per_day; DELETE takes a limit away")
        return self

    @property
    def budgets(self) -> Budgets:
        """Return it as routers go by it."""
        return Budgets(self.per_second, self.per_minute, self.per_day)


class DomainPaceOut(BaseModel):
    """How fast a recipient domain goes through a provider of which it has asked for less."""

    route: str = Field(description="The provider.")
    per_second: float | None = Field(description="Messages a second that are tried; null: none until the wait is over.")
    waiting: str | None = Field(description="Why it takes none now.")
    wait_seconds: float | None = Field(description="When it is worth asking again.")


class RecipientDomainOut(BaseModel):
    """A recipient domain that has a limit, or has asked for less."""

    domain: str
    per_second: int | None = Field(description="Its limit, over all providers; null: none.")
    per_minute: int | None
    per_day: int | None
    budgets: list[BudgetOut] = Field(description="How much of the limit is used.")
    throttled: bool = Field(description="Whether its limit is used up, or it has asked for less.")
    waiting: str | None = Field(description="Which limit is used up.")
    wait_seconds: float | None = Field(description="When it has room again.")
    paces: list[DomainPaceOut] = Field(description="Where it has asked for less, by provider.")

    @classmethod
    def of(cls, state: DomainState) -> Self:
        """Show a recipient domain."""
        limit = state.limit or Budgets()
        return cls(
            domain=state.domain,
            per_second=limit.per_second,
            per_minute=limit.per_minute,
            per_day=limit.per_day,
            budgets=[BudgetOut.of(one) for one in state.budgets],
            throttled=state.is_throttled,
            waiting=state.waiting,
            wait_seconds=state.wait_seconds,
            paces=[DomainPaceOut.model_validate(one, from_attributes=True) for one in state.paces],
        )


class RouteOut(BaseModel):
    """A provider as the router sees it."""

    name: str = Field(description="The provider.")
    priority: int = Field(description="The smallest is asked first.")
    weight: float = Field(description="The share among those of one priority.")
    preferences: list[PreferenceOut] = Field(description="Other priorities and weights, for some messages.")
    classes: list[MessageClass] = Field(description="Which messages it carries.")
    sending_domains: list[str] = Field(description="Empty: any.")
    supports_dlt: bool = Field(description="Whether it carries texts under a DLT template.")
    usable: bool = Field(description="Whether it takes a message now.")
    waiting: str | None = Field(description="Why it takes none.")
    wait_seconds: float | None = Field(description="When it is worth asking again.")
    breaker: BreakerOut = Field(description="Whether it is trusted.")
    budgets: list[BudgetOut] = Field(description="What it may carry, span by span.")
    warm_up_day: int | None = Field(description="1 on the first day of use; null without a warm-up.")
    pace_per_second: float | None = Field(description="How fast it is tried, where it has asked for less.")
    failovers: int = Field(description="Messages that it took over from others, since Redis was last empty.")
    refused: dict[str, int] = Field(description="Messages that it could not be given, by reason, since then.")

    @classmethod
    def of(cls, state: RouteState, history: Iterable[asyncpg.Record]) -> "RouteOut":
        """Show a route."""
        route = state.route
        return cls(
            name=route.name,
            priority=route.priority,
            weight=route.weight,
            preferences=[
                PreferenceOut(
                    message_class=one.message_class and one.message_class.value,
                    domain=one.domain or None,
                    priority=one.priority,
                    weight=one.weight,
                )
                for one in route.preferences
            ],
            classes=sorted(route.classes),
            sending_domains=sorted(route.sending_domains),
            supports_dlt=route.supports_dlt,
            usable=state.usable,
            waiting=state.waiting,
            wait_seconds=state.wait_seconds,
            breaker=BreakerOut(
                state=state.breaker,
                override=state.override,
                reason=state.reason,
                faults=state.faults,
                history=[
                    BreakerChangeOut(state=row["state"], reason=row["reason"], changed_at=row["changed_at"])
                    for row in history
                ],
            ),
            budgets=[BudgetOut.of(one) for one in state.budgets],
            warm_up_day=state.warm_up_day,
            pace_per_second=state.pace_per_second,
            failovers=state.failovers,
            refused=state.refused,
        )


class BreakerSwitch(Body):
    """What a breaker shall do: let nothing through, let everything through, or decide by itself."""

    state: Literal["open", "closed", "auto"]

    @property
    def word(self) -> Override | None:
        """Return the person's word."""
        return None if self.state == "auto" else Override(self.state)
