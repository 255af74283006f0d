"""What a queue grants the tasks that come in: defaults, or nothing at all while it drains.

Enqueueing must not cost a statement more for it. So a process reads the few rows of `queues` every five seconds.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from taskflow.base.errors import ConflictError
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.engine.dependencies.models import GROUP
from taskflow.engine.limits.models import task_subject
from taskflow.engine.limits.overrides import Overrides
from taskflow.engine.requests import TaskRow

sql = load(__file__)

_FRESH_SECONDS = 5.0


class QueueDrainingError(ConflictError):
    """The queue drains: it takes no new tasks until it is resumed."""

    code = "queue_draining"


class QueueTerms(NamedTuple):
    """What a task gets in a queue unless it, or its definition, says otherwise."""

    priority: int | None = None
    max_retries: int | None = None
    timeout_seconds: int | None = None
    draining: bool = False


PLAIN = QueueTerms()


class QueueBook:
    """The queues' terms, and the tasks that operators limit, as this process knows them."""

    def __init__(self) -> None:
        """Start without knowing any."""
        self.overrides = Overrides()
        self._terms: Mapping[str, QueueTerms] = {}
        self._read_at = -_FRESH_SECONDS

    async def refresh(self, where: Pool | Connection) -> Mapping[str, QueueTerms]:
        """Return the terms that are not plain, by queue; they are read again when they are older than five seconds."""
        if time.monotonic() - self._read_at >= _FRESH_SECONDS:
            rows = await where.fetch(sql.terms)
            self._terms = {name: QueueTerms(*terms) for name, *terms in rows}
            await self.overrides.refresh(where)
            self._read_at = time.monotonic()
        return self._terms

    def forget(self) -> None:
        """Read them again with the next task."""
        self._read_at = -_FRESH_SECONDS


def admit(rows: Sequence[TaskRow], terms: Mapping[str, QueueTerms]) -> Sequence[TaskRow]:
    """Return tasks with what their queues grant where neither caller nor definition chose.

    Raises:
        QueueDrainingError: one of the queues takes no new tasks.
    """
    return [_admitted(row, terms.get(row.queue, PLAIN)) for row in rows] if terms else rows


def _admitted(row: TaskRow, terms: QueueTerms) -> TaskRow:
    if terms is PLAIN or row.task_name == GROUP:  # a group stands in no line
        return row
    if terms.draining:
        raise draining(row.queue)
    return grant(row, terms)


def routed(rows: Sequence[TaskRow], overridden: Collection[str]) -> Sequence[TaskRow]:
    """Return tasks with those that an operator limits, although their definitions do not, in lines of their own."""
    return [_routed(row, task_subject(row.task_name), overridden) for row in rows] if overridden else rows


def _routed(row: TaskRow, own: str, overridden: Collection[str]) -> TaskRow:
    return row._replace(part=own) if row.part is None and own in overridden else row


def draining(queue: str) -> QueueDrainingError:
    """Return the error of a queue that drains."""
    return QueueDrainingError(
        f"The queue {queue!r} drains and takes no new tasks; `taskflow queue resume {queue}` opens it again.",
        queue=queue,
    )


def grant(row: TaskRow, terms: QueueTerms) -> TaskRow:
    """Return a task with what its queue grants where neither caller nor definition chose."""
    return row._replace(
        priority=_granted(row, "priority", terms.priority, row.priority),
        max_retries=_granted(row, "max_retries", terms.max_retries, row.max_retries),
        timeout=_granted(row, "timeout", terms.timeout_seconds, row.timeout),
    )


def _granted(row: TaskRow, term: str, granted: int | None, present: int) -> int:
    return present if granted is None or term in row.said else granted
