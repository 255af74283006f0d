"""What crosses HTTP about schedules."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints, model_validator

from taskflow.base.bodies import Body, Instant, RowOut
from taskflow.engine import sealed
from taskflow.engine.requests import Request
from taskflow.engine.schedules.cron import MAX_CHARS
from taskflow.engine.schedules.models import DAY_SECONDS, MAX_JITTER_SECONDS, MAX_WINDOW_SECONDS, Schedule
from taskflow.engine.schedules.policies import FireCause, FireStatus, MisfirePolicy, OverlapPolicy
from taskflow.engine.schedules.timetable import MAX_INTERVAL_SECONDS, At, Cron, Every, Timing
from taskflow.engine.schemas import ExpirySeconds, NewTask, PriorityName, QueueName, Tags, TaskName
from taskflow.engine.states import Priority, TaskStatus

MAX_PREVIEW = 20

CronText = Annotated[str, StringConstraints(min_length=1, max_length=MAX_CHARS, pattern=r"^[^\x00]*$")]
ZoneName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
_TIMINGS = ("cron", "interval_seconds", "run_at")
_PriorityIn = PriorityName | Annotated[int, Field(strict=True, ge=1, le=10)]


class NewSchedule(Body):
    """A schedule: exactly one of `cron`, `interval_seconds` and `run_at` says when."""

    name: TaskName = Field(description="Unique.", examples=["nightly-report"])
    task_name: TaskName = Field(examples=["report"])
    args: dict[str, Any] | list[Any] = Field(
        default_factory=dict, description="An object is keyword arguments, a list is positional ones."
    )
    kwargs: dict[str, Any] | None = Field(None, description="Keyword arguments beside a list of positional ones.")
    queue: QueueName | None = None
    priority: _PriorityIn | None = Field(None, description="By default the task's own.", examples=["HIGH"])
    max_retries: int | None = Field(None, ge=0, le=1_000)
    timeout_seconds: int | None = Field(None, ge=1, le=7 * 86_400)
    tags: Tags | None = Field(None, description="Of each task that it starts.")
    expires_in_seconds: ExpirySeconds | None = Field(
        None, description="From when a task is due: one that has not begun by then ends CANCELLED."
    )
    cron: CronText | None = Field(
        None, description="Five fields (minute, hour, day of month, month, day of week) or @daily and its like.",
        examples=["0 3 * * MON-FRI"],
    )  # fmt: skip
    time_zone: ZoneName | None = Field(
        None, description="The IANA zone whose clocks `cron` reads; UTC by default.", examples=["Europe/Berlin"]
    )
    interval_seconds: int | None = Field(
        None, ge=1, le=MAX_INTERVAL_SECONDS, description="Counted from `starts_at`, or else from its making."
    )
    run_at: Instant | None = Field(None, description="Once, at this instant.")
    starts_at: Instant | None = Field(None, description="No instant before this one.")
    ends_at: Instant | None = Field(None, description="None after this one.")
    jitter_seconds: int = Field(0, ge=0, le=MAX_JITTER_SECONDS, description="Each instant is put off by up to so long.")
    misfire_policy: MisfirePolicy = Field(
        MisfirePolicy.ONCE, description="What becomes of instants that were missed because no coordinator ran."
    )
    misfire_window_seconds: int = Field(
        DAY_SECONDS, ge=0, le=MAX_WINDOW_SECONDS, description="How far back those still count."
    )
    overlap_policy: OverlapPolicy = Field(
        OverlapPolicy.ALLOW, description="What becomes of an instant while the last task is under way."
    )
    paused: bool = False

    @model_validator(mode="after")
    def check_timing(self) -> Self:
        """Demand exactly one timing."""
        given = [name for name in _TIMINGS if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"exactly one of {', '.join(_TIMINGS)} says when; {len(given)} were given")
        if self.time_zone is not None and self.cron is None:
            raise ValueError("only cron has a time_zone")
        return self

    def to_schedule(self) -> Schedule:
        """Return the schedule.

        Raises:
            InvalidCronError, UnknownTimeZoneError, InvalidScheduleError: as they say.
        """
        timing: Timing
        if self.cron is not None:
            timing = Cron(self.cron, self.time_zone or "UTC")
        elif self.interval_seconds is not None:
            timing = Every(self.interval_seconds)
        else:
            assert self.run_at is not None  # noqa: S101 - checked above
            timing = At(self.run_at)
        return Schedule(
            self.name, timing, self.starts_at, self.ends_at, self.jitter_seconds, self.misfire_policy,
            self.misfire_window_seconds, self.overlap_policy, self.paused,
        )  # fmt: skip

    def to_request(self, created_by: UUID) -> Request:
        """Return the task that it starts.

        Raises:
            InvalidInputError: both `args` and `kwargs` are objects with members.
        """
        task = NewTask.model_construct(
            **{name: getattr(self, name) for name in NewTask.model_fields if name in type(self).model_fields}
        )
        return task.to_request(created_by, None)


class ScheduleChange(Body):
    """What to change; members that are left out stay. Another timing takes the place of the one there was."""

    name: TaskName | None = None
    task_name: TaskName | None = None
    args: dict[str, Any] | list[Any] | None = Field(None, description="Replaces both `args` and `kwargs`.")
    kwargs: dict[str, Any] | None = Field(None, description="Keyword arguments beside a list of positional ones.")
    queue: QueueName | None = None
    priority: _PriorityIn | None = None
    max_retries: int | None = Field(None, ge=0, le=1_000)
    timeout_seconds: int | None = Field(None, ge=1, le=7 * 86_400)
    tags: Tags | None = None
    expires_in_seconds: ExpirySeconds | None = None
    cron: CronText | None = None
    time_zone: ZoneName | None = None
    interval_seconds: int | None = Field(None, ge=1, le=MAX_INTERVAL_SECONDS)
    run_at: Instant | None = None
    starts_at: Instant | None = Field(None, description="null takes the bound away.")
    ends_at: Instant | None = Field(None, description="null takes the bound away.")
    jitter_seconds: int | None = Field(None, ge=0, le=MAX_JITTER_SECONDS)
    misfire_policy: MisfirePolicy | None = None
    misfire_window_seconds: int | None = Field(None, ge=0, le=MAX_WINDOW_SECONDS)
    overlap_policy: OverlapPolicy | None = None

    @model_validator(mode="after")
    def check_timing(self) -> Self:
        """Demand at most one timing, and arguments as one whole."""
        if sum(getattr(self, name) is not None for name in _TIMINGS) > 1:
            raise ValueError(f"at most one of {', '.join(_TIMINGS)} says when")
        if self.kwargs is not None and not isinstance(self.args, list):
            raise ValueError("kwargs comes beside a list of args")
        return self

    def columns(self) -> dict[str, Any]:
        """Return the columns that change. Null means what leaving a member out means, but for the bounds."""
        given = {
            name: value
            for name in self.model_fields_set - {"args", "kwargs"}
            if (value := getattr(self, name)) is not None or name in ("starts_at", "ends_at")
        }
        if self.args is not None:
            named = isinstance(self.args, dict)
            given["task_args"] = None if named else self.args
            given["task_kwargs"] = self.args if named else self.kwargs
        if self.priority is not None:
            given["priority"] = Priority.parse(self.priority)
        return given


class ScheduleOut(BaseModel):
    """A schedule."""

    schedule_id: UUID
    name: str
    task_name: str
    task_args: Any = Field(description="Positional arguments, or null.")
    task_kwargs: Any = Field(description="Keyword arguments, or null.")
    queue: str
    priority: int
    priority_name: PriorityName | None
    max_retries: int
    timeout_seconds: int
    tags: list[str]
    expires_in_seconds: float | None
    kind: Literal["cron", "interval", "at"]
    cron: str | None
    time_zone: str
    interval_seconds: int | None
    run_at: datetime | None
    starts_at: datetime | None
    ends_at: datetime | None
    jitter_seconds: int
    misfire_policy: MisfirePolicy
    misfire_window_seconds: int
    overlap_policy: OverlapPolicy
    paused: bool
    next_fire_at: datetime | None = Field(description="Null while it is paused, and after its last instant.")
    last_fire_at: datetime | None = Field(description="The newest instant that came, by its timetable.")
    created_by: UUID | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read a row of `schedules`."""
        shown = {"tags": row["tags"] or [], "priority_name": Priority.name_of(row["priority"])}
        shown |= {name: sealed.shown(row[name]) for name in ("task_args", "task_kwargs")}
        return cls(**{**row, **shown})


class ScheduleDetail(ScheduleOut):
    """A schedule with its next instants."""

    next_fires: list[datetime] = Field(
        description="The instants to come, without their jitter; of a paused schedule, as if it were resumed now."
    )


class FireOut(RowOut):
    """What became of an instant."""

    fire_at: datetime = Field(description="The instant of the timetable.")
    due_at: datetime = Field(description="When its task may start: with the jitter.")
    status: FireStatus = Field(
        description="FIRED: it became a task. WAITING for the last task to end. SKIPPED: the last task was under way."
    )
    cause: FireCause
    task_id: UUID | None
    task_status: TaskStatus | None
    created_at: datetime


class Backfill(Body):
    """The instants to make up for, both ends included."""

    first: Instant = Field(alias="from")
    last: Instant = Field(alias="to", description="Not in the future.")


class BackfillOut(BaseModel):
    """What a backfill did."""

    instants: int = Field(description="How many instants the range has.")
    created: int = Field(description="How many of them had not fired before, and did now.")
    task_ids: list[UUID]
