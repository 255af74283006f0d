"""Batch tasks: one call for many tasks of one name and one dispatch key.

Each task keeps its own attempt, epoch and end; the call takes one slot. What the function does not report by name
ends with the call: completed when it returns, failed with its exception when it raises.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from taskflow.engine.outcomes import cancelled, completed, failed, released
from taskflow.engine.store import Lease, Outcome


class BatchItem:
    """One task of a batch."""

    __slots__ = ("claimed_at", "lease", "open", "started_at")

    def __init__(self, lease: Lease, claimed_at: float) -> None:
        """Wrap a lease; `claimed_at` is on the monotonic clock."""
        self.lease = lease
        self.claimed_at = claimed_at
        self.started_at = time.monotonic()
        self.open = True

    @property
    def task_id(self) -> UUID:
        """The task's id."""
        return self.lease.task_id

    @property
    def lease_epoch(self) -> int:
        """The fence: name it in every write that this attempt makes elsewhere."""
        return self.lease.lease_epoch

    @property
    def campaign_id(self) -> UUID | None:
        """The campaign this task belongs to."""
        return self.lease.campaign_id

    @property
    def dispatch_key(self) -> str:
        """The line it waited in."""
        return self.lease.dispatch_key

    @property
    def retry_count(self) -> int:
        """Attempts that failed before this one."""
        return self.lease.retry_count

    @property
    def max_retries(self) -> int:
        """Attempts after the first."""
        return self.lease.max_retries

    @property
    def crash_count(self) -> int:
        """Attempts that took their process with them."""
        return self.lease.crash_count

    @property
    def args(self) -> Any:
        """Positional arguments, as stored."""
        return self.lease.args

    @property
    def kwargs(self) -> Any:
        """Keyword arguments, as stored."""
        return self.lease.kwargs


class Batch:
    """The tasks of one call, and how each of them ended."""

    def __init__(self, items: Sequence[BatchItem], report: Callable[[Outcome], None], lease_seconds: float) -> None:
        """`report` takes each outcome as it is known; `lease_seconds` is how long a lease outlives its last renewal."""
        self.items = items
        self._report = report
        self._lease_seconds = lease_seconds

    def deadline(self, item: BatchItem) -> float:
        """Return when (monotonic seconds) this attempt must not begin anything that cannot be taken back."""
        return item.claimed_at + self._lease_seconds

    def complete(self, item: BatchItem, result: Any = None) -> None:
        """End a task well."""
        self._end(item, completed(item.lease, self._seconds(item), result))

    def fail(self, item: BatchItem, error: str, *, retry: bool = True, after: float | None = None) -> None:
        """End an attempt badly: again after `after` seconds (or the usual delay), or for good without `retry`."""
        self._end(item, failed(item.lease, self._seconds(item), error, retry=retry, after=after))

    def release(self, item: BatchItem, after: float | None = None) -> None:
        """Hand a task back unburnt: at once, or after `after` seconds."""
        self._end(item, released(item.lease, after))

    def cancel(self, item: BatchItem) -> None:
        """End a task as cancelled."""
        self._end(item, cancelled(item.lease, self._seconds(item)))

    def _end(self, item: BatchItem, outcome: Outcome) -> None:
        if item.open:
            item.open = False
            self._report(outcome)

    @staticmethod
    def _seconds(item: BatchItem) -> float:
        return time.monotonic() - item.started_at
