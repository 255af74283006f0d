"""`/health`: this process lives. `/ready`: it can also serve, with what each dependency says."""

import asyncio
from typing import Annotated, Literal

import asyncpg
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field
from redis.exceptions import RedisError

from taskflow import __version__
from taskflow.api.websocket.hub import EventHub
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db import revision
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.identity.access import public, service

router = APIRouter(tags=["health"])

_CHECK_SECONDS = 2.0

Check = Literal["ok", "down", "behind", "deaf"]


class Health(BaseModel):
    """The process lives."""

    status: Literal["ok"] = "ok"
    version: str


class Readiness(BaseModel):
    """Whether the process can serve."""

    status: Literal["ready", "unready"]
    database: Check
    migrations: Check = Field(description="behind: the schema is older or newer than this program.")
    redis: Check
    events: Check = Field(description="deaf: the reader of the event stream has heard nothing from Redis for 10 s.")


@router.get("/health", dependencies=[public()])
async def health() -> Health:
    """Tell that the process lives."""
    return Health(version=__version__)


@router.get("/ready", dependencies=[public()], responses={503: {"model": Readiness, "description": "Cannot serve."}})
async def ready(
    response: Response,
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    hub: Annotated[EventHub, service(EventHub)],
) -> Readiness:
    """Tell whether the process can serve."""
    (reachable, migrated), redis = await asyncio.gather(_check_database(database), _check_redis(broker))
    events: Check = "deaf" if hub.is_deaf else "ok"
    good = reachable == migrated == redis == events == "ok"
    response.status_code = 200 if good else 503
    return Readiness(
        status="ready" if good else "unready", database=reachable, migrations=migrated, redis=redis, events=events
    )


async def _check_database(database: Database) -> tuple[Check, Check]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            found = await database.pool.fetchval("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return "ok", "behind"
    except (*DATABASE_AWAY, asyncpg.PostgresError):
        return "down", "down"
    return "ok", "ok" if found == revision.head() else "behind"


async def _check_redis(broker: RedisBroker) -> Check:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            await broker.redis.ping()
    except (RedisError, OSError, TimeoutError):
        return "down"
    return "ok"
