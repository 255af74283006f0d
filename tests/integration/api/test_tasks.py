"""Tasks over HTTP."""

import httpx


async def test_a_submitted_task_can_be_read_with_its_history(operator: httpx.AsyncClient) -> None:
    created = await operator.post(
        "/api/v1/tasks", json={"task_name": "unknown_here", "args": {"to": "Zoë"}, "priority": "HIGH"}
    )
    assert created.status_code == 201, created.text
    assert created.json()["status"] == "PENDING"
    task_id = created.json()["task_id"]
    found = (await operator.get(f"/api/v1/tasks/{task_id}")).json()
    assert found["task_kwargs"] == {"to": "Zoë"}
    assert (found["priority"], found["priority_name"]) == (8, "HIGH")
    assert found["executions"] == []
    assert found["result"] is None
    assert found["logs"] == []
