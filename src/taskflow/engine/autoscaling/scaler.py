"""How many child processes a node wants: quickly more when tasks wait, slowly fewer when they do not.

More come when tasks have been waiting for a second, at most twice as many at a time; fewer when so many would have been
enough for half a minute, one at a time. A load that comes and goes thus keeps its processes instead of starting them
again and again.
"""

import math

GROW_SECONDS = 1.0
SHRINK_SECONDS = 30.0
_SHRINK_STEP_SECONDS = 5.0


class Scaler:
    """Decides for one node."""

    def __init__(self, least: int, most: int, capacity: int, *, shrink_seconds: float = SHRINK_SECONDS) -> None:
        """Begin with the least; `capacity` is how many tasks one process runs at a time."""
        self._least = least
        self._most = most
        self._capacity = capacity
        self._shrink_seconds = shrink_seconds
        self._pressed_since: float | None = None
        self._calm_since: float | None = None
        self.wanted = least

    def look(self, now: float, running: int, waiting: int) -> int:
        """Take in what runs here and what waits for anybody, at `now` seconds; return how many are wanted."""
        needed = min(max(math.ceil((running + waiting) / self._capacity), self._least), self._most)
        if needed > self.wanted and waiting:
            self._calm_since = None
            self._pressed_since = now if self._pressed_since is None else self._pressed_since
            if now - self._pressed_since >= GROW_SECONDS:
                self.wanted = min(needed, self.wanted * 2)
                self._pressed_since = now
        elif needed < self.wanted:
            self._pressed_since = None
            self._calm_since = now if self._calm_since is None else self._calm_since
            if now - self._calm_since >= self._shrink_seconds:
                self.wanted -= 1
                self._calm_since = now - self._shrink_seconds + min(_SHRINK_STEP_SECONDS, self._shrink_seconds)
        else:
            self._pressed_since = self._calm_since = None
        return self.wanted
