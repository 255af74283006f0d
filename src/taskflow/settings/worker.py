"""Worker nodes."""

from typing import Self

from pydantic import BaseModel, Field, model_validator


class WorkerSettings(BaseModel):
    """`TASKFLOW_WORKER_*`."""

    processes: int = Field(2, ge=1, description="Child processes of a node.")
    max_processes: int | None = Field(
        None, ge=1, description="Most child processes: the node starts more than `processes` while tasks wait."
    )
    shrink_seconds: float = Field(
        30.0, gt=0, description="How long fewer processes must have been enough before one of them is drained."
    )
    capacity: int = Field(5, ge=1, description="Tasks that one child runs at a time.")
    queues: list[str] = Field(
        [], description='Queues to serve, as JSON; empty serves every queue, ["!messages"] every one but this.'
    )
    imports: list[str] = Field(
        [], description="Modules that define tasks, as JSON; workers and the API import them at start."
    )
    heartbeat_seconds: float = Field(10.0, gt=0, description="Beat of a node in Redis and PostgreSQL.")
    lease_seconds: float = Field(30.0, gt=0, description="A claim whose node has not beaten for so long is rescued.")
    drain_seconds: float = Field(30.0, ge=0, description="How long SIGTERM waits for running tasks.")
    prefetch_seconds: float = Field(0.1, gt=0, description="Work that a child claims ahead, measured in time.")
    max_batch: int = Field(200, ge=1, le=1_000, description="Most tasks of one claim or completion statement.")
    cancel_grace_seconds: float = Field(
        5.0, ge=0, description="How long a sync task that watches its cancel flag has to return before SIGTERM."
    )
    result_max_bytes: int = Field(
        1_048_576, ge=1, description="What a task returns may take so many bytes as JSON; a task may set its own limit."
    )
    crash_limit: int = Field(3, ge=1, description="Crashes of its process after which a task is quarantined.")
    metrics_port: int | None = Field(None, description="Serves /metrics and /health there; 0 takes a free port.")

    @model_validator(mode="after")
    def check_range(self) -> Self:
        """Refuse a range that ends before it begins."""
        if self.max_processes is not None and self.max_processes < self.processes:
            raise ValueError(f"max_processes ({self.max_processes}) is below processes ({self.processes})")
        return self

    @model_validator(mode="after")
    def check_queues(self) -> Self:
        """Refuse queues to serve beside queues to leave out."""
        if len({name.startswith("!") for name in self.queues}) > 1:
            raise ValueError("queues: name those to serve, or those to leave out (each with a !), not both")
        return self
