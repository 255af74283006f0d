"""The task engine: typed tasks, claimed under a fence, finished in groups, never lost."""

from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.client import Engine, Request, TaskHandle
from taskflow.engine.context import current_task, worker_context
from taskflow.engine.definition import Task, task
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.states import Priority, TaskStatus

__all__ = [
    "Batch",
    "BatchItem",
    "Engine",
    "NoRetry",
    "Priority",
    "Request",
    "Retry",
    "Task",
    "TaskHandle",
    "TaskStatus",
    "current_task",
    "task",
    "worker_context",
]
