"""The task engine: typed tasks, claimed under a fence, finished in groups, never lost."""

from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.blocking import SyncEngine, SyncTaskHandle
from taskflow.engine.client import Engine
from taskflow.engine.context import TaskContext, WorkerContext, current_task, worker_context
from taskflow.engine.default import NoEngineError, default_engine, use_engine
from taskflow.engine.definition import Task, task
from taskflow.engine.dependencies.graph import Graph, Group, Node
from taskflow.engine.dependencies.models import After
from taskflow.engine.foreign import enqueue_through
from taskflow.engine.handles import TaskHandle
from taskflow.engine.injection import PROVIDED, Depends
from taskflow.engine.keys import DuplicateTaskError, TaskKeyReusedError
from taskflow.engine.lifespan import worker_lifespan
from taskflow.engine.middleware.base import Call, Middleware
from taskflow.engine.middleware.encryption import PayloadEncryption
from taskflow.engine.middleware.stack import use_middleware
from taskflow.engine.requests import Request
from taskflow.engine.results import TaskCancelledError, TaskEnd, TaskFailedError, WaitTimeoutError
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.timetable import At, Cron, Every
from taskflow.engine.states import Priority, TaskStatus

__all__ = [
    "PROVIDED",
    "After",
    "At",
    "Batch",
    "BatchItem",
    "Call",
    "Cron",
    "Depends",
    "DuplicateTaskError",
    "Engine",
    "Every",
    "Graph",
    "Group",
    "Middleware",
    "NoEngineError",
    "NoRetry",
    "Node",
    "PayloadEncryption",
    "Priority",
    "Request",
    "Retry",
    "Schedule",
    "SyncEngine",
    "SyncTaskHandle",
    "Task",
    "TaskCancelledError",
    "TaskContext",
    "TaskEnd",
    "TaskFailedError",
    "TaskHandle",
    "TaskKeyReusedError",
    "TaskStatus",
    "WaitTimeoutError",
    "WorkerContext",
    "current_task",
    "default_engine",
    "enqueue_through",
    "task",
    "use_engine",
    "use_middleware",
    "worker_context",
    "worker_lifespan",
]
