"""The engine over HTTP, for code that does not share the database: `TaskFlow` is async, `SyncTaskFlow` blocks."""

from taskflow.engine.remote.client import TaskFlow
from taskflow.engine.remote.live import LiveEvent
from taskflow.engine.remote.sync import SyncTaskFlow

__all__ = ["LiveEvent", "SyncTaskFlow", "TaskFlow"]
