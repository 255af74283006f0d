"""Recipients whose mailbox gets more than its server lets through, as far as this process has been told.

A server that says so (450 4.2.1) means this one mailbox: neither its domain nor the provider goes slower, and another
provider would hear the same. So whoever writes to it waits, for a minute at first and twice as long with each refusal,
and no attempt is burnt. After an hour of that a refusal is an attempt like any other, because a mailbox may also be
disabled for good behind these words.
"""

import random
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from taskflow.delivery.router.models import Wait

FIRST_SECONDS = 60.0
REFUSALS = 6  # that are no attempts: 1 + 2 + 4 + 8 + 16 + 30 minutes
_LONGEST_SECONDS = 1_800.0
_FORGET_SECONDS = 3_600.0  # after its wait was over
_MOST = 10_000
_REASON = "Its mailbox gets more than its server lets through."  # without the address: campaigns show it, too


class _Busy(NamedTuple):
    refusals: int
    till: float


class BusyRecipients:
    """Addresses that are not written to for now."""

    def __init__(self, now: Callable[[], float] = time.monotonic, rng: random.Random | None = None) -> None:
        """Know nobody; `now`: seconds that only grow. `rng` spreads those who wait for one mailbox."""
        self._now = now
        self._rng = rng or random.Random()  # noqa: S311 - no secret
        self._busy: OrderedDict[str, _Busy] = OrderedDict()

    def refused(self, address: str) -> float | None:
        """Note a refusal; return the seconds to wait, or None when it has had so many that this one is an attempt.

        Refusals of messages that were on their way at the same time count once.
        """
        now, known = self._now(), self._busy.get(address)
        if known is None or now - known.till > _FORGET_SECONDS:
            known = _Busy(0, 0.0)
        if known.till <= now:
            wait = min(_LONGEST_SECONDS, FIRST_SECONDS * 2**known.refusals)
            known = _Busy(known.refusals + 1, now + wait)
            self._busy[address] = known
            self._busy.move_to_end(address)
            if len(self._busy) > _MOST:
                self._busy.popitem(last=False)
        return self._spread(known.till - now) if known.refusals <= REFUSALS else None

    def took(self, address: str) -> None:
        """Forget a recipient who has got a message."""
        if self._busy:
            self._busy.pop(address, None)

    def wait(self, address: str) -> Wait | None:
        """Return for how long nothing is to be sent to a recipient, and why; None: it may."""
        known = self._busy.get(address) if self._busy else None
        left = known.till - self._now() if known is not None else 0.0
        if known is None or left <= 0:
            return None
        return Wait(self._spread(left), _REASON, for_all=False)

    def _spread(self, seconds: float) -> float:
        return seconds + self._rng.uniform(0.0, min(seconds, FIRST_SECONDS) / 4)
