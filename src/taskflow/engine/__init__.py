"""The task engine: typed tasks, claimed under a fence, finished in groups, never lost."""

from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.client import Engine
from taskflow.engine.context import TaskContext, WorkerContext, current_task, worker_context
from taskflow.engine.definition import Task, task
from taskflow.engine.dependencies.graph import Graph, Group, Node
from taskflow.engine.dependencies.models import After
from taskflow.engine.injection import PROVIDED, Depends
from taskflow.engine.keys import DuplicateTaskError, TaskKeyReusedError
from taskflow.engine.lifespan import worker_lifespan
from taskflow.engine.middleware.base import Call, Middleware
from taskflow.engine.middleware.encryption import PayloadEncryption
from taskflow.engine.middleware.stack import use_middleware
from taskflow.engine.requests import Request, TaskHandle
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
    "NoRetry",
    "Node",
    "PayloadEncryption",
    "Priority",
    "Request",
    "Retry",
    "Schedule",
    "Task",
    "TaskContext",
    "TaskHandle",
    "TaskKeyReusedError",
    "TaskStatus",
    "WorkerContext",
    "current_task",
    "task",
    "use_middleware",
    "worker_context",
    "worker_lifespan",
]
