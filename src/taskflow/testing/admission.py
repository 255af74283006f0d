"""What decides inline whether a task begins: keys that another one holds, and how its parents ended."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from taskflow.engine.dependencies.insertion import ParentNotFoundError
from taskflow.engine.dependencies.models import Edge, InvalidDependencyError, OnFailure, OnSuccess, fill
from taskflow.engine.keys import DuplicateTaskError, TaskKeyReusedError
from taskflow.engine.requests import TaskRow
from taskflow.engine.states import TERMINAL, TaskStatus
from taskflow.testing.running import InlineTask

_KEY_LIFE = timedelta(days=1)


def holder_of(row: TaskRow, tasks: Sequence[InlineTask], now: datetime) -> InlineTask | None:
    """Return the task that holds a key of this one, and that `on_conflict` says to return; cancel what it replaces.

    Raises:
        TaskKeyReusedError: its idempotency key was used for another call.
        DuplicateTaskError: its unique key is held, and `on_conflict` is "raise".
    """
    same = [one for one in reversed(tasks) if one.name == row.task_name]
    if row.idempotency_key is not None:
        for one in same:
            if one.row.idempotency_key == row.idempotency_key and one.enqueued_at > now - _KEY_LIFE:
                if None not in (one.row.fingerprint, row.fingerprint) and one.row.fingerprint != row.fingerprint:
                    raise TaskKeyReusedError(
                        f"The idempotency key {row.idempotency_key!r} of {row.task_name} was used with other arguments."
                    )
                return one
    if row.unique is not None:
        for one in same:
            if one.row.unique is not None and one.row.unique.key == row.unique.key:
                return _conflict(row, one, now)
    return None


def _conflict(row: TaskRow, one: InlineTask, now: datetime) -> InlineTask | None:
    claim, held = row.unique, one.row.unique
    assert claim is not None and held is not None  # noqa: S101, PT018 - the caller looked
    lives = one.status not in TERMINAL
    if not (lives if held.seconds is None else one.enqueued_at + timedelta(seconds=held.seconds) > now):
        return None
    if claim.on_conflict == "return":
        return one
    if claim.on_conflict == "raise":
        raise DuplicateTaskError(f"The task {one.task_id} holds the unique key {claim.key!r} of {row.task_name}.")
    if lives:
        one.cancel()
    return None


def after_parents(row: TaskRow, tasks: Mapping[UUID, InlineTask]) -> tuple[TaskRow, TaskStatus | None]:
    """Return a task with the results of its parents, and the end that their ends make of it, if any.

    Raises:
        ParentNotFoundError: there is no such task.
        InvalidDependencyError: one has not ended: it waits for the clock.
    """
    verdict: TaskStatus | None = None
    found = []
    for edge in row.parents:
        parent = tasks.get(edge.parent_id)
        if parent is None:
            raise ParentNotFoundError(f"There is no task {edge.parent_id} to wait for.", task_id=str(edge.parent_id))
        if parent.status not in TERMINAL:
            raise InvalidDependencyError(
                f"{row.task_name} waits for {parent.name}, which is {parent.status}. Inline, parents have to have"
                " ended: let time pass first (`advance`), or test it with a real engine."
            )
        verdict = verdict or _verdict(edge, parent.status)
        found.append((edge.arguments, parent.result if parent.status is TaskStatus.COMPLETED else None))
    return row._replace(kwargs=fill(row.kwargs, found)), verdict


def _verdict(edge: Edge, status: TaskStatus) -> TaskStatus | None:
    """Say what `dependency_verdict` says in SQL."""
    if status is TaskStatus.COMPLETED:
        return TaskStatus.CANCELLED if edge.on_success is OnSuccess.SKIP else None
    if edge.on_failure is OnFailure.RUN:
        return None
    failed = edge.on_failure is OnFailure.FAIL and status is not TaskStatus.CANCELLED
    return TaskStatus.FAILED if failed else TaskStatus.CANCELLED
