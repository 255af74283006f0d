"""Suspects: tasks that were lost with a process. They run alone, so that the next loss names one of them.

A child that dies with several functions under way, and a node that is lost with all it had claimed, name no culprit.
Each of those tasks comes back with `crash_count` raised: it is a suspect. A child starts a suspect only when nothing
else runs in it, and starts nothing beside it. If the child dies then, its parent finds one task on the board and knows
who it was; the others, still waiting, go back free. Before a suspect starts, its row says so (`begin_alone`), so that
also after the loss of a whole node only suspects that had started are counted once more.

Nobody waits for ever, and nobody is kept waiting for ever:

- While suspects wait or one is alone, the child claims nothing; what it had claimed before runs first.
- When running tasks do not end soon enough, waiting suspects are handed back for a while, and for as long as the child
  stood by for them it takes no others. Each hand-back makes the next child more patient, so their turn comes.
- Those that wait behind one that takes longer than a second are handed back, for other children to take.
- A suspect is alone for ten seconds at most (four times as long with each further crash); then others may start beside
  it. A crash after that names nobody, but it makes the next time alone longer.
"""

import math
import random
from collections import deque
from collections.abc import Callable

from taskflow.engine.definition import registry
from taskflow.engine.store import Lease
from taskflow.engine.worker.poller import Stock
from taskflow.engine.worker.run import Run

_ALONE_SECONDS = 10.0
_BEHIND_SECONDS = 1.0
_PATIENCE = 1.0
_LONGEST_DELAY = 30.0

HandBack = Callable[[Lease, float | None], None]


class Suspects:
    """The suspects that one child has claimed, and whether one of them has the child to itself."""

    def __init__(self, stock: Stock, lease_seconds: float, hand_back: HandBack) -> None:
        """`hand_back` takes a lease that shall be tried again: at once, or after some seconds."""
        self._stock = stock
        self._lease_seconds = lease_seconds
        self._hand_back = hand_back
        self._waiting: deque[tuple[Lease, float]] = deque()
        self.run: Run | None = None
        """The call that has the child to itself."""
        self._alone = False
        self._alone_until = math.inf
        self._since = 0.0  # since when the first one waits
        self._refuse_until = 0.0

    @property
    def wait(self) -> bool:
        """Tell whether there are some that have not started."""
        return bool(self._waiting)

    @property
    def may_start(self) -> bool:
        """Tell whether one waits and no other is alone."""
        return bool(self._waiting) and not self._alone

    def take(self, lease: Lease, now: float) -> None:
        """Take one in; or hand it back, while the child makes up for the time that it stood by."""
        if now < self._refuse_until:
            self._hand_back(lease, _delay(lease))
            return
        if not self._waiting:
            self._since = now
        self._waiting.append((lease, now))
        self._reserve()

    def begin(self, now: float) -> tuple[Lease, float]:
        """Give the child to the first one; return it and when it was claimed."""
        lease, claimed_at = self._waiting.popleft()
        self._since = now
        self._alone = True
        self._reserve()
        return lease, claimed_at

    def started(self, run: Run) -> None:
        """Note the call of the one that was begun, and how long it stays alone."""
        self.run = run
        self._alone_until = run.started + _ALONE_SECONDS * 4 ** min(run.leases[0].crash_count - 1, 10)

    def ended(self) -> None:
        """Open the child again: the call has ended, or was not made after all."""
        self.run = None
        self._alone = False
        self._alone_until = math.inf
        self._reserve()

    def tend(self, now: float) -> bool:
        """Let nobody wait too long; tell whether the child is open for others now and was not before."""
        was_reserved = self._stock.reserved
        if now > self._alone_until:
            self.ended()
        waited = now - self._since
        if self._waiting and self._alone and waited > _BEHIND_SECONDS:
            self.release()
        elif self._waiting and not self._alone and waited > self._patience(self._waiting[0][0]):
            self._refuse_until = now + waited
            while self._waiting:
                lease, _ = self._waiting.popleft()
                self._hand_back(lease, _delay(lease))
        self._reserve()
        return was_reserved and not self._stock.reserved

    def release(self) -> None:
        """Hand back all that wait."""
        while self._waiting:
            self._hand_back(self._waiting.popleft()[0], None)
        self._reserve()

    def remove(self, lease: Lease) -> None:
        """Forget one that waits."""
        self._waiting = deque(item for item in self._waiting if item[0] is not lease)
        self._reserve()

    def waiting(self) -> list[Lease]:
        """Return those that have not started."""
        return [lease for lease, _ in self._waiting]

    def _reserve(self) -> None:
        self._stock.reserved = self._alone or bool(self._waiting)

    def _patience(self, lease: Lease) -> float:
        seconds = _PATIENCE * (1 + _hand_backs(lease))
        definition = registry.find(lease.task_name)
        if definition is not None and definition.batch:
            return min(seconds, self._lease_seconds / 2)  # a batch must begin within its lease: see `Batch.deadline`
        return seconds


def _hand_backs(lease: Lease) -> int:
    """Return how often it was claimed without an attempt: the epoch counts claims."""
    return max(0, lease.lease_epoch - 1 - lease.retry_count - lease.crash_count)


def _delay(lease: Lease) -> float:
    seconds = min(_LONGEST_DELAY, _PATIENCE * (1 + _hand_backs(lease)))
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311 - spreading load, not guarding a secret
