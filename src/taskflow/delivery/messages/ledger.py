"""The ledger of messages without a campaign, under the same crash contract as campaign mail (`campaigns.ledger`).

`SENDING` is committed before the network is touched, the outcome right after, for at most ten messages a sender. Both
are statements of their own: a transactional message waits for nobody, while campaigns save a commit by joining them.
"""

from collections.abc import Collection, Container, Mapping, Sequence
from dataclasses import replace
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
from taskflow.delivery.messages.errors import ContentNotKeptError
from taskflow.delivery.messages.models import Letter, StoredSubmission, TextTerms
from taskflow.delivery.messages.notices import MessageNotices
from taskflow.delivery.states import RecipientStatus

log = get_logger(__name__)
sql = load(__file__, "ledger.sql")

_S = RecipientStatus


class Row(NamedTuple):
    """A message as read.

    `sending_seconds`: how long ago its last attempt was begun; `in_doubt`: an earlier one was perhaps delivered;
    `is_expired`: it is too late; `due_seconds`: for how long it has been wanted.
    """

    message_id: UUID
    submission_id: UUID
    status: str
    lease_epoch: int
    attempt: int
    channel: str
    address: str
    name: str | None
    locale: str | None
    personalization: Any
    uncertain_policy: str
    error_message: str | None
    sending_seconds: float | None
    in_doubt: bool = False
    is_expired: bool = False
    due_seconds: float = 0.0

    @property
    def resend(self) -> bool:
        """Whether it is sent again when nobody knows what became of it."""
        return self.uncertain_policy == "resend"


class Begin(NamedTuple):
    """A message that is about to be sent: its task's epoch, the row as read, what is kept of what is sent.

    `promotional`: whoever has unsubscribed gets none.
    """

    message_id: UUID
    epoch: int
    was: str
    attempt: int
    channel: str
    address: str
    erased: str
    subject: str | None
    size: int
    content: bytes | None
    promotional: bool = False


class MessageLedger:
    """The ledger statements of one sender process; each waits up to a minute for a database that does not answer."""

    def __init__(
        self, pool: Pool, erasure: ErasureKey, prices: Mapping[str, Any], notices: MessageNotices | None = None
    ) -> None:
        """Use the hot pool.

        Args:
            pool: connections with pinned plans.
            erasure: recognises the addresses of people who were erased.
            prices: what texts cost over providers that do not say (`SmsSettings.price_list`).
            notices: hears of ends.
        """
        self._tell = notices.tell if notices is not None else _tell_nobody
        self._prices = prices
        self._pool = pool
        self._erasure = erasure
        self.stale = 0  # outcomes that came too late to be written

    async def read(self, message_ids: Sequence[UUID]) -> dict[UUID, Row]:
        """Return the rows of these messages."""
        wanted = sorted(message_ids)
        rows = await patiently(lambda: self._pool.fetch(sql.read, wanted))
        return {row[0]: Row(*row) for row in rows}

    async def submissions(self, message_ids: Sequence[UUID]) -> dict[UUID, StoredSubmission]:
        """Return what these messages have in common, by its id; what is not there any more is missing."""
        wanted = sorted(message_ids)
        rows = await patiently(lambda: self._pool.fetch(sql.submissions, wanted))
        return {row["submission_id"]: StoredSubmission(**row) for row in map(_with_letter, rows)}

    async def whole(self, submission: StoredSubmission) -> StoredSubmission:
        """Return a submission with its finished mail, if it came as one, and with the files that came with it.

        Raises:
            ContentNotKeptError: they are not there any more.
        """
        if submission.raw_bytes is None and not submission.enclosures:
            return submission
        row = await patiently(lambda: self._pool.fetchrow(sql.whole, submission.submission_id))
        if row is None:
            raise ContentNotKeptError
        return replace(submission, raw=row["raw"], files=tuple(row["files"] or ()))

    def erased(self, address: str) -> str:
        """Return what an erasure would have left of an address."""
        return self._erasure.of(address)

    async def begin(self, provider: str, begins: Sequence[Begin]) -> dict[UUID, str]:
        """Commit SENDING; return the status that each row has now. Rows that are missing were not ours to change.

        A lost reply or a database that restarts is waited for; the statement is then repeated, which changes nothing
        twice, and rows that the first try had moved are found by reading them.
        """
        if not begins:
            return {}
        columns = columns_of(sorted(begins), Begin._fields)

        async def attempt() -> dict[UUID, str]:
            found = {row[0]: row[1] for row in await self._pool.fetch(sql.begin, provider, *columns)}
            missing = {begin.message_id: begin for begin in begins if begin.message_id not in found}
            for row in await self._look_again(missing):
                begin = missing[row.message_id]
                if row.lease_epoch == begin.epoch and row.status in (_S.SENDING, _S.SUPPRESSED):
                    found[begin.message_id] = row.status
            return found

        found = await patiently(attempt)
        self._tell({message_id: status for message_id, status in found.items() if status != _S.SENDING})
        return found

    async def hand_on(self, provider: str, messages: Sequence[tuple[UUID, int]]) -> set[UUID]:
        """Commit that another provider has messages that are SENDING, by id and epoch; return those that are ours."""
        if not messages:
            return set()
        columns = columns_of(sorted(messages), ("message_id", "epoch"))
        return {row[0] for row in await patiently(lambda: self._pool.fetch(sql.hand_on, provider, *columns))}

    async def end(self, ends: Sequence[End], *, forget: Container[UUID] = ()) -> dict[UUID, str]:
        """Commit outcomes; return the status that each row has now, as `begin` does.

        `forget`: the messages whose person's values go once they are SENT.
        """
        if not ends:
            return {}
        ends = sorted(ends)
        columns = (*ledgers.outcomes(ends), [end.message_id in forget for end in ends], self._prices)
        suppress = sql.suppress_refused, *ledgers.refused(ends)

        async def attempt() -> dict[UUID, str]:
            rows = await with_suppressions(self._pool, (sql.end, *columns), suppress)
            found = {row[0]: row[1] for row in rows}
            missing = {end.message_id: end for end in ends if end.message_id not in found}
            for row in await self._look_again(missing):
                end = missing[row.message_id]
                if row.lease_epoch == end.epoch and row.status == end.status:
                    found[end.message_id] = row.status
                else:
                    self.stale += 1
                    log.warning("stale_outcome", message_id=str(end.message_id), epoch=end.epoch, outcome=end.status)
            return found

        found = await patiently(attempt)
        self._tell(found)
        return found

    async def settle(self, settlements: Sequence[Settlement]) -> set[UUID]:
        """End rows that never reach the network (or were lost on it); return those that were ours to end."""
        columns = columns_of(sorted(settlements), Settlement._fields)
        ended = {row[0] for row in await patiently(lambda: self._pool.fetch(sql.settle, *columns))}
        self._tell({one.message_id: one.status for one in settlements if one.message_id in ended})
        return ended

    async def wait(self, waits: Sequence[tuple[UUID, int, str]]) -> None:
        """Say why messages that are not begun are not sent yet: id, epoch, the sentence."""
        columns = columns_of(sorted(waits), ("message_id", "epoch", "why"))
        await patiently(lambda: self._pool.execute(sql.wait, *columns))

    async def requeued(self, rows: Sequence[Row]) -> set[UUID]:
        """Return those failed messages whose task somebody has put back by hand since."""
        return await ledgers.requeued(self._pool, [(row.message_id, row.lease_epoch) for row in rows])

    async def _look_again(self, missing: Collection[UUID]) -> list[Row]:
        """Read rows that a statement did not move: an earlier try of it may have, and its reply was lost."""
        return [Row(*row) for row in await self._pool.fetch(sql.read, sorted(missing))] if missing else []


def _tell_nobody(_statuses: Mapping[UUID, str]) -> None:
    """Say nothing."""


def _with_letter(row: Any) -> dict[str, Any]:
    kind = Letter if row["channel"] == "email" else TextTerms
    return dict(row) | {"letter": kind.from_json(row["letter"])}
