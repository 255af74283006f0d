"""How long a campaign's message is tried that a server has put off."""

from itertools import pairwise
from uuid import uuid4

from taskflow.campaigns.ledger import Row
from taskflow.campaigns.models import DELAYS, MAX_RETRIES
from taskflow.campaigns.verdict import Letter, report
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.engine import Batch, BatchItem
from taskflow.engine.store import Lease
from taskflow.engine.store import Outcome as Ended

GREYLISTED = Outcome(OutcomeKind.DEFERRED, "RCPT", reason="451 4.7.1 try again in five minutes")


def ended(retry_count: int) -> Ended:
    """Return what becomes of the task of a message that was deferred after so many attempts."""
    ends: list[Ended] = []
    lease = Lease(uuid4(), 1, "send_email", "email", 5, retry_count, MAX_RETRIES, 300, 0, None, None, None)
    item = BatchItem(lease, 0.0)
    batch = Batch([item], ends.append, 60.0)
    row = Row(lease.task_id, "PENDING", 0, 0, "ann@example.com", {}, None, None)
    status = "DEFERRED" if retry_count < MAX_RETRIES else "FAILED"
    report(Letter(batch, item, row, b"", lambda: None), GREYLISTED, status)
    return ends[0]


def test_a_deferred_message_is_tried_over_hours_so_that_greylisting_and_a_night_are_survived() -> None:
    waits = [ended(count).delay or 0.0 for count in range(MAX_RETRIES)]
    assert waits == list(DELAYS)
    assert all(one <= other for one, other in pairwise(waits))
    assert sum(waits) > 6 * 3600
    assert sum(waits[:7]) > 600, "ten minutes of greylisting end with attempts left"
    assert ended(MAX_RETRIES).dead
