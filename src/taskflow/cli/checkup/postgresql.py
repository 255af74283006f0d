"""The database: reachable, new enough, durable, migrated, its clock, and who works on it."""

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

import asyncpg

from taskflow.cli.checkup.finding import Finding, ok, problem, warning
from taskflow.db import migrate, revision
from taskflow.settings import Settings

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

OLDEST = 150000
_SKEW_WARNING, _SKEW_PROBLEM = 1.0, 10.0  # seconds
_PROCESSES = 4  # API, coordinator and two worker processes: the smallest installation


async def examine(settings: Settings) -> list[Finding]:
    """Look at PostgreSQL."""
    if settings.database.url is None:
        return [problem("postgresql", "no URL, and nothing runs under the home", _START)]
    url = settings.database.url.get_secret_value()
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, TimeoutError, asyncpg.PostgresError, ValueError) as error:
        return [problem("postgresql", f"does not answer: {error or type(error).__name__}", _REACH)]
    try:
        findings = [await _version(connection), await _durability(connection), await _clock(connection)]
        findings += [await _connections(connection, settings), migrations := await _migrations(url)]
        if migrations.mend is None:
            findings += [await _coordinator(connection), await _workers(connection, settings)]
        return findings
    finally:
        await connection.close()


_START = "Start `taskflow up`, or set TASKFLOW_DATABASE_URL (postgresql://user:password@host/database)."
_REACH = "Check TASKFLOW_DATABASE_URL, that the server runs, and that it accepts connections from here."


async def _version(connection: "Connection") -> Finding:
    number = int(await connection.fetchval("SHOW server_version_num"))
    seen = f"PostgreSQL {await connection.fetchval('SHOW server_version')}"
    if number < OLDEST:
        return problem("postgresql", seen, "Upgrade the server to PostgreSQL 15 or newer.")
    return ok("postgresql", seen)


async def _durability(connection: "Connection") -> Finding:
    off = [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if await connection.fetchval("SELECT current_setting($1)", name) == "off"
    ]
    if off:
        mend = "Turn them on: without them a crash of the machine loses or corrupts what was acknowledged."
        return problem("durability", f"off: {', '.join(off)}", mend)
    return ok("durability", "every commit reaches the disk")


async def _clock(connection: "Connection") -> Finding:
    asked = time.time()
    theirs: datetime = await connection.fetchval("SELECT clock_timestamp()")
    middle = (asked + time.time()) / 2
    skew = theirs.timestamp() - middle
    seen = f"PostgreSQL's clock is {abs(skew) * 1000:.0f} ms {'ahead of' if skew > 0 else 'behind'} this machine's"
    mend = "Synchronise both clocks (NTP). Leases and schedules go by PostgreSQL's clock, task ids by this one's."
    if abs(skew) > _SKEW_PROBLEM:
        return problem("clock", seen, mend)
    return warning("clock", seen, mend) if abs(skew) > _SKEW_WARNING else ok("clock", seen)


async def _connections(connection: "Connection", settings: Settings) -> Finding:
    limit = int(await connection.fetchval("SHOW max_connections"))
    used: int = await connection.fetchval("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'")
    each = settings.database.pool_size + settings.database.hot_pool_size
    seen = f"{used} of {limit} in use; a process takes up to {each}"
    if each * _PROCESSES > limit:
        mend = "Raise max_connections, lower TASKFLOW_DATABASE_POOL_SIZE, or put pgbouncer in between."
        return warning("connections", seen, mend)
    return ok("connections", seen)


async def _migrations(url: str) -> Finding:
    found, newest = await migrate.current(url), revision.head()
    if found == newest:
        return ok("migrations", f"at {newest}, the newest")
    seen = f"at {found or 'nothing'}, the newest is {newest}"
    return problem("migrations", seen, "taskflow db upgrade")


async def _coordinator(connection: "Connection") -> Finding:
    leader: Any = await connection.fetchrow(
        "SELECT hostname, term FROM coordinator_leases WHERE holder IS NOT NULL AND expires_at > now() LIMIT 1"
    )
    if leader is None:
        return warning("coordinator", "none leads: retries, schedules and campaigns wait", "taskflow coordinator")
    return ok("coordinator", f"{leader['hostname'] or 'one'} leads, term {leader['term']}")


async def _workers(connection: "Connection", settings: Settings) -> Finding:
    alive: int = await connection.fetchval(
        "SELECT count(*) FROM workers WHERE stopped_at IS NULL AND last_heartbeat > now() - $1 * interval '1 second'",
        settings.coordinator.dead_after_seconds,
    )
    return ok("workers", f"{alive} alive") if alive else warning("workers", "none alive: tasks wait", "taskflow worker")
