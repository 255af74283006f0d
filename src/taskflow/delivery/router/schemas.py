"""What crosses HTTP about routes."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import asyncpg
from pydantic import BaseModel, Field

from taskflow.base.bodies import Body
from taskflow.delivery.router.models import BreakerState, MessageClass, Override, RouteState


class BudgetOut(BaseModel):
    """A budget of a provider."""

    span: Literal["second", "minute", "day"] = Field(description="Any span of this length, wherever it begins.")
    limit: int = Field(description="Of `day`: what the warm-up allows, while there is one.")
    used: int = Field(description="Messages in the span that ends now.")
    left: int = Field(description="Messages that it takes now.")


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


class RouteOut(BaseModel):
    """A provider as the router sees it."""

    name: str = Field(description="The provider.")
    priority: int = Field(description="The smallest is asked first.")
    weight: float = Field(description="The share among those of one priority.")
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
            budgets=[BudgetOut(span=one.span, limit=one.limit, used=one.used, left=one.left) for one in state.budgets],
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
