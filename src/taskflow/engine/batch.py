"""Batch tasks: one call for many tasks of one name and one dispatch key.

Each task keeps its own attempt, epoch and end; the call takes one slot. What the function does not report by name
ends with the call: completed when it returns, failed with its exception when it raises.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from taskflow.engine.context import OutsideWorkerError, TaskContext
from taskflow.engine.outcomes import cancelled, completed, failed, released
from taskflow.engine.payload import ResultRefusedError
from taskflow.engine.store import Lease, Outcome


class BatchItem:
    """One task of a batch.

    Attributes:
        args, kwargs: its arguments as stored: opened by middleware and brought up to the present version, unchecked.
    """

    __slots__ = ("_context", "args", "claimed_at", "kwargs", "lease", "open", "started_at")

    def __init__(self, lease: Lease, claimed_at: float, context: TaskContext | None = None) -> None:
        """Wrap a lease; `claimed_at` is on the monotonic clock."""
        self.lease = lease
        self.claimed_at = claimed_at
        self._context = context
        self.args: Any = lease.args
        self.kwargs: Any = lease.kwargs
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
    def context(self) -> TaskContext:
        """Its attempt, for its own log, progress and cancel flag.

        Raises:
            OutsideWorkerError: the batch was made outside of a worker.
        """
        if self._context is None:
            raise OutsideWorkerError("BatchItem.context was used outside a worker.")
        return self._context


class Batch:
    """The tasks of one call, and how each of them ended."""

    def __init__(
        self,
        items: Sequence[BatchItem],
        report: Callable[[Outcome], None],
        lease_seconds: float,
        *,
        keep: Callable[[Any], Any] | None = None,
        result_ttl: float | None = None,
    ) -> None:
        """Make the batch of `items`.

        `report` takes each outcome as it is known; `lease_seconds` is how long a lease outlives its last renewal.
        `keep` returns what is to be kept of a result, and `result_ttl` is for how long (seconds).
        """
        self.items = items
        self._report = report
        self._lease_seconds = lease_seconds
        self._keep = keep
        self._result_ttl = result_ttl

    def deadline(self, item: BatchItem) -> float:
        """Return when (monotonic seconds) this attempt must not begin anything that cannot be taken back."""
        return item.claimed_at + self._lease_seconds

    def complete(self, item: BatchItem, result: Any = None) -> None:
        """End a task well; or badly and for good, when its result cannot be kept."""
        try:
            kept = self._keep(result) if self._keep is not None and result is not None else result
        except ResultRefusedError as error:
            self.fail(item, f"{type(error).__name__}: {error}", retry=False)
        else:
            self._end(item, completed(item.lease, self._seconds(item), kept, self._result_ttl))

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
