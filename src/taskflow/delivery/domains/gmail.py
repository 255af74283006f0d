"""How much a sender sends to Gmail: at close to 5,000 messages a day to personal accounts it is a bulk sender for good.

Gmail counts all mail of a primary domain together, subdomains included, and so do we: senders note what was taken, and
a task of its own writes the sums once a second. A process that is killed loses the second that it had not written; what
is counted is a nearness, not a budget. Addresses of companies that Google hosts do not count, and cannot be told.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from taskflow.base.logging import get_logger
from taskflow.db.pool import Pool
from taskflow.delivery.domains.models import primary_domain
from taskflow.delivery.domains.repository import sql

log = get_logger(__name__)

BULK_A_DAY = 5_000
_PERSONAL = ("@gmail.com", "@googlemail.com")
_WRITE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class GmailUse:
    """What a primary domain has sent to Gmail. `bulk_since`: when it first came to 5,000 within 24 hours."""

    primary_domain: str
    last_day: int
    most_in_a_day: int
    bulk_since: datetime | None


class GmailMeter:
    """Counts what this process sends to Gmail."""

    def __init__(self, pool: Pool) -> None:
        """Use `GmailMeter.open`."""
        self._pool = pool
        self._taken: Counter[str] = Counter()  # by From domain
        self._changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, pool: Pool) -> AsyncIterator[Self]:
        """Run the writer as long as the meter is used; what is counted then is written at the end."""
        meter = cls(pool)
        writer = asyncio.create_task(meter._write())
        try:
            yield meter
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            await meter._flush()

    def sent(self, from_email: str, to_email: str) -> None:
        """Note a message that was taken."""
        if to_email[-15:].lower().endswith(_PERSONAL):
            self._taken[from_email.rpartition("@")[2]] += 1
            self._changed.set()

    async def _write(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._flush()
            await asyncio.sleep(_WRITE_SECONDS)

    async def _flush(self) -> None:
        taken, self._taken = self._taken, Counter()
        sums: Counter[str] = Counter()
        for domain, count in taken.items():
            sums[primary_domain(domain) or domain.lower()] += count
        if not sums:
            return
        names = sorted(sums)
        try:
            await self._pool.execute(sql.count_gmail, names, [sums[name] for name in names], BULK_A_DAY)
            await self._pool.execute(sql.forget_gmail, names)
        except Exception:
            self._taken.update(taken)  # with the next ones
            log.warning("gmail_not_counted", messages=sums.total(), exc_info=True)


async def gmail_use(pool: Pool, domain: str) -> GmailUse:
    """Return what the primary domain of a domain has sent to Gmail."""
    primary = primary_domain(domain) or domain
    row = await pool.fetchrow(sql.gmail, primary)
    assert row is not None  # noqa: S101  # an aggregate without GROUP BY has one row
    return GmailUse(primary, *row)
