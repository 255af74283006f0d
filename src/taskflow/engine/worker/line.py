"""The line of a child: leases that were claimed and have not started, in the order in which they shall."""

from collections import deque
from uuid import UUID

from taskflow.engine.store import Lease
from taskflow.engine.worker.poller import Stock


class Line:
    """Leases with the time (monotonic) at which they were claimed; the stock hears how many of each key wait."""

    def __init__(self, stock: Stock) -> None:
        """Start empty."""
        self._stock = stock
        self._waiting: deque[tuple[Lease, float]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, lease: Lease, claimed_at: float) -> None:
        """Let a lease wait behind the others."""
        self._waiting.append((lease, claimed_at))
        self._stock.waiting[lease.dispatch_key] += 1

    def pop(self) -> tuple[Lease, float]:
        """Take the first one out."""
        lease, claimed_at = self._waiting.popleft()
        self._left(lease)
        return lease, claimed_at

    def stale(self, before: float) -> list[tuple[Lease, float]]:
        """Take out what was claimed before that time (monotonic)."""
        taken: list[tuple[Lease, float]] = []
        while self._waiting and self._waiting[0][1] < before:
            taken.append(self.pop())
        return taken

    def remove(self, task_id: UUID) -> Lease | None:
        """Take a task's lease out, if it waits here."""
        for item in self._waiting:
            if item[0].task_id == task_id:
                self._waiting.remove(item)
                self._left(item[0])
                return item[0]
        return None

    def companions(self, first: Lease, most: int) -> list[tuple[Lease, float]]:
        """Take out further tasks of the same name and dispatch key as `first`."""
        taken: list[tuple[Lease, float]] = []
        kept: deque[tuple[Lease, float]] = deque()
        while self._waiting:
            lease, claimed_at = self._waiting.popleft()
            same = lease.task_name == first.task_name and lease.dispatch_key == first.dispatch_key
            if same and len(taken) < most:
                self._left(lease)
                taken.append((lease, claimed_at))
            else:
                kept.append((lease, claimed_at))
        self._waiting = kept
        return taken

    def _left(self, lease: Lease) -> None:
        left = self._stock.waiting[lease.dispatch_key] - 1
        if left:
            self._stock.waiting[lease.dispatch_key] = left
        else:
            del self._stock.waiting[lease.dispatch_key]
