"""What crosses HTTP about limits."""

from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import unquote

import asyncpg
from pydantic import BaseModel, Field

from taskflow.base.bodies import Body
from taskflow.engine.limits.models import Rate
from taskflow.engine.limits.repository import rate_of
from taskflow.engine.schemas import TaskName, Text

Concurrency = Annotated[int, Field(ge=1, le=1_000_000)] | None
RateText = Annotated[str, Field(max_length=40, examples=["100/m", "10/s", "5/30s"])] | None
Weight = Annotated[float, Field(ge=0.001, le=1_000_000)] | None


class LimitOut(BaseModel):
    """A limit in force."""

    subject: str = Field(examples=["task:resize/tenant-7"])
    task_name: str
    key: str | None = Field(description="`*`: each key that has no limit of its own; null: the task as a whole.")
    concurrency: int | None
    rate: str | None
    weight: float
    source: Literal["code", "operator"] = Field(description="Whose word it is.")
    code_concurrency: int | None = Field(description="What the definition says.")
    code_rate: str | None
    running: int = Field(description="Tasks that count for it now; of `*` that is told key by key.")
    updated_at: datetime

    @classmethod
    def of(cls, row: asyncpg.Record, running: int) -> "LimitOut":
        """Show a row of `limits`."""
        name, _, key = row["subject"].removeprefix("task:").partition("/")
        rate, code_rate = rate_of(row), rate_of(row, "code_")
        same = ("subject", "concurrency", "weight", "source", "code_concurrency", "updated_at")
        return cls(
            **{column: row[column] for column in same},
            task_name=unquote(name),
            key=unquote(key) or None,
            rate=str(rate) if rate else None,
            code_rate=str(code_rate) if code_rate else None,
            running=running,
        )


class LimitTarget(Body):
    """Which limit: of a task as its definition limits it (the whole, or each key), or of one key."""

    task_name: TaskName
    key: Annotated[Text, Field(min_length=1)] | None = None


class LimitChange(LimitTarget):
    """How a task or one of its keys is limited; what is left out stays, and null takes it away."""

    concurrency: Concurrency = None
    rate: RateText = None
    weight: Weight = None

    def columns(self) -> dict[str, Any]:
        """Return the changes as columns."""
        changes = given(self)
        return {name: value for name, value in changes.items() if name not in {"task_name", "key"}}


def given(body: Body) -> dict[str, Any]:
    """Return the members that a body names, a rate as the columns that keep it.

    Raises:
        InvalidRateError: its rate is none.
    """
    changes = body.model_dump(exclude_unset=True)
    if "rate" in changes:
        text = changes.pop("rate")
        rate = None if text is None else Rate.parse(text)
        changes |= {"rate_count": rate.starts if rate else None, "rate_seconds": rate.seconds if rate else None}
    if "weight" in changes and changes["weight"] is None:
        changes["weight"] = 1.0
    return changes
