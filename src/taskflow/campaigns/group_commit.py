"""Group commit of ledger turns: what several senders want committed at the same moment goes in one statement.

Each sender still has at most one window of ten on the wire, so what a crash leaves UNCERTAIN is bounded as before; only
the commits are shared. While a statement is under way, the turns of its campaign collect and go with the next one: a
lone sender waits for nobody, and busy ones share.

A statement that PostgreSQL refuses for what is in it is repeated turn by turn, so that only the guilty sender fails.
"""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from taskflow.campaigns.ledger import Begin, Ledger, Turned
from taskflow.db.outages import TRANSIENT
from taskflow.delivery.ledgers import End


class _Turn:
    """One sender's turn, and the future in which it waits for the commit."""

    __slots__ = ("begins", "done", "ends")

    def __init__(self, ends: Sequence[End], begins: Sequence[Begin]) -> None:
        self.ends = ends
        self.begins = begins
        self.done: asyncio.Future[Turned] = asyncio.get_running_loop().create_future()


class GroupCommit:
    """Commits the turns of one process, one statement of a campaign at a time."""

    def __init__(self, ledger: Ledger, slot: int) -> None:
        """`slot`: the counter slot of this process; each has its own, so that none waits for another's row."""
        self._ledger = ledger
        self._slot = slot
        self._waiting: dict[UUID, list[_Turn]] = {}
        self._writers: dict[UUID, asyncio.Task[None]] = {}

    async def turn(self, campaign_id: UUID, ends: Sequence[End], begins: Sequence[Begin]) -> Turned:
        """Commit outcomes and the SENDING of what comes next (`Ledger.turn`), with whatever else is waiting.

        Returns:
            What the whole statement did, others' rows included.
        """
        turn = _Turn(ends, begins)
        self._waiting.setdefault(campaign_id, []).append(turn)
        if campaign_id not in self._writers:
            self._writers[campaign_id] = asyncio.create_task(self._write(campaign_id), name="ledger-turns")
        return await turn.done

    async def _write(self, campaign_id: UUID) -> None:
        try:
            while group := self._waiting.pop(campaign_id, None):
                await self._commit(campaign_id, group)
        finally:
            del self._writers[campaign_id]

    async def _commit(self, campaign_id: UUID, group: Sequence[_Turn]) -> None:
        ends = [end for turn in group for end in turn.ends]
        begins = [begin for turn in group for begin in turn.begins]
        try:
            turned = await self._ledger.turn(campaign_id, self._slot, ends, begins)
        except Exception as error:  # noqa: BLE001 - each sender handles its own
            if len(group) > 1 and not isinstance(error, TRANSIENT):
                for turn in group:
                    await self._commit(campaign_id, [turn])
                return
            for turn in group:
                if not turn.done.done():
                    turn.done.set_exception(error)
        else:
            for turn in group:
                if not turn.done.done():  # its sender may have been cancelled
                    turn.done.set_result(turned)
