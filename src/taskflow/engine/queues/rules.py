"""What the relay must know of queues and limits: it keeps Redis true to these rows."""

from collections.abc import Sequence

from taskflow.broker.limits import Limit, queue_subject
from taskflow.db.pool import Database
from taskflow.engine.coordinator.duty import DispatchRule
from taskflow.engine.limits.repository import limits_in_force
from taskflow.engine.queues.terms import sql

ANY_QUEUE = "*"


async def dispatch_rules(database: Database) -> Sequence[DispatchRule]:
    """Return every paused queue and every limit."""
    limits = await limits_in_force(database)
    rules = [
        DispatchRule(row["name"], row["paused"], limits.pop(queue_subject(row["name"]), Limit()))
        for row in await database.pool.fetch(sql.pauses)
    ]
    for subject, limit in limits.items():
        kind, _, queue = subject.partition(":")
        rules.append(DispatchRule(queue if kind == "queue" else f"{ANY_QUEUE}/{subject}", limit=limit))
    return rules
