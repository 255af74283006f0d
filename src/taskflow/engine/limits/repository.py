"""Reads limits."""

from collections.abc import Mapping
from typing import Any

import asyncpg

from taskflow.broker.limits import Limit
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.engine.limits.models import Rate

sql = load(__file__)


async def limits_in_force(database: Database) -> dict[str, Limit]:
    """Return every limit by its subject: the operator's where there is one, else the one of the code."""
    return {row["subject"]: limit_of(row) for row in await database.pool.fetch(sql.in_force)}


def limit_of(row: asyncpg.Record | Mapping[str, Any]) -> Limit:
    """Return a row of `limits` as the dispatch knows it."""
    rate = rate_of(row)
    return Limit(row["concurrency"], rate.per_minute if rate else None, row["weight"], row["aging_seconds"])


def rate_of(row: asyncpg.Record | Mapping[str, Any], prefix: str = "") -> Rate | None:
    """Return the rate in a row."""
    count = row[f"{prefix}rate_count"]
    return None if count is None else Rate(count, row[f"{prefix}rate_seconds"])
