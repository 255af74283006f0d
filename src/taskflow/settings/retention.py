"""How long what has ended is kept."""

from pydantic import BaseModel, Field


class RetentionSettings(BaseModel):
    """`TASKFLOW_RETENTION_*`."""

    task_days: int = Field(
        90, ge=0, description="How long ended tasks are kept, with their history; 0 keeps them for ever."
    )
    history_days: int = Field(
        0,
        ge=0,
        description="Attempts, results and logs of tasks made longer ago go before their tasks; 0: they go together.",
    )
