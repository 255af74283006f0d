"""The task engine: typed tasks, claimed under a fence, finished in groups, never lost."""

from taskflow.engine.batch import Batch, BatchItem
from taskflow.engine.client import Engine
from taskflow.engine.context import current_task, worker_context
from taskflow.engine.definition import Task, task
from taskflow.engine.dependencies.graph import Graph, Group, Node
from taskflow.engine.dependencies.models import After
from taskflow.engine.requests import Request, TaskHandle
from taskflow.engine.retry import NoRetry, Retry
from taskflow.engine.schedules.models import Schedule
from taskflow.engine.schedules.timetable import At, Cron, Every
from taskflow.engine.states import Priority, TaskStatus

__all__ = [
    "After",
    "At",
    "Batch",
    "BatchItem",
    "Cron",
    "Engine",
    "Every",
    "Graph",
    "Group",
    "NoRetry",
    "Node",
    "Priority",
    "Request",
    "Retry",
    "Schedule",
    "Task",
    "TaskHandle",
    "TaskStatus",
    "current_task",
    "task",
    "worker_context",
]
