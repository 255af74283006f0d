"""The retry handler: decides what an attempt's end means for its task."""

from typing import Any

from taskflow.engine import retry as retries
from taskflow.engine.arguments import UpgradeError
from taskflow.engine.payload import ResultRefusedError, keepable
from taskflow.engine.retry import NoRetry
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease, Outcome

_MAX_ERROR = 2_000
_MAX_STACK = 20_000

FINAL_ERRORS = (NoRetry, ResultRefusedError, UpgradeError)
"""Another attempt would end in the same way."""


def completed(lease: Lease, seconds: float, result: Any = None, ttl: float | None = None) -> Outcome:
    """The function returned; `ttl`: seconds for which its result is kept."""
    return Outcome(lease, TaskStatus.COMPLETED, "COMPLETED", seconds, result=result, result_ttl=ttl)


def failed(
    lease: Lease,
    seconds: float,
    error: str,
    *,
    stack: str | None = None,
    retry: bool = True,
    after: float | None = None,
    timed_out: bool = False,
) -> Outcome:
    """The function raised, or took too long: again later while attempts are left, else the dead letters."""
    how = TaskStatus.TIMEOUT if timed_out else TaskStatus.FAILED
    outcome = Outcome(lease, how, how.value, seconds, error=_clip(error, _MAX_ERROR), stack=_clip(stack, _MAX_STACK))
    if retry and lease.retry_count < lease.max_retries:
        outcome.status = TaskStatus.SCHEDULED
        outcome.retries = 1
        outcome.delay = retries.delay(lease.retry_count) if after is None else after
    else:
        outcome.dead = True
    return outcome


def crashed(lease: Lease, seconds: float | None, error: str, limit: int, *, alone: bool = True) -> Outcome:
    """The attempt took its process with it: again after a growing pause, or quarantined at the `limit`th time.

    Only one that was `alone` in the process is quarantined: of several, one did it, and nobody knows which.
    """
    outcome = Outcome(lease, TaskStatus.SCHEDULED, "CRASHED", seconds, crashes=1, error=_clip(error, _MAX_ERROR))
    if alone and lease.crash_count + 1 >= limit:
        outcome.status = TaskStatus.FAILED
        outcome.error = _clip(f"Poison: it crashed its process {lease.crash_count + 1} times. {error}", _MAX_ERROR)
        outcome.dead = True
    else:
        outcome.delay = retries.delay(lease.crash_count)
    return outcome


def released(lease: Lease, after: float | None = None, seconds: float | None = None) -> Outcome:
    """The worker hands the task back: no attempt is burnt. An attempt that had begun keeps its row in the history."""
    status = TaskStatus.PENDING if after is None else TaskStatus.SCHEDULED
    return Outcome(lease, status, "" if seconds is None else "RELEASED", seconds, delay=after)


def cancelled(lease: Lease, seconds: float | None) -> Outcome:
    """Somebody asked for it."""
    return Outcome(lease, TaskStatus.CANCELLED, "CANCELLED", seconds)


def _clip(text: str | None, most: int) -> str | None:
    """Cut text to a length and to characters that PostgreSQL keeps."""
    if text is None:
        return None
    text = keepable(text)
    return text if len(text) <= most else f"{text[: most // 2]} … {text[-most // 2 :]}"
