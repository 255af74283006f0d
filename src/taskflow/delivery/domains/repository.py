"""Sending domains in PostgreSQL: the statements of `queries.sql` as functions, rows as models."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.delivery.dkim import Algorithm
from taskflow.delivery.domains.keys import NewKey
from taskflow.delivery.domains.models import DkimKey, DomainNotFoundError, KeyState, SendingDomain

sql = load(__file__)


class DomainRepository:
    """Reads and writes domains; what belongs to a transaction takes its connection."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def get(self, domain: str, connection: Connection | None = None) -> SendingDomain:
        """Return a domain with its keys.

        Raises:
            DomainNotFoundError: there is none.
        """
        target = connection or self._pool
        rows = await target.fetch(sql.select_domains, domain, None, 1)
        if not rows:
            raise _unknown(domain)
        return (await _with_keys(target, rows))[0]

    async def page(self, after: str | None, limit: int) -> list[SendingDomain]:
        """Return domains by name."""
        return await _with_keys(self._pool, await self._pool.fetch(sql.select_domains, None, after, limit))

    async def insert(self, connection: Connection, domain: str, return_path: str | None, by: UUID | None) -> bool:
        """Write a domain; tell whether it was not there."""
        return await connection.fetchval(sql.insert_domain, domain, return_path, by) is not None

    async def insert_key(self, connection: Connection, domain: str, key: NewKey) -> None:
        """Write a key that waits."""
        sealed = key.private_key
        await connection.execute(
            sql.insert_key, domain, key.selector, key.algorithm, sealed.data, sealed.key_id, key.public_key
        )

    async def lock(self, connection: Connection, domain: str) -> None:
        """Let nobody else change a domain's keys until the transaction ends.

        Raises:
            DomainNotFoundError: there is none.
        """
        if await connection.fetchval(sql.lock_domain, domain) is None:
            raise _unknown(domain)

    async def activate(self, connection: Connection, domain: str, algorithms: Sequence[Algorithm]) -> None:
        """Let the next keys of these algorithms sign, and retire those that did."""
        names = [algorithm.value for algorithm in algorithms]
        await connection.execute(sql.retire, domain, names)
        await connection.execute(sql.activate, domain, names)

    async def forget_retired(self, connection: Connection, domain: str, days: int) -> None:
        """Delete keys that were retired longer ago than they have to stay in the zone."""
        await connection.execute(sql.forget_retired, domain, days)

    async def set_return_path(self, domain: str, return_path: str | None) -> None:
        """Name another domain for return paths.

        Raises:
            DomainNotFoundError: there is no such domain.
        """
        if await self._pool.fetchval(sql.set_return_path, domain, return_path) is None:
            raise _unknown(domain)

    async def write_report(self, domain: str, findings: list[dict[str, Any]]) -> None:
        """Keep what the doctor found."""
        await self._pool.execute(sql.write_report, domain, findings)

    async def delete(self, domain: str) -> None:
        """Delete a domain with its keys.

        Raises:
            DomainNotFoundError: there is none.
        """
        if await self._pool.fetchval(sql.delete_domain, domain) is None:
            raise _unknown(domain)


async def _with_keys(target: Pool | Connection, rows: Sequence[Any]) -> list[SendingDomain]:
    keys: dict[str, list[DkimKey]] = defaultdict(list)
    for row in await target.fetch(sql.keys_of, [row["domain"] for row in rows]):
        values = dict(row) | {"algorithm": Algorithm(row["algorithm"]), "state": KeyState(row["state"])}
        keys[row["domain"]].append(DkimKey(**values))
    return [SendingDomain(**row, keys=tuple(keys[row["domain"]])) for row in rows]


def _unknown(domain: str) -> DomainNotFoundError:
    return DomainNotFoundError(f"There is no sending domain {domain}: add it with `taskflow domain add {domain}`.")
