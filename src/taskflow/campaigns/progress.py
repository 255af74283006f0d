"""Progress told to the world: a hash in Redis and events to browsers, when something has changed.

The hash of an active campaign is also written again every few seconds, because Redis may have forgotten it.
"""

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.models import Progress
from taskflow.campaigns.notices import progress_event

_RATE_WINDOW_SECONDS = 5.0
_LEAST_SECONDS = 0.2  # between two events of a campaign
_AGAIN_SECONDS = 3.0  # between two writings of the same


class _Track:
    """What was told of one campaign, and its recent past."""

    def __init__(self) -> None:
        self.told: tuple[str, Progress] | None = None
        self.told_at = 0.0
        self.written_at = 0.0
        self.past: deque[tuple[float, int]] = deque()

    def rate(self, now: float, done: int) -> float:
        """Return recipients per second over the last seconds."""
        self.past.append((now, done))
        while len(self.past) > 2 and self.past[0][0] < now - _RATE_WINDOW_SECONDS:
            self.past.popleft()
        (then, before), seconds = self.past[0], now - self.past[0][0]
        return (done - before) / seconds if then < now else 0.0


class ProgressTeller:
    """Tells how campaigns are coming on; remembers what it has told."""

    def __init__(self) -> None:
        """Start with nothing told."""
        self._tracks: dict[UUID, _Track] = {}

    def measure(self, campaign_id: UUID, progress: Progress) -> Progress:
        """Return the progress with its present rate."""
        track = self._tracks.setdefault(campaign_id, _Track())
        return replace(progress, rate_per_second=track.rate(time.monotonic(), progress.sent + progress.failed))

    async def tell(self, broker: RedisBroker, campaign_id: UUID, status: str, progress: Progress) -> bool:
        """Write and publish progress that differs from what was told last; at most five times a second."""
        track = self._tracks.setdefault(campaign_id, _Track())
        now = time.monotonic()
        same_status = track.told is not None and track.told[0] == status
        if track.told == (status, progress) and now - track.written_at >= _AGAIN_SECONDS:
            await broker.write_progress(campaign_id, progress.sums())
            track.written_at = now
        if track.told == (status, progress) or (same_status and now - track.told_at < _LEAST_SECONDS):
            return False
        await broker.write_progress(campaign_id, progress.sums())
        await broker.events.publish([progress_event(campaign_id, status, progress)])
        track.told, track.told_at, track.written_at = (status, progress), now, now
        return True

    def forget_others(self, campaign_ids: Iterable[UUID]) -> None:
        """Forget campaigns that are over."""
        keep = set(campaign_ids)
        self._tracks = {key: track for key, track in self._tracks.items() if key in keep}
