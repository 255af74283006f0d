"""The sliding window, over two API processes, and what happens without Redis."""

import asyncio

import httpx
import pytest
import redis.asyncio as redis_asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from support.api import Api, client_of, running
from support.messages import PATH, call
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.rate_limiter import RateLimiter
from taskflow.identity.models import Role
from taskflow.settings import Settings

ME = "/api/v1/auth/me"


@pytest.fixture
async def pair(settings: Settings):
    """Two API processes' applications on one Redis, with the default limits."""
    async with running(settings) as first, running(settings) as second:
        yield first, second


async def test_a_user_gets_exactly_a_hundred_over_two_processes_and_is_told_when_there_is_room(
    pair: tuple[Api, Api],
) -> None:
    first, second = pair
    token = (await first.sign_in(await first.user(Role.VIEWER)))["access_token"]
    async with first.client(token) as one, second.client(token) as two:
        answers = await asyncio.gather(*(client.get(ME) for _ in range(60) for client in (one, two)))
    codes = [answer.status_code for answer in answers]
    assert (codes.count(200), codes.count(429)) == (100, 20)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["RateLimit-Limit"] == "100"
    assert refused.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert min(int(answer.headers["RateLimit-Remaining"]) for answer in answers) == 0


async def test_a_hundred_at_second_59_and_a_hundred_at_61_admit_a_hundred_in_all(broker: RedisBroker) -> None:
    """With a window of three seconds instead of sixty: the same script, the same arithmetic."""
    window = 3.0
    one, two = RateLimiter(broker, window=window), RateLimiter(broker, window=window)
    before = await asyncio.gather(*(limiter.ask("user:x", 100) for _ in range(50) for limiter in (one, two)))
    await asyncio.sleep(window / 10)  # the border of a fixed window may lie anywhere
    after = await asyncio.gather(*(limiter.ask("user:x", 100) for _ in range(50) for limiter in (one, two)))
    assert sum(verdict.admitted for verdict in before + after) == 100

    async def room() -> bool:
        return (await one.ask("user:x", 100)).admitted

    await eventually(room, seconds=60)


async def test_no_window_ever_holds_more_than_the_limit(broker: RedisBroker, redis: redis_asyncio.Redis) -> None:
    limiter = RateLimiter(broker, window=0.3)
    for _ in range(40):
        await asyncio.gather(*(limiter.ask("user:y", 7) for _ in range(5)))
        await asyncio.sleep(0.02)
        assert await redis.zcard("rate_limit:api:user:y:log") <= 7
    assert int(await redis.get("rate_limit:api:user:y")) <= 7
    assert 0 < await redis.pttl("rate_limit:api:user:y") <= 300


async def test_an_address_is_limited_before_anybody_knows_who_calls(settings: Settings) -> None:
    settings.http.rate_limit_ip_per_minute = 20
    async with running(settings) as api, client_of(api.app, "203.0.113.5") as guesser:
        answers = [await guesser.get(ME, headers={"Authorization": "Bearer x"}) for _ in range(25)]
        assert [answer.status_code for answer in answers] == [401] * 20 + [429] * 5
        logged_in = await api.anonymous.get(ME)
        assert logged_in.status_code == 401  # another address is not concerned
        assert (await guesser.get("/health")).status_code == 200  # nor are other paths


async def test_a_key_with_a_limit_of_its_own_does_not_spend_its_users(settings: Settings) -> None:
    settings.http.rate_limit_user_per_minute = 20
    async with running(settings) as api:
        token = (await api.sign_in(await api.user(Role.ADMIN)))["access_token"]
        async with api.client(token) as admin:
            key = (await admin.post("/api/v1/api-keys", json={"name": "fast", "rate_limit_per_minute": 30})).json()[
                "key"
            ]
            async with api.client(key) as fast:
                answers = [await fast.get(ME) for _ in range(35)]
            assert [answer.status_code for answer in answers] == [200] * 30 + [429] * 5
            assert (await admin.get(ME)).status_code == 200


async def test_messages_have_a_limit_of_their_own_unless_the_key_has_one(settings: Settings) -> None:
    settings.http.rate_limit_user_per_minute = settings.message.rate_limit_per_minute = 3
    async with running(settings) as api:
        token = (await api.sign_in(await api.user(Role.MARKETER)))["access_token"]
        async with api.client(token) as marketer:
            made = await marketer.post("/api/v1/api-keys", json={"name": "shop", "role": "marketer"})
            sent = [await marketer.post(PATH, json=call()) for _ in range(4)]
            others = [await marketer.get(PATH) for _ in range(3)]
        assert [answer.status_code for answer in sent] == [201] * 3 + [429]
        assert [answer.status_code for answer in others] == [200] * 2 + [429]
        await api.database.pool.execute("UPDATE api_keys SET rate_limit_per_minute = 2")
        async with api.client(made.json()["key"]) as shop:
            mixed = [await shop.post(PATH, json=call()), await shop.get(PATH), await shop.post(PATH, json=call())]
        assert [answer.status_code for answer in mixed] == [201, 200, 429]


async def test_without_redis_tasks_are_still_accepted_and_limits_still_hold(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.http.rate_limit_user_per_minute = 10
    async with running(settings) as api:
        token = (await api.sign_in(await api.user(Role.OPERATOR)))["access_token"]
        pool = api.services.get(RedisBroker).redis.connection_pool

        async def away(*_: object, **__: object) -> None:
            raise RedisConnectionError

        monkeypatch.setattr(pool, "get_connection", away)
        async with api.client(token) as operator:
            answers: list[httpx.Response] = [
                await operator.post("/api/v1/tasks", json={"task_name": "x"}) for _ in range(12)
            ]
        assert [answer.status_code for answer in answers] == [201] * 10 + [429] * 2
        assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 10
