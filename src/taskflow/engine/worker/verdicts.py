"""What the end of a call means for its leases: the reason for which it was stopped comes before what it raised."""

import traceback
from time import monotonic

from taskflow.engine import outcomes
from taskflow.engine.retry import Retry
from taskflow.engine.store import Lease, Outcome
from taskflow.engine.worker.run import Run, TimeLimitReached


def stopped(run: Run, lease: Lease) -> Outcome:
    """Return the outcome of a call that was stopped."""
    seconds = monotonic() - run.started
    if run.reason == "cancel":
        return outcomes.cancelled(lease, seconds)
    if run.reason == "drain":
        return outcomes.released(lease, seconds=seconds)
    if run.heartbeat is not None and monotonic() < run.limit:
        error = f"It gave no sign of life for {run.heartbeat:g} s."
    else:
        error = f"It took longer than its time limit of {lease.timeout_seconds} s."
    return outcomes.failed(lease, seconds, error, timed_out=True)


def failed(run: Run, lease: Lease, error: BaseException) -> Outcome:
    """Return the outcome of a call that raised."""
    seconds = monotonic() - run.started
    if run.reason is not None:
        return stopped(run, lease)
    if isinstance(error, TimeLimitReached):
        run.reason = "timeout"
        return stopped(run, lease)
    if isinstance(error, Retry):
        return outcomes.failed(lease, seconds, str(error), after=error.after)
    stack = "".join(traceback.format_exception(error))
    retry = not isinstance(error, outcomes.FINAL_ERRORS)
    return outcomes.failed(lease, seconds, sentence(error), stack=stack, retry=retry)


def ended(run: Run, lease: Lease, error: BaseException | None) -> Outcome:
    """Return the outcome of a lease that its call has left open."""
    if error is not None:
        return failed(run, lease, error)
    if run.reason is not None:
        return stopped(run, lease)
    return outcomes.failed(lease, monotonic() - run.started, "The task was cancelled from within.")


def sentence(error: BaseException) -> str:
    """Return what a person reads of an exception."""
    return f"{type(error).__name__}: {error}"
