"""Election: who leads is a row, won by compare-and-set on the database's clock.

`coordinator_leases` holds one row a role: holder, term, expires_at.

- **Take**: only once the row has expired; the term goes up by one. The row is locked FOR UPDATE, so a take waits for
  every transaction that writes under the old term (those hold it FOR KEY SHARE) and never overtakes one.
- **Renew**: every third of a term, by holder and term, while the row has not expired. Renewing leaves the primary key
  alone, so it never waits for the leader's own duties.
- **Deadline**: the holder counts the term on its monotonic clock from before it asked, so it stops considering itself
  the leader no later than the database does, also when it cannot reach the database at all.
- **Write**: each write of a duty runs inside `Lease.leading()`, which checks the row in the transaction of the write.
  A leader that was stopped (SIGSTOP, a long pause of its machine) and wakes after another took over fails this check
  and writes nothing. If it was stopped in the middle of a transaction, the server ends that session after
  `IDLE_IN_TRANSACTION_SECONDS`, before the term is over, and the take goes through.
- **Release**: a clean stop gives the row back; a standby has it within a sixth of a term.

There is no session state: no LISTEN, no advisory lock; it works behind a pooler in transaction mode.
"""

import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from taskflow.base.errors import TaskFlowError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Connection, Database, Pool
from taskflow.db.queries import load

sql = load(__file__)

IDLE_IN_TRANSACTION_SECONDS = 4.0
ROLE = "coordinator"


def role_of(duties: Sequence[str]) -> str:
    """Return the role of a coordinator that runs only these duties; no names are all duties."""
    return f"{ROLE}/{'+'.join(sorted(duties))}" if duties else ROLE


class LeadershipLostError(TaskFlowError):
    """This coordinator no longer leads."""

    code = "leadership_lost"


class Lease:
    """One term of one leader."""

    def __init__(self, role: str, holder: UUID, term: int, deadline: float, seconds: float) -> None:
        """`deadline`: monotonic; until then this process may consider itself the leader. `seconds`: of a term."""
        self.role = role
        self.holder = holder
        self.term = term
        self._deadline = deadline
        self._seconds = seconds

    @property
    def is_held(self) -> bool:
        """Tell whether this process may still consider itself the leader."""
        return time.monotonic() < self._deadline

    @property
    def remaining(self) -> float:
        """Return how many seconds the term lasts when nothing renews it."""
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise unless this process may still consider itself the leader: before each write to Redis.

        Raises:
            LeadershipLostError: the term is over.
        """
        if not self.is_held:
            raise LeadershipLostError(f"Term {self.term} of {self.role} is over.")

    async def renew(self, database: Database) -> bool:
        """Extend the term; False when somebody else leads or it has run out."""
        asked = time.monotonic()
        renewed = await database.pool.fetchval(
            sql.renew_lease, self.role, self.holder, self.term, self._seconds, timeout=self._seconds
        )
        self._deadline = asked + self._seconds if renewed else 0.0
        return bool(renewed)

    async def release(self, database: Database) -> None:
        """Give the role back."""
        self._deadline = 0.0
        await database.pool.execute(sql.release_lease, self.role, self.holder, self.term, timeout=self._seconds)

    @asynccontextmanager
    async def leading(self, pool: Pool) -> AsyncIterator[Connection]:
        """Open a transaction that commits only while this lease holds, on a connection of `pool`.

        Raises:
            LeadershipLostError: somebody else leads, or the term is over.
        """
        self.check()
        async with pool.acquire() as connection, connection.transaction():
            milliseconds = str(int(IDLE_IN_TRANSACTION_SECONDS * 1000))
            if not await connection.fetchval(sql.assert_lease, self.role, self.holder, self.term, milliseconds):
                self._deadline = 0.0
                raise LeadershipLostError(f"Term {self.term} of {self.role} is over.")
            yield connection


class Election:
    """One process's attempts to lead in a role."""

    def __init__(self, database: Database, *, seconds: float, role: str = ROLE) -> None:
        """`seconds`: of a term. Every process that stands gets a holder id of its own."""
        self._database = database
        self._seconds = seconds
        self.role = role
        self.holder = uuid7()

    async def stand(self) -> Lease | None:
        """Take the role if it is free; None while somebody else holds it."""
        # No transaction around these: a process stopped between them must not hold a lock on the row.
        pool, timeout = self._database.pool, self._seconds + IDLE_IN_TRANSACTION_SECONDS
        if await pool.fetchval(sql.lease_is_taken, self.role, timeout=timeout):
            return None
        await pool.execute(sql.ensure_lease, self.role, timeout=timeout)
        asked = time.monotonic()
        term = await pool.fetchval(
            sql.take_lease, self.role, self.holder, self._seconds, socket.gethostname(), timeout=timeout
        )
        return None if term is None else Lease(self.role, self.holder, term, asked + self._seconds, self._seconds)
