"""`/api/v1/autoscaling`: 0 for an empty queue, more for more, from what was measured."""

from typing import Any

import httpx

from support.api import Api
from support.duties import add_tasks, add_worker
from taskflow.db.pool import Database

URL = "/api/v1/autoscaling"


async def asked(client: httpx.AsyncClient, **query: Any) -> dict[str, Any]:
    answer = await client.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def attempted(database: Database, queue: str, seconds: float) -> None:
    """Leave a finished task of a queue, with an attempt that took so long."""
    [task_id] = await add_tasks(database, key=queue)
    await database.pool.execute(
        "UPDATE tasks SET status = 'COMPLETED', completed_at = now() WHERE task_id = $1", task_id
    )
    await database.pool.execute(
        "INSERT INTO task_executions (task_id, lease_epoch, attempt_number, status, completed_at, duration_seconds)"
        " VALUES ($1, 1, 1, 'COMPLETED', now(), $2)",
        task_id,
        seconds,
    )


async def test_nothing_wants_nobody(viewer: httpx.AsyncClient) -> None:
    assert (await asked(viewer))["desired_workers"] == 0
    found = await asked(viewer, queue="unheard-of")
    assert (found["desired_workers"], [one["queue"] for one in found["queues"]]) == (0, ["unheard-of"])


async def test_depth_and_measured_durations_say_how_many(api: Api, viewer: httpx.AsyncClient) -> None:
    for seconds in (1.0, 3.0):
        await attempted(api.database, "images", seconds)
    await add_tasks(api.database, 60, key="images")
    await add_tasks(api.database, 5, key="email/campaign:1")
    found = await asked(viewer, target_seconds=30, slots_per_worker=2)
    mail, images = found["queues"]
    assert (images["queue"], images["ready"], images["task_seconds"], images["is_measured"]) == (
        "images",
        60,
        2.0,
        True,
    )
    assert (images["desired_slots"], images["desired_workers"]) == (4.0, 2)
    assert (mail["queue"], mail["task_seconds"], mail["is_measured"], mail["desired_slots"]) == (
        "email",
        1.0,
        False,
        1.0,
    )
    assert (found["desired_slots"], found["desired_workers"]) == (5.0, 3)
    one = await asked(viewer, queue="email", slots_per_worker=2)
    assert (one["desired_workers"], len(one["queues"])) == (1, 1)


async def test_an_old_backlog_counts_more(api: Api, viewer: httpx.AsyncClient) -> None:
    await add_tasks(api.database, 300, key="images")
    await api.database.pool.execute("UPDATE tasks SET created_at = now() - interval '1 minute'")
    found = (await asked(viewer, target_seconds=30))["queues"][0]
    assert 60 <= found["oldest_seconds"] < 120
    assert 20.0 <= found["desired_slots"] < 40.0


async def test_tasks_that_are_not_due_want_nobody(api: Api, viewer: httpx.AsyncClient) -> None:
    await api.database.pool.execute(
        "INSERT INTO tasks (task_id, task_name, status, due_at)"
        " VALUES (gen_random_uuid(), 'x', 'SCHEDULED', now() + interval '1 hour')"
    )
    assert (await asked(viewer, queue="default"))["desired_workers"] == 0


async def test_without_workers_the_settings_say_how_large_one_is(viewer: httpx.AsyncClient) -> None:
    assert (await asked(viewer))["slots_per_worker"] == 10


async def test_workers_that_live_say_how_large_one_is(api: Api, viewer: httpx.AsyncClient) -> None:
    for _ in range(2):
        await add_worker(api.database)
    assert (await asked(viewer))["slots_per_worker"] == 5


async def test_wrong_questions_are_refused(viewer: httpx.AsyncClient) -> None:
    for query in ({"target_seconds": 0}, {"target_seconds": "nan"}, {"slots_per_worker": 0}, {"queue": "a b"}):
        assert (await viewer.get(URL, params=query)).status_code == 422, query


async def test_what_waits_in_a_paused_queue_wants_nobody(api: Api, operator: httpx.AsyncClient) -> None:
    await add_tasks(api.database, 60, key="images")
    assert (await operator.post("/api/v1/queues/images/pause")).status_code == 200
    [images] = (await asked(operator))["queues"]
    assert (images["ready"], images["desired_slots"], images["desired_workers"]) == (60, 0.0, 0)
