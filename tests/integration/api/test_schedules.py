"""Schedules over HTTP: made, read, changed, steered; what is wrong is told, with a stable code."""

from datetime import UTC, datetime, timedelta

import httpx
import pytest

from support import sample_tasks as tasks
from support.api import Api
from taskflow.base.errors import ConflictError
from taskflow.base.ids import uuid7
from taskflow.engine import At, Cron, Every, Schedule
from taskflow.engine.remote import TaskFlow

URL = "/api/v1/schedules"
NIGHTLY = {
    "name": "nightly",
    "task_name": "report",
    "args": {"day": "yesterday"},
    "cron": "0 3 * * MON-FRI",
    "time_zone": "Europe/Berlin",
}


async def test_a_schedule_is_made_read_listed_and_deleted(
    operator: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    answer = await operator.post(URL, json=NIGHTLY | {"priority": "HIGH", "overlap_policy": "skip"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["kind"], made["cron"], made["time_zone"]) == ("cron", "0 3 * * MON-FRI", "Europe/Berlin")
    assert (made["task_kwargs"], made["task_args"]) == ({"day": "yesterday"}, None)
    assert (made["priority"], made["priority_name"], made["queue"], made["max_retries"]) == (8, "HIGH", "default", 5)
    assert (made["misfire_policy"], made["overlap_policy"], made["paused"]) == ("once", "skip", False)
    assert made["next_fires"][0] == made["next_fire_at"]
    assert len(made["next_fires"]) == 5
    path = f"{URL}/{made['schedule_id']}"
    found = (await viewer.get(path, params={"next": 20})).json()
    assert found["next_fires"] == sorted(set(found["next_fires"]))
    assert len(found["next_fires"]) == 20
    assert (await viewer.get(URL, params={"name": "nightly"})).json()["items"] == [
        {name: value for name, value in made.items() if name != "next_fires"}
    ]
    assert (await viewer.get(URL, params={"paused": True})).json()["items"] == []
    assert (await operator.delete(path)).status_code == 204
    answer = await viewer.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "schedule_not_found")


async def test_pages_follow_each_other(operator: httpx.AsyncClient) -> None:
    for number in range(5):
        await operator.post(URL, json={"name": f"s{number}", "task_name": "x", "interval_seconds": 60})
    names: list[str] = []
    cursor = None
    while True:
        page = (await operator.get(URL, params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert names == ["s4", "s3", "s2", "s1", "s0"]


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"cron": "61 3 * * *"}, "invalid_cron", "minute '61'"),
        ({"cron": "0 3 * *"}, "invalid_cron", "five fields"),
        ({"time_zone": "Europe/Berln"}, "unknown_time_zone", "Europe/Berlin"),
        ({"cron": None}, "invalid_input", "exactly one of"),
        ({"interval_seconds": 60}, "invalid_input", "exactly one of"),
        ({"cron": None, "interval_seconds": 60}, "invalid_input", "only cron"),
        ({"interval_seconds": 0}, "invalid_input", "interval_seconds"),
        ({"cron": None, "time_zone": None, "run_at": "2020-01-01T00:00:00Z"}, "invalid_schedule", "has passed"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "invalid_schedule", "never fire"),
        (
            {"starts_at": "2031-01-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"},
            "invalid_schedule",
            "before it starts",
        ),
        ({"starts_at": "1969-12-31T00:00:00Z"}, "invalid_schedule", "1970"),
        ({"misfire_policy": "maybe"}, "invalid_input", "misfire_policy"),
        ({"overlap_policy": None}, "invalid_input", "overlap_policy"),
        ({"task_name": "add", "args": {"left": "x"}}, "invalid_task_arguments", "left"),
        ({"kwargs": {"a": 1}}, "invalid_input", "not in both"),
    ],
)
async def test_what_is_wrong_is_told(change: dict, code: str, words: str, operator: httpx.AsyncClient) -> None:
    assert tasks.add.name == "add"  # a task that this process knows
    answer = await operator.post(URL, json=NIGHTLY | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert words in answer.text
    assert (await operator.get(URL)).json()["items"] == []


async def test_the_problem_names_the_field_and_the_close_matches(operator: httpx.AsyncClient) -> None:
    problem = (await operator.post(URL, json=NIGHTLY | {"cron": "* * * * MO"})).json()
    assert problem["field"] == "day-of-week"
    problem = (await operator.post(URL, json=NIGHTLY | {"time_zone": "berlin"})).json()
    assert (problem["field"], problem["close_matches"]) == ("time_zone", ["Europe/Berlin"])


async def test_a_name_is_taken_once(operator: httpx.AsyncClient) -> None:
    first = (await operator.post(URL, json=NIGHTLY)).json()
    answer = await operator.post(URL, json=NIGHTLY)
    assert (answer.status_code, answer.json()["code"]) == (409, "schedule_name_taken")
    other = (await operator.post(URL, json=NIGHTLY | {"name": "other"})).json()
    answer = await operator.patch(f"{URL}/{other['schedule_id']}", json={"name": "nightly"})
    assert (answer.status_code, answer.json()["code"]) == (409, "schedule_name_taken")
    assert (await operator.patch(f"{URL}/{first['schedule_id']}", json={"name": "nightly"})).status_code == 200


async def test_a_repetition_under_an_idempotency_key_makes_nothing_twice(api: Api, operator: httpx.AsyncClient) -> None:
    key = {"Idempotency-Key": "same"}
    first, second = [await operator.post(URL, json=NIGHTLY, headers=key) for _ in range(2)]
    assert first.json() == second.json()
    assert second.headers["Idempotency-Replayed"] == "true"
    run = f"{URL}/{first.json()['schedule_id']}/run"
    first, second = [await operator.post(run, headers=key) for _ in range(2)]
    assert (first.status_code, first.json()) == (201, second.json())
    assert (await operator.post(run)).json() != first.json()
    # A process died between commit and answer: its repetition comes under the same reserved id.
    await api.database.pool.execute(
        "UPDATE idempotency_keys SET response_status = NULL, response_body = NULL, locked_until = now()"
    )
    assert (await operator.post(run, headers=key)).json() == first.json()
    assert (await operator.post(URL, json=NIGHTLY, headers=key)).status_code == 201
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 2


async def test_a_change_moves_what_it_must_and_leaves_the_rest(operator: httpx.AsyncClient) -> None:
    made = (await operator.post(URL, json=NIGHTLY | {"ends_at": "2190-01-01T00:00:00Z"})).json()
    path = f"{URL}/{made['schedule_id']}"
    changed = (await operator.patch(path, json={"priority": 9, "overlap_policy": "queue_one", "ends_at": None})).json()
    assert (changed["priority"], changed["overlap_policy"], changed["ends_at"]) == (9, "queue_one", None)
    assert (changed["next_fire_at"], changed["cron"]) == (made["next_fire_at"], made["cron"])
    changed = (await operator.patch(path, json={"time_zone": "Asia/Tokyo"})).json()
    assert changed["next_fire_at"] != made["next_fire_at"]
    changed = (await operator.patch(path, json={"interval_seconds": 90, "args": [1, 2], "kwargs": {"c": 3}})).json()
    assert (changed["kind"], changed["cron"], changed["time_zone"]) == ("interval", None, "UTC")
    assert (changed["task_args"], changed["task_kwargs"]) == ([1, 2], {"c": 3})
    for wrong, code in (
        ({"cron": "x"}, "invalid_cron"),
        ({"time_zone": "Asia/Tokyo"}, "invalid_schedule"),
        ({"cron": "@daily", "interval_seconds": 5}, "invalid_input"),
        ({"kwargs": {}}, "invalid_input"),
        ({"paused": True}, "invalid_input"),
        ({"ends_at": "2020-01-01T00:00:00Z"}, "invalid_schedule"),
    ):
        answer = await operator.patch(path, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, code), wrong
    assert (await operator.patch(f"{URL}/{uuid7()}", json={})).json()["code"] == "schedule_not_found"


async def test_it_is_paused_resumed_run_and_backfilled_and_tells_what_it_fired(operator: httpx.AsyncClient) -> None:
    made = (await operator.post(URL, json={"name": "x", "task_name": "x", "interval_seconds": 3600})).json()
    path = f"{URL}/{made['schedule_id']}"
    paused = (await operator.post(f"{path}/pause")).json()
    assert (paused["paused"], paused["next_fire_at"]) == (True, None)
    assert len((await operator.get(path)).json()["next_fires"]) == 5
    resumed = (await operator.post(f"{path}/resume")).json()
    assert (resumed["paused"], resumed["next_fire_at"]) == (False, made["next_fire_at"])
    ran = (await operator.post(f"{path}/run")).json()
    assert ran["status"] == "PENDING"
    now = datetime.now(UTC)
    body = {"from": (now - timedelta(hours=4)).isoformat(), "to": now.isoformat()}
    filled = (await operator.post(f"{path}/backfill", json=body)).json()
    assert (filled["instants"], filled["created"], len(filled["task_ids"])) == (4, 4, 4)
    assert (await operator.post(f"{path}/backfill", json=body)).json()["created"] == 0
    first = (await operator.get(f"{path}/fires", params={"limit": 2})).json()
    rest = (await operator.get(f"{path}/fires", params={"cursor": first["next_cursor"]})).json()
    fires = [*first["items"], *rest["items"]]
    assert [fire["cause"] for fire in fires] == ["run", "backfill", "backfill", "backfill", "backfill"]
    assert {(fire["status"], fire["task_status"]) for fire in fires} == {("FIRED", "PENDING")}
    assert {fire["task_id"] for fire in fires} == {ran["task_id"], *filled["task_ids"]}
    minutely = {"interval_seconds": 1}
    await operator.patch(path, json=minutely)
    answer = await operator.post(f"{path}/backfill", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "backfill_too_large")


async def test_every_change_leaves_its_audit_row(admin: httpx.AsyncClient) -> None:
    made = (await admin.post(URL, json=NIGHTLY)).json()
    path = f"{URL}/{made['schedule_id']}"
    for verb in ("pause", "resume", "run"):
        await admin.post(f"{path}/{verb}")
    await admin.patch(path, json={"priority": 1})
    await admin.post(f"{path}/backfill", json={"from": "2026-06-01T00:00:00Z", "to": "2026-06-02T00:00:00Z"})
    await admin.delete(path)
    rows = (await admin.get("/api/v1/audit-log", params={"target_id": made["schedule_id"]})).json()["items"]
    assert [row["action"].partition(".")[2] for row in rows] == [
        "delete", "backfill", "update", "run", "resume", "pause", "create",
    ]  # fmt: skip
    assert rows[0]["detail"] == {"name": "nightly"}
    assert rows[2]["detail"] == {"name": "nightly", "changed": ["priority"]}


@pytest.mark.parametrize("timing", [Cron("@daily", "Europe/Berlin"), Every(60), At(datetime(2190, 1, 1, tzinfo=UTC))])
async def test_the_http_client_makes_and_deletes_schedules(
    timing: Cron | Every | At, operator: httpx.AsyncClient
) -> None:
    operator.base_url = "http://testserver/api/v1"
    taskflow = TaskFlow("http://testserver", "unused", http=operator)
    schedule = Schedule("sums", timing, overlap="skip", jitter=5)
    schedule_id = await taskflow.schedule(schedule, tasks.add.options(priority="LOW"), 1, right=2)
    found = (await operator.get(f"/schedules/{schedule_id}")).json()
    assert (found["task_name"], found["task_kwargs"], found["priority"]) == ("add", {"left": 1, "right": 2}, 2)
    assert (found["overlap_policy"], found["jitter_seconds"]) == ("skip", 5)
    with pytest.raises(ConflictError):
        await taskflow.schedule(schedule, tasks.add, 1, right=2)
    await taskflow.unschedule(schedule_id)
    assert (await operator.get("/schedules")).json()["items"] == []
