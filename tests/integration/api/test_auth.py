"""Sign-in, sessions, API keys: who gets in, and for how long."""

import asyncio

import httpx
import pytest
from argon2 import extract_parameters

from support.api import PASSWORD, Api, client_of
from support.waiting import eventually
from taskflow.identity import authenticator, passwords
from taskflow.identity.models import Role

LOGIN = "/api/v1/auth/login"
ME = "/api/v1/auth/me"


@pytest.fixture(scope="module", autouse=True)
def hashes() -> None:
    """Passwords are hashed here as they are in earnest: guesses overlap."""


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are looked at anew after a moment instead of three seconds."""
    assert authenticator.TRUST_SECONDS <= 5
    monkeypatch.setattr(authenticator, "TRUST_SECONDS", 0.1)


async def test_a_user_signs_in_and_is_known(api: Api) -> None:
    await api.user(Role.MARKETER, "Ada@Example.com")
    session = await api.sign_in("ada@example.COM")
    assert session["token_type"] == "bearer"
    assert session["user"] | {"user_id": ""} == {"user_id": "", "email": "Ada@Example.com", "role": "marketer"}
    async with api.client(session["access_token"]) as client:
        assert (await client.get(ME)).json() == session["user"]


async def test_wrong_unknown_and_deactivated_look_the_same(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    gone = await api.identity.create_user("gone@example.com", PASSWORD, Role.VIEWER)
    await api.identity.update_user(gone.user_id, role=None, is_active=False, password=None)
    answers = [
        await api.anonymous.post(LOGIN, json={"email": email, "password": password})
        for email, password in (
            ("known@example.com", "wrong password 1"),
            ("nobody@example.com", "wrong password 1"),
            ("gone@example.com", PASSWORD),
        )
    ]
    assert {answer.status_code for answer in answers} == {401}
    bodies = [{**answer.json(), "request_id": ""} for answer in answers]
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0]["code"] == "wrong_credentials"


async def test_an_unknown_address_takes_the_same_work_as_a_known_one(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    verify = passwords._verify
    compared: list[tuple[object, str, bool]] = []

    def watched(stored: str, password: str) -> bool:
        matches = verify(stored, password)
        compared.append((extract_parameters(stored), password, matches))
        return matches

    monkeypatch.setattr(passwords, "_verify", watched)

    async def work(email: str) -> list[tuple[object, str, bool]]:
        compared.clear()
        await api.anonymous.post(LOGIN, json={"email": email, "password": "wrong password 1"})
        return compared.copy()

    known = await work("known@example.com")
    assert [(password, matches) for _, password, matches in known] == [("wrong password 1", False)]
    for _ in range(2):  # the first of a process makes the hash that nobody's password has
        assert await work("nobody@example.com") == known


async def test_guessing_is_stopped_even_in_parallel_and_also_for_unknown_addresses(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    for email in ("known@example.com", "nobody@example.com"):
        answers = await asyncio.gather(
            *(api.anonymous.post(LOGIN, json={"email": email, "password": f"wrong {number}"}) for number in range(15))
        )
        codes = sorted(answer.status_code for answer in answers)
        assert codes == [401] * 10 + [429] * 5
        locked = await api.anonymous.post(LOGIN, json={"email": email, "password": PASSWORD})
        assert locked.json()["code"] == "sign_in_locked"
        assert 0 < int(locked.headers["Retry-After"]) <= 901


async def test_a_lock_survives_a_flush_of_redis_and_binds_one_address_only(api: Api, redis: object) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    for number in range(10):
        await api.anonymous.post(LOGIN, json={"email": "known@example.com", "password": f"wrong {number}"})
    await redis.flushall()  # type: ignore[attr-defined]
    right = {"email": "known@example.com", "password": PASSWORD}
    assert (await api.anonymous.post(LOGIN, json=right)).status_code == 429
    async with client_of(api.app, "203.0.113.7") as elsewhere:
        assert (await elsewhere.post(LOGIN, json=right)).status_code == 200


async def test_one_address_cannot_lock_an_account_for_everybody(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    for number in range(105):
        wrong = {"email": "known@example.com", "password": f"wrong {number}"}
        locked = await api.anonymous.post(LOGIN, json=wrong)
    assert locked.json()["code"] == "sign_in_locked"
    async with client_of(api.app, "203.0.113.7") as elsewhere:
        right = {"email": "known@example.com", "password": PASSWORD}
        assert (await elsewhere.post(LOGIN, json=right)).status_code == 200


async def test_guesses_from_many_addresses_lock_the_account(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    codes: list[int] = []
    for place in range(11):
        async with client_of(api.app, f"203.0.113.{place}") as client:
            for number in range(10):
                wrong = {"email": "known@example.com", "password": f"wrong {number}"}
                codes.append((await client.post(LOGIN, json=wrong)).status_code)
    assert codes == [401] * 100 + [429] * 10


async def test_the_addresses_of_one_ipv6_subscriber_count_as_one(api: Api) -> None:
    codes: list[int] = []
    for number in range(12):
        async with client_of(api.app, f"2001:db8:1:2::{number + 1:x}") as client:
            wrong = {"email": "known@example.com", "password": "wrong password"}
            codes.append((await client.post(LOGIN, json=wrong)).status_code)
    assert codes == [401] * 10 + [429] * 2


async def test_right_sign_ins_are_never_counted_as_failures(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    for _ in range(12):
        await api.sign_in("known@example.com")


async def test_a_refresh_token_works_once_and_its_second_use_ends_the_session(api: Api, quick: None) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    first = await api.sign_in("known@example.com")
    second = (await api.anonymous.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()
    async with api.client(second["access_token"]) as client:
        assert (await client.get(ME)).status_code == 200
        reused = await api.anonymous.post("/api/v1/auth/refresh", json={"refresh_token": first["refresh_token"]})
        assert reused.status_code == 401
        thief = await api.anonymous.post("/api/v1/auth/refresh", json={"refresh_token": second["refresh_token"]})
        assert thief.status_code == 401

        async def refused() -> bool:
            return (await client.get(ME)).status_code == 401

        await eventually(refused, seconds=60)


async def test_who_knows_the_password_changes_it_and_every_other_session_ends(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    elsewhere, here = await api.sign_in("known@example.com"), await api.sign_in("known@example.com")
    change = {"current_password": PASSWORD, "new_password": "quite another password"}
    async with api.client(here["access_token"]) as client:
        wrong = await client.post("/api/v1/auth/password", json=change | {"current_password": "wrong password 1"})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_password")
        weak = await client.post("/api/v1/auth/password", json=change | {"new_password": "short"})
        assert weak.status_code == 422
        changed = await client.post("/api/v1/auth/password", json=change)
        assert changed.status_code == 200
    again = await api.anonymous.post(LOGIN, json={"email": "known@example.com", "password": PASSWORD})
    assert again.status_code == 401
    over = await api.anonymous.post("/api/v1/auth/refresh", json={"refresh_token": elsewhere["refresh_token"]})
    assert over.status_code == 401
    async with api.client(changed.json()["access_token"]) as client:
        assert (await client.get(ME)).status_code == 200
        made = await client.post("/api/v1/api-keys", json={"name": "script"})
    async with api.client(made.json()["key"]) as client:
        assert (await client.post("/api/v1/auth/password", json=change)).status_code == 403


async def test_guesses_at_the_present_password_are_counted(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    session = await api.sign_in("known@example.com")
    change = {"current_password": "wrong password 1", "new_password": "quite another password"}
    async with api.client(session["access_token"]) as client:
        codes = [(await client.post("/api/v1/auth/password", json=change)).status_code for _ in range(11)]
    assert codes == [422] * 10 + [429]


async def test_only_one_of_two_parallel_refreshes_gets_tokens(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    session = await api.sign_in("known@example.com")
    body = {"refresh_token": session["refresh_token"]}
    answers = await asyncio.gather(*(api.anonymous.post("/api/v1/auth/refresh", json=body) for _ in range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]


async def test_signing_out_ends_the_session_and_asking_again_is_fine(api: Api) -> None:
    await api.user(Role.VIEWER, "known@example.com")
    session = await api.sign_in("known@example.com")
    body = {"refresh_token": session["refresh_token"]}
    for _ in range(2):
        assert (await api.anonymous.post("/api/v1/auth/logout", json=body)).status_code == 204
    assert (await api.anonymous.post("/api/v1/auth/refresh", json=body)).status_code == 401


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "viewer"}, {"password": "another password"}])
async def test_sessions_do_not_outlive_what_they_were_given_for(
    api: Api, admin: httpx.AsyncClient, change: dict, quick: None
) -> None:
    session = await api.sign_in(await api.user(Role.OPERATOR, "worker@example.com"))
    user_id = session["user"]["user_id"]
    async with api.client(session["access_token"]) as client:
        assert (await client.get(ME)).status_code == 200
        changed = await admin.patch(f"/api/v1/users/{user_id}", json=change)
        assert changed.status_code == 200, changed.text

        async def refused() -> bool:
            return (await client.get(ME)).status_code == 401

        await eventually(refused, seconds=60)
    refreshed = await api.anonymous.post("/api/v1/auth/refresh", json={"refresh_token": session["refresh_token"]})
    assert refreshed.status_code == 401


async def test_an_api_key_acts_for_its_owner_and_can_be_revoked(
    api: Api, operator: httpx.AsyncClient, quick: None
) -> None:
    made = (await operator.post("/api/v1/api-keys", json={"name": "robot", "role": "operator"})).json()
    assert made["key"].startswith(f"tf_{made['prefix']}_")
    listed = (await operator.get("/api/v1/api-keys")).json()["items"]
    assert [item["key_id"] for item in listed] == [made["key_id"]]
    assert "key" not in listed[0]
    async with api.client(made["key"]) as robot, client_of(api.app, headers={"X-API-Key": made["key"]}) as header:
        assert (await robot.get(ME)).json()["email"] == "operator@example.com"
        assert (await header.get(ME)).status_code == 200
        assert (await operator.delete(f"/api/v1/api-keys/{made['key_id']}")).status_code == 204

        async def refused() -> bool:
            return (await robot.get(ME)).status_code == 401

        await eventually(refused, seconds=60)


async def test_a_key_of_a_demoted_user_can_do_no_more_than_the_user(api: Api, admin: httpx.AsyncClient) -> None:
    session = await api.sign_in(await api.user(Role.OPERATOR, "worker@example.com"))
    async with api.client(session["access_token"]) as client:
        made = (await client.post("/api/v1/api-keys", json={"name": "robot", "role": "operator"})).json()
    await admin.patch(f"/api/v1/users/{session['user']['user_id']}", json={"role": "viewer"})
    async with api.client(made["key"]) as robot:
        assert (await robot.get(ME)).json()["role"] == "viewer"
        assert (await robot.post("/api/v1/tasks", json={"task_name": "x"})).status_code == 403


async def test_nobody_makes_a_key_that_can_do_more_than_themselves(viewer: httpx.AsyncClient) -> None:
    for body in ({"role": "admin"}, {"scopes": ["metrics"]}, {"rate_limit_per_minute": 100_000}):
        refused = await viewer.post("/api/v1/api-keys", json={"name": "robot", **body})
        assert refused.status_code == 403


async def test_a_key_makes_none_that_outlives_it_and_revokes_none_above_it(api: Api, admin: httpx.AsyncClient) -> None:
    async def make(client: httpx.AsyncClient, **body: object) -> httpx.Response:
        return await client.post("/api/v1/api-keys", json={"name": "k", **body})

    end = "2999-01-01T00:00:00Z"
    temporary = (await make(admin, role="admin", expires_at=end)).json()
    async with api.client(temporary["key"]) as client:
        assert (await make(client)).status_code == 403
        assert (await make(client, expires_at="2999-01-01T00:00:01Z")).status_code == 403
        assert (await make(client, expires_at=end)).status_code == 201
    weak = (await make(admin, role="viewer")).json()
    async with api.client(weak["key"]) as client:
        assert (await client.delete(f"/api/v1/api-keys/{temporary['key_id']}")).status_code == 403
        assert (await make(client)).status_code == 201
        assert (await client.delete(f"/api/v1/api-keys/{weak['key_id']}")).status_code == 204
    assert (await admin.delete(f"/api/v1/api-keys/{temporary['key_id']}")).status_code == 204


async def test_a_wrong_secret_an_expired_and_an_unknown_key_are_refused(api: Api, admin: httpx.AsyncClient) -> None:
    made = (await admin.post("/api/v1/api-keys", json={"name": "old"})).json()["key"]
    await api.database.pool.execute("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE name = 'old'")
    for key in (made, made[:-1] + ("A" if made[-1] != "A" else "B"), "tf_000000000000_" + "A" * 43):
        async with api.client(key) as client:
            assert (await client.get(ME)).status_code == 401


async def test_others_keys_are_neither_seen_nor_revoked(
    operator: httpx.AsyncClient, viewer: httpx.AsyncClient, admin: httpx.AsyncClient
) -> None:
    made = (await operator.post("/api/v1/api-keys", json={"name": "robot"})).json()
    assert (await viewer.get("/api/v1/api-keys")).json()["items"] == []
    assert (await viewer.delete(f"/api/v1/api-keys/{made['key_id']}")).status_code == 404
    assert len((await admin.get("/api/v1/api-keys")).json()["items"]) == 1


async def test_the_last_administrator_stays_one_even_when_two_ask_at_once(api: Api, admin: httpx.AsyncClient) -> None:
    me = (await admin.get(ME)).json()["user_id"]
    assert (await admin.patch(f"/api/v1/users/{me}", json={"role": "viewer"})).json()["code"] == "last_admin"
    other = (
        await admin.post("/api/v1/users", json={"email": "second@example.com", "password": PASSWORD, "role": "admin"})
    ).json()
    answers = await asyncio.gather(
        *(admin.patch(f"/api/v1/users/{user_id}", json={"is_active": False}) for user_id in (me, other["user_id"]))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_an_address_is_taken_whatever_its_case(admin: httpx.AsyncClient) -> None:
    body = {"email": "ada@example.com", "password": PASSWORD}
    assert (await admin.post("/api/v1/users", json=body)).status_code == 201
    again = await admin.post("/api/v1/users", json={**body, "email": "ADA@example.com"})
    assert again.json()["code"] == "email_taken"
