"""`/api/v1/autoscaling`: how many workers each queue wants, in the form that KEDA's metrics-api scaler reads."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from taskflow.api.stats import QueueStats, StatsCounter
from taskflow.engine.autoscaling.advice import QueueLoad, desired_slots, workers_for
from taskflow.engine.autoscaling.durations import ASSUMED_SECONDS, DurationMeter
from taskflow.engine.schemas import QueueName
from taskflow.identity.access import require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings

router = APIRouter(prefix="/autoscaling", tags=["autoscaling"])


class QueueDemand(BaseModel):
    """What a queue wants."""

    queue: str
    ready: int = Field(description="PENDING tasks.")
    running: int
    oldest_seconds: float | None = Field(description="How long the oldest of the ready ones has waited.")
    task_seconds: float = Field(description="Mean of the newest attempts.")
    is_measured: bool = Field(description="False: no attempt is known, so a second is assumed.")
    desired_slots: float = Field(description="How many tasks should run at a time.")
    desired_workers: int


class Autoscaling(BaseModel):
    """What the chosen queues want together, and each of them."""

    desired_workers: int = Field(description="0 when nothing waits or runs.")
    desired_slots: float
    slots_per_worker: int
    target_seconds: float
    queues: list[QueueDemand]


@router.get("", dependencies=[require(Role.VIEWER)])
async def get_autoscaling(
    counter: Annotated[StatsCounter, service(StatsCounter)],
    meter: Annotated[DurationMeter, service(DurationMeter)],
    settings: Annotated[Settings, service(Settings)],
    queue: Annotated[
        list[QueueName] | None, Query(max_length=100, description="Only this queue; repeat it for several.")
    ] = None,
    target_seconds: Annotated[
        float, Query(ge=1, le=86_400, allow_inf_nan=False, description="Within which what waits should be worked off.")
    ] = 30.0,
    slots_per_worker: Annotated[
        int | None,
        Query(
            ge=1, le=100_000, description="Tasks that one worker runs at a time; that of the present ones by default."
        ),
    ] = None,
) -> Autoscaling:
    """Tell how many workers are wanted: from depth, age and measured durations; 0 for an empty queue."""
    stats, seconds = await counter.read(), await meter.read()
    slots_each = slots_per_worker or _slots_of_one(stats.workers.capacity, stats.workers.active, settings)
    known = {one.queue: one for one in stats.tasks.queues}
    paused = {one.queue for one in known.values() if one.paused}  # what waits there is not let go, whoever comes
    chosen = sorted(set(queue)) if queue is not None else sorted(known)
    demands = []
    for name in chosen:
        load = _load(known.get(name), name, seconds.get(name, ASSUMED_SECONDS))
        slots = float(load.running) if name in paused else desired_slots(load, target_seconds)
        demands.append(
            QueueDemand(
                queue=name,
                ready=load.ready,
                running=load.running,
                oldest_seconds=load.oldest_seconds,
                task_seconds=load.task_seconds,
                is_measured=name in seconds,
                desired_slots=slots,
                desired_workers=workers_for(slots, slots_each),
            )
        )
    total = sum(demand.desired_slots for demand in demands)
    return Autoscaling(
        desired_workers=workers_for(total, slots_each),
        desired_slots=total,
        slots_per_worker=slots_each,
        target_seconds=target_seconds,
        queues=demands,
    )


def _load(now: QueueStats | None, name: str, task_seconds: float) -> QueueLoad:
    if now is None:
        return QueueLoad(name, 0, 0, None, task_seconds)
    return QueueLoad(name, now.ready, now.running, now.oldest_seconds, task_seconds)


def _slots_of_one(capacity: int, active: int, settings: Settings) -> int:
    """Return the slots of a worker: of those that live on average, or of one as this process is configured."""
    if active:
        return max(1, round(capacity / active))
    return settings.worker.capacity * settings.worker.processes
