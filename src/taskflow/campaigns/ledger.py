"""The ledger of campaign mail, and the crash contract that it keeps.

`SENDING` (attempt, provider, epoch) is committed before the network is touched, the outcome right after, in windows of
at most ten messages a sender. One statement, `turn`, commits the outcomes of window k together with SENDING for window
k + 1, so that a message costs a tenth of a commit. What a crash leaves behind is therefore exact:

- a row that is not SENDING was never on the wire in an unrecorded attempt;
- a row that is SENDING under an older epoch than its task's may or may not have been delivered: it becomes UNCERTAIN
  (policy `hold`), or is sent again once the old attempt can no longer be running (policy `resend`);
- a task that runs again and finds SENT completes without sending.

Every write is fenced: SENDING needs the task RUNNING under the epoch that the sender was given, an outcome needs the
row SENDING under that epoch. A stale sender changes nothing. Counters move by what the statement really changed, in
the same commit, so that their sums equal the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.logging import get_logger
from taskflow.db.columns import columns_of
from taskflow.db.outages import patiently
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery import ledgers
from taskflow.delivery.ledgers import End, Settlement, with_suppressions
from taskflow.delivery.states import RecipientStatus

log = get_logger(__name__)
sql = load(__file__, "ledger.sql")

_S = RecipientStatus


class Row(NamedTuple):
    """A recipient as read.

    `sending_seconds`: how long ago its last attempt was begun; `list_id`: what brought it; `in_doubt`: an earlier one
    was perhaps delivered.
    """

    recipient_id: UUID
    status: str
    lease_epoch: int
    attempt: int
    email: str
    personalization: Any
    error_message: str | None
    sending_seconds: float | None
    list_id: UUID | None = None
    in_doubt: bool = False


class Begin(NamedTuple):
    """A message that is about to be sent: the epoch of its task, the row as it was read, and who gets it."""

    recipient_id: UUID
    epoch: int
    was: str
    attempt: int
    email: str
    list_id: UUID | None
    provider: str


@dataclass(slots=True)
class Turned:
    """What one turn really did: the status that each row has now. Rows that are missing were not ours to change."""

    begun: dict[UUID, str]
    ended: dict[UUID, str]


class CampaignState(NamedTuple):
    """What a campaign is doing, and its policy for uncertain messages."""

    status: str
    uncertain_policy: str


class Ledger:
    """The ledger statements of one sender process; each waits up to a minute for a database that does not answer.

    A sender that knows what it needs to know only after a while has lost nothing; one that gave up would leave messages
    SENDING that never were, or burn an attempt of a whole batch.
    """

    def __init__(self, pool: Pool, *, erasure: ErasureKey) -> None:
        """Use the hot pool.

        Args:
            pool: connections with pinned plans.
            erasure: recognises the addresses of people who were erased.
        """
        self._pool = pool
        self._erasure = erasure
        self.stale = 0  # outcomes that came too late to be written

    async def read(self, campaign_id: UUID, recipient_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Return the rows of these recipients."""
        return await patiently(lambda: self._read(campaign_id, recipient_ids))

    async def campaign_state(self, campaign_id: UUID) -> CampaignState | None:
        """Return what the campaign is doing now; None when there is no such campaign."""
        row = await patiently(lambda: self._pool.fetchrow(sql.campaign_status, campaign_id))
        return CampaignState(*row) if row else None

    async def turn(self, campaign_id: UUID, slot: int, ends: Sequence[End], begins: Sequence[Begin]) -> Turned:
        """Commit outcomes and the SENDING of what comes next, together.

        A lost reply or a database that restarts is waited for, up to a minute; the statement is then repeated, which
        changes nothing twice, and rows that the first try had moved are found by reading them.
        """
        ends = sorted(ends)
        begins = sorted(begins)
        erased = [self._erasure.of(begin.email) for begin in begins]
        columns = (*ledgers.outcomes(ends), *columns_of(begins, Begin._fields), erased)

        async def attempt() -> Turned:
            turned = Turned({}, {})
            turn = sql.turn, campaign_id, slot, *columns
            rows = await with_suppressions(
                self._pool, turn, (sql.suppress_refused, campaign_id, *ledgers.refused(ends))
            )
            for is_end, recipient_id, status in rows:
                (turned.ended if is_end else turned.begun)[recipient_id] = status
            if len(rows) < len(ends) + len(begins):
                await self._explain(campaign_id, turned, ends, begins)
            return turned

        return await patiently(attempt)

    async def hand_on(self, campaign_id: UUID, provider: str, messages: Sequence[tuple[UUID, int]]) -> set[UUID]:
        """Commit that another provider has messages that are SENDING, by id and epoch; return those that may go on."""
        columns = columns_of(sorted(messages), ("recipient_id", "epoch"))
        rows = await patiently(lambda: self._pool.fetch(sql.hand_on, campaign_id, provider, *columns))
        return {row[0] for row in rows}

    async def settle(self, campaign_id: UUID, slot: int, settlements: Sequence[Settlement]) -> set[UUID]:
        """End rows that never reach the network (or were lost on it); return those that were ours to end."""
        columns = columns_of(sorted(settlements), Settlement._fields)

        async def attempt() -> set[UUID]:
            return {row[0] for row in await self._pool.fetch(sql.settle, campaign_id, slot, *columns)}

        return await patiently(attempt)

    async def requeued(self, rows: Sequence[Row]) -> set[UUID]:
        """Return those failed recipients whose task somebody has put back by hand since."""
        return await ledgers.requeued(self._pool, [(row.recipient_id, row.lease_epoch) for row in rows])

    async def _read(self, campaign_id: UUID, recipient_ids: Sequence[UUID]) -> dict[UUID, Row]:
        rows = await self._pool.fetch(sql.read, campaign_id, sorted(recipient_ids))
        return {row[0]: Row(*row) for row in rows}

    async def _explain(self, campaign_id: UUID, turned: Turned, ends: Sequence[End], begins: Sequence[Begin]) -> None:
        """Read what a turn did not move: an earlier try of it may have, and its reply was lost."""
        missing_ends = [end for end in ends if end.message_id not in turned.ended]
        missing_begins = [begin for begin in begins if begin.recipient_id not in turned.begun]
        identifiers = [end.message_id for end in missing_ends]
        identifiers += [begin.recipient_id for begin in missing_begins]
        rows = await self._read(campaign_id, identifiers)
        for end in missing_ends:
            row = rows.get(end.message_id)
            if row is not None and row.lease_epoch == end.epoch and row.status in (end.status, _S.CANCELLED):
                turned.ended[end.message_id] = row.status
            else:
                self.stale += 1
                log.warning("stale_outcome", recipient_id=str(end.message_id), epoch=end.epoch, outcome=end.status)
        for begin in missing_begins:
            row = rows.get(begin.recipient_id)
            if row is not None and row.lease_epoch == begin.epoch and row.status in (_S.SENDING, _S.SUPPRESSED):
                turned.begun[begin.recipient_id] = row.status
