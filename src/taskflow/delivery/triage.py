"""What to do with claimed send tasks, by what their ledger rows say: the reading side of the crash contract.

| row | then |
|---|---|
| SENT, SUPPRESSED, BOUNCED, UNSUBSCRIBED | the task is completed, nothing is sent |
| SENDING, older epoch | policy `hold`: UNCERTAIN. `resend`: sent again once the old attempt cannot be alive |
| UNCERTAIN | the task fails for good, until a person resolves it |
| FAILED | sent again if somebody put its task back by hand, else the task fails as the row did |
| PENDING, DEFERRED, CANCELLED | it waits: what becomes of it, the ledger's owner knows |
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeVar
from uuid import UUID

from taskflow.delivery.ledgers import Settlement
from taskflow.delivery.standing import LOST, LedgerRow, standing_of
from taskflow.delivery.states import RecipientStatus
from taskflow.engine import Batch, BatchItem

Settle = Callable[[Sequence[Settlement]], Awaitable[set[UUID]]]


class Row(LedgerRow, Protocol):
    """What is looked at, and told."""

    @property
    def error_message(self) -> str | None:
        """Why it failed."""


R = TypeVar("R", bound=Row)


async def sort_out(
    batch: Batch,
    items: Sequence[BatchItem],
    rows: Mapping[UUID, R],
    *,
    policy: Callable[[R], tuple[bool, float]],
    settle: Settle,
    requeued: Callable[[Sequence[R]], Awaitable[set[UUID]]],
    unknown: str,
) -> list[tuple[BatchItem, R]]:
    """Report the tasks that have nothing to send; return those that wait, with their rows.

    Args:
        batch: where they are reported.
        items: the tasks.
        rows: the ledger's rows, by task.
        policy: whether a lost message is sent again, and how many seconds after it was begun.
        settle: the ledger's.
        requeued: the ledger's.
        unknown: why a task without a row fails.
    """
    waiting: list[tuple[BatchItem, R]] = []
    failed: list[tuple[BatchItem, R]] = []
    lost: list[tuple[BatchItem, R, str]] = []
    for item in items:
        row = rows.get(item.task_id)
        if row is None:
            batch.fail(item, unknown, retry=False)
            continue
        resend, resend_after = policy(row)
        match standing_of(row, item.lease_epoch, resend=resend, resend_after=resend_after):
            case "over":
                batch.complete(item)
            case "uncertain":
                batch.fail(item, row.error_message or LOST, retry=False)
            case "later":
                batch.release(item, resend_after - (row.sending_seconds or 0.0))
            case "lost":
                lost.append((item, row, LOST))
            case "failed":
                failed.append((item, row))
            case "waiting":
                waiting.append((item, row))
    await end(batch, lost, RecipientStatus.UNCERTAIN, settle)
    again = await requeued([row for _, row in failed]) if failed else set()
    for item, row in failed:
        if item.task_id in again:
            waiting.append((item, row))
        else:
            batch.fail(item, row.error_message or "It failed.", retry=False)
    return waiting


async def end(
    batch: Batch, found: Sequence[tuple[BatchItem, Row, str]], status: RecipientStatus, settle: Settle
) -> None:
    """End messages without a network, each with its reason."""
    if not found:
        return
    settled = await settle(
        [
            Settlement(item.task_id, item.lease_epoch, row.status, row.lease_epoch, status, why)
            for item, row, why in found
        ]
    )
    for item, _, why in found:
        if item.task_id in settled:
            batch.fail(item, why, retry=False)
        else:
            batch.release(item)  # somebody else was faster: read the row again
