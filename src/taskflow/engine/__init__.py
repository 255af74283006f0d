"""The task engine: typed tasks, claimed under a fence, finished in groups, never lost."""

from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.blocking import SyncEngine, SyncTaskHandle
from taskflow.engine.client import Engine
from taskflow.engine.context import current_task, worker_context
from taskflow.engine.default import NoEngineError, default_engine, use_engine
from taskflow.engine.definition import Task, task
from taskflow.engine.foreign import enqueue_through
from taskflow.engine.requests import Request, TaskHandle
from taskflow.engine.results import TaskCancelledError, TaskEnd, TaskFailedError, WaitTimeoutError
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.timetable import At, Cron, Every
from taskflow.engine.states import Priority, TaskStatus

__all__ = [
    "At",
    "Batch",
    "BatchItem",
    "Cron",
    "Engine",
    "Every",
    "NoEngineError",
    "NoRetry",
    "Priority",
    "Request",
    "Retry",
    "Schedule",
    "SyncEngine",
    "SyncTaskHandle",
    "Task",
    "TaskCancelledError",
    "TaskEnd",
    "TaskFailedError",
    "TaskHandle",
    "TaskStatus",
    "WaitTimeoutError",
    "current_task",
    "default_engine",
    "enqueue_through",
    "task",
    "use_engine",
    "worker_context",
]
