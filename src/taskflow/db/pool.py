"""Connection pools: an ordinary one, and a hot one whose planner is pinned.

A statement prepared while a table is nearly empty keeps a plan that reads the whole table once it has filled: measured
927 ms instead of 1.1 ms for a hundred ids, on exactly what a first run does. The hot statements therefore run on
connections whose planner may only walk indexes. The pins travel as connection parameters; behind a pooler that
refuses those, give a role the same settings (`ALTER ROLE … SET …`) and name it in `TASKFLOW_DATABASE_HOT_URL`.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg
import orjson

from taskflow.base.errors import ConfigurationError
from taskflow.db.outages import NOT_CONNECTED, not_connected
from taskflow.settings.database import DatabaseSettings

if TYPE_CHECKING:
    Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
    Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
    _Plain: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection
    Pool = asyncpg.Pool
    _Plain = asyncpg.Connection

HOT_PINS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
}


class _OwnConnection(_Plain):
    """A connection of these pools: `jsonb` is Python data on it, also in a COPY."""

    writes_jsonb = True


def _encode_jsonb(value: Any) -> bytes:
    try:
        return b"\x01" + orjson.dumps(value)
    except TypeError:  # integers beyond 64 bits, keys that are not strings
        return b"\x01" + json.dumps(value).encode()


def _decode_jsonb(raw: bytes) -> Any:
    return orjson.loads(raw[1:])


async def _prepare(connection: Any) -> None:
    # The binary form (a version byte, then the text), so that COPY takes it too.
    await connection.set_type_codec(
        "jsonb", encoder=_encode_jsonb, decoder=_decode_jsonb, schema="pg_catalog", format="binary"
    )


async def _keep(_connection: Any) -> None:
    """Spare the round trip that clears a session: nothing here leaves any state in one."""


@dataclass(frozen=True, slots=True)
class Database:
    """The two pools of a process; `jsonb` is Python data on both."""

    pool: Pool
    hot: Pool

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: DatabaseSettings, *, name: str = "taskflow") -> AsyncIterator["Database"]:
        """Connect, hand out the pools, and close them at the end.

        Raises:
            ConfigurationError: no URL is set, or one that is none.
            UnavailableError: PostgreSQL does not answer.
        """
        if settings.url is None:
            raise ConfigurationError("No database: set TASKFLOW_DATABASE_URL, or run `taskflow up`.")
        url = settings.url.get_secret_value()
        hot_url = settings.hot_url.get_secret_value() if settings.hot_url else url
        pins = {} if settings.hot_url else HOT_PINS
        common: dict[str, Any] = {
            "init": _prepare,
            "connection_class": _OwnConnection,
            "command_timeout": settings.command_timeout,
            "statement_cache_size": 512 if settings.statement_cache else 0,
            "min_size": 1,
            "reset": _keep,
        }
        application = {"application_name": name}
        try:
            pool = await asyncpg.create_pool(url, max_size=settings.pool_size, server_settings=application, **common)
            hot = await asyncpg.create_pool(
                hot_url, max_size=settings.hot_pool_size, server_settings=application | pins, **common
            )
        except NOT_CONNECTED as error:
            raise not_connected(error) from error
        try:
            yield cls(pool=pool, hot=hot)
        finally:
            await _close(hot)
            await _close(pool)


async def _close(pool: Pool) -> None:
    """Close a pool in good order, or at once when the server no longer answers."""
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()
