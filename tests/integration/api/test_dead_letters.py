"""Dead letters over HTTP: found, grouped, requeued as they were or edited, purged, and steered by policies."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.letters import fail_again, give_up
from taskflow.base.ids import uuid7

URL = "/api/v1/dead-letters"


async def listed(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(URL, params=query)
    assert answer.status_code == 200, answer.text
    return [item["dlq_id"] for item in answer.json()["items"]]


async def test_filters_find_letters(api: Api, operator: httpx.AsyncClient) -> None:
    first, _ = await give_up(api.database, "mail", queue="slow", kwargs={"to": "Ada"}, age=3600)
    second, _ = await give_up(api.database, "mail", reason="KeyError: 'zip'", place="shop.py:pack")
    third, _ = await give_up(api.database, "resize")
    assert await listed(operator) == [str(third), str(second), str(first)]
    assert await listed(operator, task_name="mail") == [str(second), str(first)]
    assert await listed(operator, queue="slow") == [str(first)]
    assert await listed(operator, text="ada") == [str(first)]
    assert await listed(operator, text="ZIP") == [str(second)]
    letter = (await operator.get(f"{URL}/{second}")).json()
    assert await listed(operator, fingerprint=letter["fingerprint"]) == [str(second)]
    assert await listed(operator, moved_after=letter["moved_at"]) == [str(third), str(second)]
    assert await listed(operator, moved_before=letter["moved_at"]) == [str(first)]
    await operator.post(f"{URL}/{third}/requeue")
    assert await listed(operator, requeued=True) == [str(third)]
    assert await listed(operator, requeued=False) == [str(second), str(first)]
    assert (await operator.get(URL, params={"fingerprint": "x"})).status_code == 422


async def test_a_letter_tells_the_whole_task_and_its_attempts(api: Api, viewer: httpx.AsyncClient) -> None:
    dlq_id, task_id = await give_up(api.database, "mail", kwargs={"to": "Ada"})
    await api.database.pool.execute(
        "INSERT INTO task_executions (task_id, lease_epoch, attempt_number, status) VALUES ($1, 1, 1, 'FAILED')",
        task_id,
    )
    letter = (await viewer.get(f"{URL}/{dlq_id}")).json()
    assert letter["task_data"]["task_kwargs"] == {"to": "Ada"}
    assert (letter["error_class"], letter["error_place"], letter["task_status"]) == (
        "ValueError",
        "app.py:work",
        "FAILED",
    )
    assert [row["attempt_number"] for row in letter["executions"]] == [1]
    answer = await viewer.get(f"{URL}/{uuid7()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "dead_letter_not_found")


async def test_groups_count_what_one_cause_broke_newest_first_page_by_page(api: Api, viewer: httpx.AsyncClient) -> None:
    await give_up(api.database, "mail", place="a.py:f", age=50)
    await give_up(api.database, "mail", place="b.py:g", age=40)
    newest, _ = await give_up(api.database, "mail", place="a.py:f", age=30, reason="ValueError: the newest")
    await give_up(api.database, "resize", place="a.py:f", age=20)
    first = (await viewer.get(f"{URL}/groups", params={"limit": 2})).json()
    assert [(g["task_name"], g["error_place"], g["letters"]) for g in first["items"]] == [
        ("resize", "a.py:f", 1),
        ("mail", "a.py:f", 2),
    ]
    assert first["items"][1]["newest_dlq_id"] == str(newest)
    assert first["items"][1]["failure_reason"] == "ValueError: the newest"
    rest = (await viewer.get(f"{URL}/groups", params={"cursor": first["next_cursor"]})).json()
    assert [(g["error_place"], g["waiting"]) for g in rest["items"]] == [("b.py:g", 1)]
    assert rest["next_cursor"] is None
    one = (await viewer.get(f"{URL}/groups", params={"task_name": "resize"})).json()["items"]
    assert [group["task_name"] for group in one] == ["resize"]


async def test_letters_are_requeued_one_by_one_by_filter_and_all(api: Api, operator: httpx.AsyncClient) -> None:
    letters = [await give_up(api.database, name) for name in ("a", "a", "b", "c", "d")]
    one = (await operator.post(f"{URL}/{letters[0][0]}/requeue")).json()
    assert (one["requeue_cause"], one["requeued_task_id"]) == ("hand", str(letters[0][1]))
    assert (await operator.post(f"{URL}/{letters[0][0]}/requeue")).status_code == 409
    path = f"{URL}/requeue"
    assert (await operator.post(path, json={"task_name": "a"})).json() == {"requeued": 1}
    assert (await operator.post(path, json={"dlq_ids": [str(letters[2][0])]})).json() == {"requeued": 1}
    group = (await operator.get(f"{URL}/{letters[3][0]}")).json()["fingerprint"]
    assert (await operator.post(path, json={"fingerprint": group})).json() == {"requeued": 1}
    answer = await operator.post(path, json={})
    assert (answer.status_code, "all: true" in answer.text) == (422, True)
    assert (await operator.post(path, json={"all": True})).json() == {"requeued": 1}
    assert (await operator.post(path, json={"all": True})).json() == {"requeued": 0}


async def test_an_edited_letter_becomes_another_task_and_is_linked_to_it(api: Api, operator: httpx.AsyncClient) -> None:
    dlq_id, task_id = await give_up(api.database, "mail", kwargs={"to": "Adda"})
    edit = {"args": {"to": "Ada"}, "queue": "fast", "priority": "HIGH"}
    letter = (await operator.post(f"{URL}/{dlq_id}/requeue", json=edit)).json()
    assert letter["requeue_cause"] == "edit"
    assert letter["requeued_task_id"] != str(task_id)
    task = (await operator.get(f"/api/v1/tasks/{letter['requeued_task_id']}")).json()
    assert (task["task_name"], task["task_kwargs"], task["queue"], task["priority"], task["status"]) == (
        "mail", {"to": "Ada"}, "fast", 8, "PENDING",
    )  # fmt: skip
    assert letter["task_data"]["task_kwargs"] == {"to": "Adda"}
    assert (await operator.get(f"/api/v1/tasks/{task_id}")).json()["status"] == "FAILED"
    answer = await operator.post(f"{URL}/{dlq_id}/requeue", json=edit)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_requeued")
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 2


@pytest.mark.parametrize("edit", [{"kwargs": {"a": 1}}, {"priority": 11}, {"queue": "a b"}, {"args": 1}, {"what": 1}])
async def test_a_wrong_edit_changes_nothing(api: Api, operator: httpx.AsyncClient, edit: dict[str, Any]) -> None:
    dlq_id, _ = await give_up(api.database)
    assert (await operator.post(f"{URL}/{dlq_id}/requeue", json=edit)).status_code == 422
    assert await listed(operator, requeued=False) == [str(dlq_id)]


async def test_a_campaigns_task_is_not_edited(api: Api, operator: httpx.AsyncClient) -> None:
    dlq_id, _ = await give_up(api.database)
    await api.database.pool.execute('UPDATE dead_letter_queue SET task_data = task_data || \'{"campaign_id": "x"}\'')
    answer = await operator.post(f"{URL}/{dlq_id}/requeue", json={"priority": 9})
    assert (answer.status_code, answer.json()["code"]) == (409, "campaign_task")


async def test_a_letter_whose_task_was_pruned_is_requeued_as_a_new_task(api: Api, operator: httpx.AsyncClient) -> None:
    dlq_id, task_id = await give_up(api.database, "mail", kwargs={"to": "Ada"})
    await api.database.pool.execute("DELETE FROM tasks")
    assert (await operator.get(f"{URL}/{dlq_id}")).json()["task_status"] is None
    letter = (await operator.post(f"{URL}/{dlq_id}/requeue")).json()
    task = (await operator.get(f"/api/v1/tasks/{letter['requeued_task_id']}")).json()
    assert (task["task_kwargs"], task["task_id"] != str(task_id)) == ({"to": "Ada"}, True)


async def test_letters_are_purged_one_by_one_by_filter_and_all(api: Api, operator: httpx.AsyncClient) -> None:
    letters = [await give_up(api.database, name) for name in ("a", "a", "b", "c")]
    one = f"{URL}/{letters[0][0]}"
    assert (await operator.delete(one)).status_code == 204
    assert (await operator.delete(one)).status_code == 404
    await operator.post(f"{URL}/{letters[1][0]}/requeue")
    path = f"{URL}/purge"
    assert (await operator.post(path, json={"requeued": True})).json() == {"purged": 1}
    assert (await operator.post(path, json={"task_name": "b"})).json() == {"purged": 1}
    assert (await operator.post(path, json={})).status_code == 422
    assert (await operator.post(path, json={"all": True})).json() == {"purged": 1}
    assert await listed(operator) == []
    assert await api.database.pool.fetchval("SELECT count(*) FROM tasks") == 4


async def test_what_is_encrypted_says_so_in_letters_and_groups(api: Api, viewer: httpx.AsyncClient) -> None:
    await give_up(api.database, reason="$encrypted:2026-11:AAAA")
    for path in (URL, f"{URL}/groups"):
        [item] = (await viewer.get(path)).json()["items"]
        assert item["failure_reason"] == "(encrypted with the key 2026-11)"


@pytest.mark.parametrize("verb", ["requeue", "purge"])
async def test_an_empty_search_text_does_not_mean_all_of_them(api: Api, operator: httpx.AsyncClient, verb: str) -> None:
    await give_up(api.database)
    answer = await operator.post(f"{URL}/{verb}", json={"text": ""})
    assert answer.status_code == 422
    assert len(await listed(operator, requeued=False)) == 1


async def test_a_policy_is_set_read_changed_and_deleted(operator: httpx.AsyncClient) -> None:
    path = f"{URL}/policies/shop/mail"
    made = (await operator.put(path, json={"max_retries": 2, "delay_seconds": 5})).json()
    assert (made["task_name"], made["max_retries"], made["backoff"]) == ("shop/mail", 2, 2.0)
    assert (await operator.put(path, json={})).json()["max_retries"] == 3
    assert [p["task_name"] for p in (await operator.get(f"{URL}/policies")).json()["items"]] == ["shop/mail"]
    answer = await operator.put(path, json={"delay_seconds": 9, "max_delay_seconds": 8})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_policy")
    assert (await operator.delete(path)).status_code == 204
    answer = await operator.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "policy_not_found")


async def test_every_change_leaves_its_audit_row(api: Api, admin: httpx.AsyncClient) -> None:
    dlq_id, task_id = await give_up(api.database)
    await admin.post(f"{URL}/{dlq_id}/requeue", json={"priority": 9})
    await fail_again(api.database, task_id)
    await admin.post(f"{URL}/requeue", json={"dlq_ids": [str(dlq_id)]})
    await admin.put(f"{URL}/policies/noop", json={})
    await admin.delete(f"{URL}/policies/noop")
    await admin.post(f"{URL}/purge", json={"all": True})
    rows = (await admin.get("/api/v1/audit-log")).json()["items"]
    letters = [(row["action"], row["detail"]) for row in rows if row["target_type"] == "dead_letter"]
    assert [action.partition(".")[2] for action, _ in letters] == [
        "purge_many", "delete_policy", "set_policy", "requeue_many", "requeue",
    ]  # fmt: skip
    assert letters[0][1] == {"all": True, "purged": 2}
    assert letters[-1][1]["changed"] == ["priority"]
    assert UUID(letters[-1][1]["task_id"])
