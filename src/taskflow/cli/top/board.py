"""What `taskflow top` knows at a moment: the last answers of the API, and the ends that it heard of since."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

SORTS = ("busy", "ready", "running", "name")
SECONDS = 120
_BAD = frozenset({"FAILED", "TIMEOUT"})


@dataclass
class Board:
    """The state behind the display.

    Attributes:
        stats, workers, failures: as `/stats`, `/workers` and the newest failed `/tasks` tell them.
        completed, failed: ends in each of the last seconds, as heard on the event stream; the present second is last.
        trouble: why nothing new comes, or an empty text.
    """

    sort: str = SORTS[0]
    stats: dict[str, Any] | None = None
    workers: list[dict[str, Any]] = field(default_factory=list)
    failures: list[dict[str, Any]] = field(default_factory=list)
    completed: deque[int] = field(default_factory=lambda: deque([0], maxlen=SECONDS))
    failed: deque[int] = field(default_factory=lambda: deque([0], maxlen=SECONDS))
    live: bool = False
    paused: bool = False
    trouble: str = ""

    def hear(self, status: str) -> bool:
        """Count an end; tell whether it was a bad one."""
        if status == "COMPLETED":
            self.completed[-1] += 1
        elif status in _BAD:
            self.failed[-1] += 1
        return status in _BAD

    def tick(self) -> None:
        """Begin the next second."""
        self.completed.append(0)
        self.failed.append(0)

    def rate(self, seconds: int = 5) -> float:
        """Return completions a second: as heard over the last full seconds, or as the API says while nothing is."""
        heard = list(self.completed)[:-1][-seconds:]
        if self.live and len(heard) == seconds:
            return sum(heard) / seconds
        return float(self.stats["tasks"]["completed_per_second"]) if self.stats else 0.0

    def queues(self) -> list[dict[str, Any]]:
        """Return the queues in the chosen order."""
        found: list[dict[str, Any]] = self.stats["tasks"]["queues"] if self.stats else []
        match self.sort:
            case "ready":
                return sorted(found, key=lambda queue: (-queue["ready"], queue["queue"]))
            case "running":
                return sorted(found, key=lambda queue: (-queue["running"], queue["queue"]))
            case "name":
                return sorted(found, key=lambda queue: str(queue["queue"]))
        return sorted(found, key=lambda queue: (-queue["ready"] - queue["running"], queue["queue"]))

    def sort_next(self) -> None:
        """Go on to the next order."""
        self.sort = SORTS[(SORTS.index(self.sort) + 1) % len(SORTS)]

    def snapshot(self) -> dict[str, Any]:
        """Return everything for programs."""
        return {"stats": self.stats, "workers": self.workers, "failures": self.failures}
