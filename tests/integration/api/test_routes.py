"""Routes over HTTP and in the shell: what providers are doing, and a hand on their breakers."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx

from support.api import Api
from support.messages import send
from support.routing import BULK, DOMAIN_BUSY, RECEIPT, routing
from support.scripted_smtp import ScriptedSmtp
from taskflow.delivery.router.breaker import Report
from taskflow.delivery.router.domain_limits import configured_limits
from taskflow.delivery.router.models import Budgets, Choice, Route, Wait

URL = "/api/v1/routes"


async def test_a_route_shows_its_breaker_its_budgets_and_why_it_waits(api: Api, viewer: httpx.AsyncClient) -> None:
    [fresh, texts] = (await viewer.get(URL)).json()["items"]
    assert (texts["name"], texts["usable"], texts["supports_dlt"]) == ("sms-sandbox", True, True)
    assert (fresh["name"], fresh["usable"], fresh["waiting"], fresh["budgets"]) == ("sandbox", True, None, [])
    assert fresh["breaker"] == {"state": "closed", "override": None, "reason": "", "faults": 0, "history": []}
    async with routing(api.database, api.broker, Route("sandbox")) as router:
        await router.reserve([BULK])
        await router.settle([Report("sandbox", 0, faults=5, trailing=5, reason="451 no")])
    [route, _] = (await viewer.get(URL)).json()["items"]
    assert (route["usable"], route["waiting"]) == (
        False,
        "The circuit breaker of sandbox is open. 5 faults in a row: 451 no",
    )
    assert route["wait_seconds"] > 0
    assert route["breaker"]["reason"] == "5 faults in a row: 451 no"
    assert [change["state"] for change in route["breaker"]["history"]] == ["open"]


async def test_an_operator_switches_a_breaker_and_it_is_audited(api: Api, operator: httpx.AsyncClient) -> None:
    for state, override, usable in (("open", "open", False), ("closed", "closed", True), ("auto", None, True)):
        answer = await operator.post(f"{URL}/sandbox/breaker", json={"state": state})
        assert answer.status_code == 200, answer.text
        assert (answer.json()["breaker"]["override"], answer.json()["usable"]) == (override, usable)
    history = [change["state"] for change in answer.json()["breaker"]["history"]]
    assert history == ["auto", "forced_closed", "forced_open"]
    heard = [event for _, event in await api.broker.events.read("0") if event.topic == "routes"]
    assert [event.data["state"] for event in heard] == history[::-1]
    rows = await api.database.pool.fetch(
        "SELECT target_id, detail->>'state' FROM audit_log WHERE action = 'route.breaker' ORDER BY created_at"
    )
    assert [tuple(row) for row in rows] == [("sandbox", "open"), ("sandbox", "closed"), ("sandbox", "auto")]


async def test_who_may_not_and_what_is_not_there_is_told(
    api: Api, viewer: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    assert (await viewer.post(f"{URL}/sandbox/breaker", json={"state": "open"})).status_code == 403
    missing = await operator.post(f"{URL}/gmail/breaker", json={"state": "open"})
    assert (missing.status_code, missing.json()["code"]) == (404, "route_not_found")
    assert (await operator.post(f"{URL}/sandbox/breaker", json={"state": "ajar"})).status_code == 422
    assert await api.database.pool.fetchval("SELECT count(*) FROM audit_log WHERE action = 'route.breaker'") == 0


async def test_a_switch_that_redis_does_not_hear_changes_nothing(api: Api, operator: httpx.AsyncClient) -> None:
    await api.broker.redis.set(api.broker.keys.router_provider("sandbox"), "no hash")
    answer = await operator.post(f"{URL}/sandbox/breaker", json={"state": "open"})
    assert (answer.status_code, answer.json()["code"]) == (503, "routes_unseen")
    assert await api.database.pool.fetchval("SELECT count(*) FROM provider_breakers") == 0


async def test_metrics_show_breakers_refusals_and_failovers(api: Api) -> None:
    async with routing(api.database, api.broker, Route("sandbox")) as router:
        await router.reserve([BULK])
        await router.settle([Report("sandbox", 0, faults=5, trailing=5, failovers=2)])
        await router.reserve([BULK] * 3)
    text = (await api.anonymous.get("/metrics")).text
    assert 'taskflow_route_breaker{route="sandbox",state="open"} 1.0' in text
    assert 'taskflow_route_breaker{route="sandbox",state="closed"} 0.0' in text
    assert 'taskflow_route_usable{route="sandbox"} 0.0' in text
    assert 'taskflow_route_refused_total{reason="open",route="sandbox"} 3.0' in text
    assert 'taskflow_route_failovers_total{route="sandbox"} 2.0' in text


async def test_a_recipient_domain_is_limited_seen_and_freed(
    api: Api, viewer: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    domains = f"{URL}/domains"
    assert (await viewer.put(f"{domains}/gmail.com", json={"per_day": 5})).status_code == 403
    for body in ({}, {"per_day": 0}, {"per_week": 1}):
        assert (await operator.put(f"{domains}/gmail.com", json=body)).status_code == 422
    assert (await operator.put(f"{domains}/no%20domain", json={"per_day": 5})).status_code == 422
    for limit in ({"per_day": 5, "per_minute": 1}, {"per_day": 3}):  # the second replaces the first
        assert (await operator.put(f"{domains}/GMail.com", json=limit)).status_code == 204
    gmail, other = (replace(RECEIPT, recipient_domain=domain) for domain in ("gmail.com", "example.com"))
    limits = configured_limits(api.database)
    async with routing(api.database, api.broker, Route("sandbox"), limits=await limits()) as router:
        await router.reserve([gmail] * 2)
        [choice] = await router.reserve([other])
        assert isinstance(choice, Choice)
        await router.settle([Report.of(choice, [(DOMAIN_BUSY, "example.com")], failovers=0)])
        [slowed, limited] = (await viewer.get(domains)).json()["items"]
        assert (limited["domain"], limited["per_day"], limited["per_minute"]) == ("gmail.com", 3, None)
        assert limited["budgets"] == [{"span": "day", "limit": 3, "used": 2, "left": 1}]
        assert (limited["throttled"], limited["waiting"], limited["paces"]) == (False, None, [])
        assert (slowed["domain"], slowed["throttled"], slowed["per_day"]) == ("example.com", True, None)
        [pace] = slowed["paces"]
        assert (pace["route"], pace["per_second"]) == ("sandbox", 0.5)
        first = (await viewer.get(domains, params={"limit": 1})).json()
        assert [one["domain"] for one in first["items"]] == ["example.com"]
        rest = (await viewer.get(domains, params={"cursor": first["next_cursor"]})).json()
        assert [one["domain"] for one in rest["items"]] == ["gmail.com"]
        assert [one["domain"] for one in (await viewer.get(domains, params={"throttled": True})).json()["items"]] == [
            "example.com"
        ]
        await router.reserve([gmail] * 2)
    [_, limited] = (await viewer.get(domains, params={"throttled": True})).json()["items"]
    assert (limited["waiting"], limited["wait_seconds"] > 0) == (
        "gmail.com has had its messages of these 24 hours.",
        True,
    )
    text = (await api.anonymous.get("/metrics")).text
    assert 'taskflow_recipient_domain_left{domain="gmail.com",span="day"} 0.0' in text
    assert 'taskflow_recipient_domain_per_second{domain="example.com",route="sandbox"} 0.5' in text
    assert (await operator.delete(f"{domains}/gmail.com")).status_code == 204
    missing = await operator.delete(f"{domains}/gmail.com")
    assert (missing.status_code, missing.json()["code"]) == (404, "domain_limit_not_found")
    actions = await api.database.pool.fetch(
        "SELECT action, detail->>'per_day' FROM audit_log WHERE target_id = 'gmail.com' ORDER BY created_at"
    )
    assert [tuple(row) for row in actions] == [
        ("route.limit_domain", "5"), ("route.limit_domain", "3"), ("route.unlimit_domain", None),
    ]  # fmt: skip


async def test_a_renamed_provider_keeps_its_state_and_a_deleted_one_leaves_none_to_its_name(
    api: Api, admin: httpx.AsyncClient
) -> None:
    async def seen(name: str) -> tuple[Any, int, list[str]]:
        [route] = [one for one in (await admin.get(URL)).json()["items"] if one["name"] == name]
        changes = [change["state"] for change in route["breaker"]["history"]]
        return route["breaker"]["override"], route["budgets"][0]["used"], changes

    body = {"name": "old", "kind": "sandbox", "per_day": 100}
    path = f"/api/v1/providers/{(await admin.post('/api/v1/providers', json=body)).json()['provider_id']}"
    route = Route("old", budgets=Budgets(per_day=100))
    async with routing(api.database, api.broker, route) as router:
        assert len(await router.reserve([RECEIPT] * 7)) == 7
    await admin.post(f"{URL}/old/breaker", json={"state": "open"})
    assert (await admin.patch(path, json={"name": "new"})).status_code == 200
    async with routing(api.database, api.broker, replace(route, name="new")) as router:
        [wait] = await router.reserve([RECEIPT])
    assert wait == Wait(30.0, "new is switched off by hand.")
    assert await seen("new") == ("open", 7, ["forced_open"])
    assert (await admin.delete(path, params={"last": True})).status_code == 204
    for name in ("old", "new"):
        await admin.post("/api/v1/providers", json=body | {"name": name})
        assert await seen(name) == (None, 0, [])


async def test_a_provider_that_is_mended_is_probed_in_a_moment(
    api: Api, admin: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    async with ScriptedSmtp() as server:
        settings = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        body = {"name": "relay", "kind": "smtp", "settings": settings}
        path = f"/api/v1/providers/{(await admin.post('/api/v1/providers', json=body)).json()['provider_id']}"

        async def cut_off() -> None:
            await api.broker.redis.delete(api.broker.keys.router_provider("relay"))
            async with routing(api.database, api.broker, Route("relay")) as router:
                await router.reserve([BULK])
                await router.settle([Report("relay", 0, faults=5, trailing=5, reason="535 no")])

        async def breaker() -> tuple[bool, str]:
            [route] = [one for one in (await admin.get(URL)).json()["items"] if one["name"] == "relay"]
            return route["wait_seconds"] <= 1.5, route["breaker"]["reason"]

        await cut_off()
        assert (await admin.patch(path, json={"priority": 2})).status_code == 200
        assert await breaker() == (False, "5 faults in a row: 535 no")
        assert (await admin.patch(path, json={"settings": {"helo_name": "a.example"}})).status_code == 200
        assert await breaker() == (True, "Its settings have changed. It is probed in a moment.")
        await cut_off()
        assert (await operator.post(f"{path}/test")).json()["works"]
        assert await breaker() == (True, "A test of its connection went well. It is probed in a moment.")


async def test_who_waits_for_a_provider_is_woken_by_a_change_and_who_waits_for_something_else_is_not(
    api: Api, admin: httpx.AsyncClient
) -> None:
    body = {"name": "relay", "kind": "sandbox", "per_day": 1}
    path = f"/api/v1/providers/{(await admin.post('/api/v1/providers', json=body)).json()['provider_id']}"
    names = ("waits@example.com", "retries@example.com", "later@example.com")
    found = [(await send(admin, name))["messages"][0]["message_id"] for name in names]
    pool = api.database.pool
    await pool.execute(
        "UPDATE tasks SET status = 'SCHEDULED', due_at = now() + interval '10 minutes',"
        " lease_epoch = CASE WHEN task_id = $1 THEN 0 ELSE 1 END",
        UUID(found[2]),  # has never been claimed: somebody has set a time
    )
    await pool.execute("UPDATE messages SET status = 'DEFERRED' WHERE message_id = $1", UUID(found[1]))

    async def woken() -> list[str]:
        rows = await pool.fetch("SELECT task_id FROM tasks WHERE due_at < now() + interval '7 seconds'")
        return [str(row["task_id"]) for row in rows]

    assert await woken() == []
    assert (await admin.patch(path, json={"per_day": None})).status_code == 200
    assert await woken() == [found[0]]
    await pool.execute("UPDATE tasks SET due_at = now() + interval '10 minutes'")
    assert (await admin.post(f"{URL}/relay/breaker", json={"state": "closed"})).status_code == 200
    assert await woken() == [found[0]]
    await pool.execute("UPDATE tasks SET due_at = now() + interval '10 minutes'")
    assert (await admin.patch(path, json={"weight": 2})).status_code == 200
    for other in (
        {"name": "texts", "kind": "sms-sandbox"},
        {
            "name": "api",
            "kind": "http",
            "enabled": False,
            "settings": {"url": "https://a.example", "json_template": {}},
        },
    ):
        made = await admin.post("/api/v1/providers", json=other)
        assert made.status_code == 201, made.text
    assert (await admin.post(f"/api/v1/providers/{made.json()['provider_id']}/test")).json()["works"]
    assert await woken() == []  # of no consequence, for texts, or not known to work
    assert (await admin.put(f"{URL}/domains/example.com", json={"per_day": 10})).status_code == 204
    assert await woken() == [found[0]]


async def test_a_provider_that_no_worker_can_open_is_not_shown_as_usable(api: Api, admin: httpx.AsyncClient) -> None:
    for name, secrets in (("relay", {"password": "a secret"}), ("plugin", {}), ("fine", {})):
        settings = {"host": "127.0.0.1", "security": "tls"} | ({"username": "me"} if secrets else {})
        body = {"name": name, "kind": "smtp", "settings": settings, "secrets": secrets}
        assert (await admin.post("/api/v1/providers", json=body)).status_code == 201
    await api.database.pool.execute("UPDATE providers SET secrets = 'not what was sealed' WHERE name = 'relay'")
    await api.database.pool.execute("UPDATE providers SET kind = 'of-a-plugin' WHERE name = 'plugin'")
    found = {one["name"]: (one["usable"], one["waiting"] or "") for one in (await admin.get(URL)).json()["items"]}
    usable = {name: usable for name, (usable, _) in found.items()}
    assert usable == {"relay": False, "plugin": False, "fine": True, "sms-sandbox": True}
    assert all(found[name][1].startswith(f"{name}: ") for name in ("relay", "plugin"))
