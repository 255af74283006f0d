"""What crosses HTTP about queues."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from taskflow.base.bodies import Body
from taskflow.engine.limits.repository import rate_of
from taskflow.engine.limits.schemas import Concurrency, RateText, Weight, given
from taskflow.engine.queues.service import Queue
from taskflow.engine.schemas import PriorityName
from taskflow.engine.states import Priority

QueueState = Literal["active", "paused", "draining", "drained"]


class QueueOut(BaseModel):
    """A queue."""

    name: str
    state: QueueState = Field(description="A draining queue that has nothing left is drained.")
    waiting: int | None = Field(description="Tasks in line; null while Redis is away.")
    waiting_is_partial: bool = Field(description="More wait in PostgreSQL than the window in Redis holds.")
    oldest_seconds: float | None = Field(description="Age of the oldest task in line.")
    running: int | None = Field(description="Tasks handed out to workers.")
    per_minute: float | None = Field(description="Tasks that ended within the last minute.")
    priority: int | None = Field(description="Of tasks that say nothing else; null: 5.")
    max_retries: int | None = Field(description="Likewise; null: 5.")
    timeout_seconds: int | None = Field(description="Likewise; null: 300.")
    concurrency: int | None = Field(description="How many tasks run at a time; null: any number.")
    rate: str | None = Field(description="How many start in a while; null: any number.", examples=["100/m"])
    weight: float = Field(description="Its share of the workers beside other queues.")
    aging_seconds: float | None = Field(description="Waiting that is worth a priority level; null: none is.")
    created_at: datetime

    @classmethod
    def of(cls, queue: Queue) -> "QueueOut":
        """Show a queue."""
        row, look = queue.row, queue.look
        idle = look is not None and not look.waiting and not look.running
        state: QueueState = "paused" if row["paused"] else "active"
        if row["draining"] and not row["paused"]:
            state = "drained" if idle else "draining"
        rate = rate_of(row)
        same = (
            "name",
            "priority",
            "max_retries",
            "timeout_seconds",
            "concurrency",
            "weight",
            "aging_seconds",
            "created_at",
        )
        return cls(
            **{name: row[name] for name in same},
            state=state,
            waiting=look.waiting if look else None,
            waiting_is_partial=look.is_window if look else False,
            oldest_seconds=look.oldest_seconds if look else None,
            running=look.running if look else None,
            per_minute=round(look.per_minute, 1) if look else None,
            rate=str(rate) if rate else None,
        )


class QueueChange(Body):
    """What to change of a queue; what is left out stays, and null takes it away."""

    priority: PriorityName | Annotated[int, Field(strict=True, ge=1, le=10)] | None = None
    max_retries: Annotated[int, Field(ge=0, le=1_000)] | None = None
    timeout_seconds: Annotated[int, Field(ge=1, le=7 * 86_400)] | None = None
    concurrency: Concurrency = None
    rate: RateText = None
    weight: Weight = None
    aging_seconds: Annotated[float, Field(ge=0.001, le=1e9)] | None = None

    def columns(self) -> dict[str, Any]:
        """Return the changes as columns."""
        changes = given(self)
        if changes.get("priority") is not None:
            changes["priority"] = Priority.parse(changes["priority"])
        return changes


class Purged(BaseModel):
    """How many tasks were cancelled before they had started."""

    cancelled: int
