"""The Redis-protocol server: reachable, new enough, evicting nothing, with room, its clock."""

import time
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from taskflow.cli.checkup.finding import Finding, ok, problem, warning
from taskflow.settings import Settings

OLDEST = (7, 0)
_SKEW = 2.0  # seconds
_FULL = 0.8  # of maxmemory


async def examine(settings: Settings) -> list[Finding]:
    """Look at Redis; only INFO and TIME, which managed services allow too."""
    if settings.redis.url is None:
        mend = "Start `taskflow up`, or set TASKFLOW_REDIS_URL (redis://host:6379/0)."
        return [problem("redis", "no URL, and nothing runs under the home", mend)]
    try:
        client = Redis.from_url(settings.redis.url.get_secret_value(), socket_timeout=5, socket_connect_timeout=5)
    except ValueError as error:
        return [problem("redis", str(error), "Check TASKFLOW_REDIS_URL.")]
    try:
        info: dict[str, Any] = await client.info("everything")
        asked = time.time()
        seconds, microseconds = await client.time()
        skew = seconds + microseconds / 1e6 - (asked + time.time()) / 2
    except (OSError, RedisError) as error:
        mend = "Check TASKFLOW_REDIS_URL, that the server runs, and that it accepts connections from here."
        return [problem("redis", f"does not answer: {error}", mend)]
    finally:
        await client.aclose()
    return [_version(info), _eviction(info), _memory(info), _persistence(info), _clock(skew)]


def _version(info: dict[str, Any]) -> Finding:
    compatible = str(info.get("redis_version", "0"))
    seen = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {compatible}"
    if tuple(int(part) for part in compatible.split(".")[:2]) < OLDEST:
        return problem("redis", seen, "Upgrade to Redis 7.0 or newer, or to Valkey.")
    return ok("redis", seen)


def _eviction(info: dict[str, Any]) -> Finding:
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy != "noeviction":
        mend = "Set `maxmemory-policy noeviction`: any other policy throws queues away when memory is short."
        return problem("eviction", policy, mend)
    return ok("eviction", policy)


def _memory(info: dict[str, Any]) -> Finding:
    used, limit = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    megabytes = f"{used / 1e6:.0f} MB used"
    if limit == 0:
        return ok("redis memory", f"{megabytes}, no limit")
    seen = f"{megabytes} of {limit / 1e6:.0f} MB"
    if used > _FULL * limit:
        return warning("redis memory", seen, "Raise maxmemory: when it is full, nothing new is dispatched.")
    return ok("redis memory", seen)


def _persistence(info: dict[str, Any]) -> Finding:
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        mend = "Look into the server's log. TaskFlow rebuilds Redis from PostgreSQL, so nothing is lost meanwhile."
        return warning("persistence", "the last snapshot failed", mend)
    if int(info.get("aof_enabled", 0)):
        return ok("persistence", "append-only file (not needed: Redis is rebuilt from PostgreSQL)")
    return ok("persistence", "snapshots; what they lack is rebuilt from PostgreSQL")


def _clock(skew: float) -> Finding:
    seen = f"Redis's clock is {abs(skew) * 1000:.0f} ms {'ahead of' if skew > 0 else 'behind'} this machine's"
    if abs(skew) > _SKEW:
        return warning("redis clock", seen, "Synchronise both clocks (NTP): rate limits and leases in Redis go by it.")
    return ok("redis clock", seen)
