"""Idempotency-Key: Stripe's contract, a test a clause."""

import asyncio
import re

import httpx
import pytest

from support.api import Api
from support.letters import give_up
from support.waiting import eventually
from taskflow.api import routes
from taskflow.api.middleware import idempotency
from taskflow.engine.client import Engine
from taskflow.identity.models import Role

TASKS = "/api/v1/tasks"
BODY = {"task_name": "charge", "args": {"amount": 3}}
KEY = {"Idempotency-Key": "order-17"}


async def count(api: Api) -> int:
    return await api.database.pool.fetchval("SELECT count(*) FROM tasks")


async def test_a_repetition_gets_the_first_answer_and_does_nothing(api: Api, operator: httpx.AsyncClient) -> None:
    first = await operator.post(TASKS, json=BODY, headers=KEY)
    again = await operator.post(TASKS, json=BODY, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert await count(api) == 1


async def test_the_same_key_with_another_request_is_an_error(api: Api, operator: httpx.AsyncClient) -> None:
    await operator.post(TASKS, json=BODY, headers=KEY)
    other = await operator.post(TASKS, json=BODY | {"args": {"amount": 4}}, headers=KEY)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await count(api) == 1


async def test_a_failure_of_ours_is_kept_too(
    api: Api, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "submit", broken)
        first = await operator.post(TASKS, json=BODY, headers=KEY)
    again = await operator.post(TASKS, json=BODY, headers=KEY)
    assert (first.status_code, again.status_code) == (500, 500)
    assert first.json() == again.json()
    assert again.headers["Content-Type"] == "application/problem+json"
    assert await count(api) == 0


async def test_nothing_is_kept_of_a_request_that_failed_validation(api: Api, operator: httpx.AsyncClient) -> None:
    assert (await operator.post(TASKS, json={"task_name": ""}, headers=KEY)).status_code == 422
    assert (await operator.post(TASKS, json=BODY, headers=KEY)).status_code == 201


async def test_nothing_is_kept_of_one_that_came_while_the_first_was_under_way(
    api: Api, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, go = asyncio.Event(), asyncio.Event()
    original = Engine.submit

    async def slow(self: Engine, *arguments: object, **options: object) -> object:
        started.set()
        await go.wait()
        return await original(self, *arguments, **options)

    monkeypatch.setattr(Engine, "submit", slow)
    first = asyncio.create_task(operator.post(TASKS, json=BODY, headers=KEY))
    await started.wait()
    second = await operator.post(TASKS, json=BODY, headers=KEY)
    assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_use")
    assert second.headers["Retry-After"] == "1"
    go.set()
    kept = await first  # before the third: it would come while the first is under way, too
    third = await operator.post(TASKS, json=BODY, headers=KEY)
    assert kept.content == third.content
    assert await count(api) == 1


async def test_a_hundred_at_once_make_one_task(api: Api, operator: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(operator.post(TASKS, json=BODY, headers=KEY) for _ in range(30)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.json()["task_id"] for answer in answers if answer.status_code == 201}) == 1
    assert await count(api) == 1


@pytest.mark.parametrize(
    "path_and_body", [(TASKS, BODY), (f"{TASKS}/bulk", {"tasks": [BODY] * 5})], ids=["one", "many"]
)
async def test_a_repetition_after_a_crash_between_commit_and_answer_makes_the_same(
    api: Api, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, path_and_body: tuple
) -> None:
    """The answer is never kept, as if the process had died; its lock runs out."""
    path, body = path_and_body

    async def dies(*_: object) -> None:
        return None

    with monkeypatch.context() as patch:
        patch.setattr(idempotency._KeptRequest, "_end", dies)
        first = await operator.post(path, json=body, headers=KEY)
    assert (await operator.post(path, json=body, headers=KEY)).status_code == 409
    await api.database.pool.execute("UPDATE idempotency_keys SET locked_until = now() - interval '1 second'")
    again = await operator.post(path, json=body, headers=KEY)
    assert first.json() == again.json()
    assert await count(api) == (1 if path == TASKS else 5)


async def test_a_key_belongs_to_its_user_and_route(api: Api, operator: httpx.AsyncClient) -> None:
    other = api.client((await api.sign_in(await api.user(Role.ADMIN)))["access_token"])
    ids = {
        (await client.post(TASKS, json=BODY, headers=KEY)).json()["task_id"] for client in (operator, other, operator)
    }
    bulk = await operator.post(f"{TASKS}/bulk", json={"tasks": [BODY]}, headers=KEY)
    await other.aclose()
    assert len(ids | set(bulk.json()["task_ids"])) == 3


async def test_a_key_is_forgotten_after_a_day_and_not_before(api: Api, operator: httpx.AsyncClient) -> None:
    await operator.post(TASKS, json=BODY, headers=KEY)
    life = await api.database.pool.fetchval("SELECT expires_at - created_at FROM idempotency_keys")
    assert life.total_seconds() >= 86_400
    await api.database.pool.execute("UPDATE idempotency_keys SET expires_at = now()")
    assert "Idempotency-Replayed" not in (await operator.post(TASKS, json=BODY, headers=KEY)).headers
    assert await count(api) == 2


@pytest.mark.parametrize("key", ["x" * 256, "a\tb", "clé", ""])
async def test_a_key_that_is_too_long_empty_or_unprintable_is_refused(operator: httpx.AsyncClient, key: str) -> None:
    assert (await operator.post(TASKS, json=BODY, headers={"Idempotency-Key": key.encode()})).status_code == 400


async def test_a_long_request_keeps_its_lock(
    api: Api, operator: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "_RENEW_SECONDS", 0.02)
    go = asyncio.Event()

    async def slow(*_: object, **__: object) -> None:
        await go.wait()
        raise RuntimeError

    monkeypatch.setattr(Engine, "submit", slow)
    first = asyncio.create_task(operator.post(TASKS, json=BODY, headers=KEY))
    query = "SELECT locked_until FROM idempotency_keys"
    before = await eventually(lambda: api.database.pool.fetchval(query))

    async def later() -> bool:
        return await api.database.pool.fetchval(query) > before

    await eventually(later)
    go.set()
    await first


async def test_a_retry_whose_answer_was_lost_is_repeated(operator: httpx.AsyncClient) -> None:
    path = f"{TASKS}/{(await operator.post(TASKS, json=BODY)).json()['task_id']}"
    await operator.delete(path)
    first, again = [await operator.post(f"{path}/retry", headers=KEY) for _ in range(2)]
    assert (first.status_code, again.status_code) == (200, 200)
    assert (first.content, again.headers["Idempotency-Replayed"]) == (again.content, "true")
    assert (await operator.post(f"{path}/retry")).status_code == 409


async def test_a_purge_whose_answer_was_lost_tells_what_it_did(api: Api, operator: httpx.AsyncClient) -> None:
    await give_up(api.database)
    for _ in range(2):
        answer = await operator.post("/api/v1/dead-letters/purge", json={"all": True}, headers=KEY)
        assert answer.json() == {"purged": 1}
    assert (await operator.post("/api/v1/dead-letters/purge", json={"all": True})).json() == {"purged": 0}


@pytest.mark.parametrize("path", sorted(routes.IDEMPOTENT_PATHS))
def test_no_answer_that_holds_a_secret_is_kept(path: str) -> None:
    assert not re.search("/(auth|users|api-keys)|/webhooks$|/rotate", path)
    assert any(route.path == path and "POST" in route.methods for route in routes.walk())
