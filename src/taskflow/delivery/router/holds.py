"""Senders that a provider does not send for, as far as this process has been told.

An account sends only for what it has verified. What it says of one sender opens no breaker, because it carries all
others; but the next messages of that sender need not ask it again at once: for half a minute they go to other
providers, or wait.
"""

import time
from collections.abc import Callable, Iterable

from taskflow.delivery.outcome import Outcome
from taskflow.delivery.router.models import Wait

HOLD_SECONDS = 30.0
_MOST = 1_000


class Holds:
    """Pairs of provider and sender that are not tried for now."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """Hold nobody; `now`: seconds that only grow."""
        self._now = now
        self._held: dict[tuple[str, str], tuple[float, str]] = {}  # till when, and why

    def note(self, provider: str, sender: str, outcome: Outcome) -> None:
        """Remember what a provider has said of a sender."""
        now = self._now()
        if len(self._held) >= _MOST:
            self._held = {pair: held for pair, held in self._held.items() if held[0] > now}
        if len(self._held) < _MOST:
            reason = f"{provider} does not send for {sender or 'this sender'}: {outcome.text}"
            self._held[provider, sender] = (now + HOLD_SECONDS, reason)

    def of(self, sender: str, providers: Iterable[str]) -> dict[str, Wait]:
        """Return those of the providers that are not to be asked for this sender, and for how long."""
        if not self._held:
            return {}
        now = self._now()
        found = {name: self._held[name, sender] for name in providers if (name, sender) in self._held}
        return {name: Wait(till - now, reason) for name, (till, reason) in found.items() if till > now}
