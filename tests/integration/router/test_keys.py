"""The router's keys, read with raw commands, as the table in `broker/keys.py` tells of them."""

from dataclasses import replace

from redis.asyncio import Redis

from support.routing import BULK, DOMAIN_BUSY, NOON, Clock, board, routing
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.router.breaker import Report
from taskflow.delivery.router.models import Budgets, Choice, Override, Route

HOUR = 3_600_000


async def test_every_key_of_the_router_is_there(
    database: Database, broker: RedisBroker, redis: Redis, clock: Clock
) -> None:
    route = Route("ses", budgets=Budgets(per_day=100, per_minute=100))
    limits = {"gmail.com": Budgets(per_day=100)}
    async with routing(database, broker, route, clock=clock, limits=limits) as router:
        answers = await router.reserve([replace(BULK, recipient_domain="gmail.com")] * 3)
        assert await redis.hvals("router:use:@gmail.com:day") == [b"3"]
        [first, *_] = [answer for answer in answers if isinstance(answer, Choice)]
        assert await redis.get("router:generation") == str(NOON).encode()
        for span, bucket in (("minute", NOON // 5000), ("day", NOON // HOUR)):
            found = await redis.hgetall(f"router:use:ses:{span}")
            assert found == {str(bucket).encode(): b"3"}
            assert await redis.pttl(f"router:use:ses:{span}") > 0
        took = f"router:took:{NOON // 1000}"
        assert await redis.hgetall(took) == {b"ses": b"3", b"ses/gmail.com": b"3"}
        assert 0 < await redis.pttl(took) <= 10_000
        await router.settle([Report.of(first, [(DOMAIN_BUSY, "gmail.com")], failovers=0)])
        assert (await redis.hgetall("router:pace:ses/gmail.com"))[b"rate"] == b"1.5"
        assert 10_000 < await redis.pttl("router:pace:ses/gmail.com") <= HOUR

        assert await redis.zrange("router:slowed", 0, -1, withscores=True) == [(b"ses/gmail.com", NOON)]
        assert 0 < await redis.pttl("router:slowed") <= 24 * HOUR

        await router.settle([Report("ses", NOON, faults=5, trailing=5, reason="no")])
        provider = await redis.hgetall("router:provider:ses")
        assert (provider[b"state"], provider[b"opens"], provider[b"reason"]) == (
            b"open",
            b"1",
            b"5 faults in a row: no",
        )
        clock.pass_by(13)
        [probe] = [answer for answer in await router.reserve([BULK]) if isinstance(answer, Choice)]
        assert probe.probe is not None
        assert await redis.zrange("router:probes:ses", 0, -1, withscores=True) == [
            (probe.probe.encode(), clock.now + 300_000)
        ]
    await board(database, broker, route).switch("ses", Override.CLOSED)
    assert await redis.hget("router:provider:ses", "forced") == b"closed"
    known = {key.decode().rsplit(":", 1)[0] for key in await redis.keys("router:*")}
    uses = {"router:use:ses", "router:use:@gmail.com"}
    assert known == {"router", "router:provider", "router:probes", "router:pace", "router:took"} | uses
