"""What webhooks tell of."""

from enum import StrEnum

TASK_NAME = "taskflow.webhook"
QUEUE = "webhooks"


class WebhookEvent(StrEnum):
    """An end of a task."""

    COMPLETED = "task.completed"
    FAILED = "task.failed"
    TIMED_OUT = "task.timed_out"
    CANCELLED = "task.cancelled"


TEST = "webhook.test"
"""Sent on request; nobody subscribes to it."""
