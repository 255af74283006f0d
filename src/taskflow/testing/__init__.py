"""Testing code that enqueues tasks.

- `inline()`: no servers; tasks run where they are enqueued, delays and schedules on a clock that the test moves.
- The pytest plugin (`taskflow.pytest_plugin`, found by itself): `taskflow_engine` and `taskflow_worker` are the real
  thing, on PostgreSQL and Valkey out of wheels, with a database of its own for each test.
"""

from taskflow.testing.inline import InlineEngine, inline
from taskflow.testing.running import Attempt, InlineTask

__all__ = ["Attempt", "InlineEngine", "InlineTask", "inline"]
