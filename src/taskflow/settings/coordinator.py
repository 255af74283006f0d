"""The coordinator and its duties."""

from pydantic import BaseModel, Field


class CoordinatorSettings(BaseModel):
    """`TASKFLOW_COORDINATOR_*`."""

    duties: list[str] = Field([], description="Duties to run, as JSON; empty runs every duty.")
    term_seconds: float = Field(6.0, gt=0, description="A leader that has not renewed for so long loses the lease.")
    dead_after_seconds: float = Field(30.0, gt=0, description="A worker without a beat for so long is dead.")
    scheduler_seconds: float = Field(0.05, gt=0, description="How often due tasks are looked for.")
    expiry_seconds: float = Field(1.0, gt=0, description="How often tasks are looked for that have expired.")
    schedules_seconds: float = Field(0.05, gt=0, description="How often schedules are looked at for what has to fire.")
    misfire_grace_seconds: float = Field(
        15.0,
        gt=0,
        description="A schedule's instant seen later than this was missed: its misfire policy decides.",
    )
    schedule_fire_days: int = Field(30, ge=1, description="How long it is kept what schedules fired.")
    dependencies_seconds: float = Field(
        5.0, gt=0, description="How often forgotten children of ended tasks are looked for."
    )
    relay_seconds: float = Field(0.5, gt=0, description="How often the dispatch windows are compared and refilled.")
    rescuer_seconds: float = Field(2.0, gt=0, description="How often dead workers and lost claims are looked for.")
    campaigns_seconds: float = Field(0.5, gt=0, description="How often campaigns are fed and counted.")
    drift_seconds: float = Field(15.0, gt=0, description="How often Redis is measured against PostgreSQL.")
    window: int = Field(50_000, ge=100, description="Ids that Redis holds per dispatch key.")
    dead_letters_seconds: float = Field(
        5.0, gt=0, description="How often dead letters are looked at for what has to be requeued or deleted."
    )
    dead_letter_days: int = Field(30, ge=1, description="How long dead letters are kept.")
    metrics_host: str = Field("127.0.0.1", description="Address of that port; 0.0.0.0 in a container.")
    metrics_port: int | None = Field(None, description="Serves /metrics and /health there; 0 takes a free port.")
