"""What webhooks tell of."""

from enum import StrEnum

TASK_NAME = "taskflow.webhook"
QUEUE = "webhooks"


class WebhookEvent(StrEnum):
    """An end of a task, or what became of a single message."""

    COMPLETED = "task.completed"
    FAILED = "task.failed"
    TIMED_OUT = "task.timed_out"
    CANCELLED = "task.cancelled"
    MESSAGE_SENT = "message.sent"
    MESSAGE_FAILED = "message.failed"
    MESSAGE_UNCERTAIN = "message.uncertain"
    MESSAGE_SUPPRESSED = "message.suppressed"
    MESSAGE_CANCELLED = "message.cancelled"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_UNDELIVERED = "message.undelivered"


TEST = "webhook.test"
"""Sent on request; nobody subscribes to it."""
