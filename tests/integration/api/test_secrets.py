"""Secrets: canaries through a real process, then a search of everything that could have kept them."""

import asyncio
import base64
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import redis.asyncio as redis_asyncio
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from support import processes
from support.receiver import plain, receiving
from support.waiting import eventually
from taskflow.base.envelope import Sealed, Vault
from taskflow.base.ids import uuid7
from taskflow.base.signing import sign
from taskflow.db.pool import Database
from taskflow.delivery.domains.keys import bound_to

PASSWORD = "canary-password-7f3a"
SECRET_KEY = "canary-key-0123456789-abcdefghijklmnopq"


async def rows_of(database: Database) -> str:
    """Every row of every table, as text."""
    names = await database.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found: list[str] = []
    for (name,) in names:
        found += [row[0] for row in await database.pool.fetch(f'SELECT t::text FROM "{name}" AS t')]  # noqa: S608
    return "\n".join(found)


async def keys_of(redis: redis_asyncio.Redis) -> str:
    found: list[bytes] = []
    async for key in redis.scan_iter():
        found += [key, (await redis.dump(key)) or b""]
    return b"\n".join(found).decode("latin-1")


async def answers_now(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"{url}/health")).is_success
        except httpx.HTTPError:
            return False


async def carry_mail(client: httpx.AsyncClient, canaries: dict[str, str]) -> None:
    """Add providers, break them, and test a connection to a server that repeats what it was told."""
    canaries["provider's secret"] = secret = "canary-of-a-provider-9c2e"
    async with receiving() as server:
        server.answer = lambda message: plain(403, body=str(message).encode())
        new = {"name": "p", "kind": "http", "secrets": {"token": secret, "password": secret}}
        settings = {"url": f"{server.url}/{{{{ token }}}}", "body": "raw", "headers": {"X-Key": "{{ token }}"},
                    "username": "u", "probe_url": f"{server.url}/{{{{ token }}}}"}  # fmt: skip
        made = (await client.post("/providers", json=new | {"settings": settings})).json()
        await client.post("/providers", json=new | {"settings": settings})  # taken
        await client.post("/providers", json=new | {"settings": {"password": secret}})  # in the wrong place
        await client.patch(f"/providers/{made['provider_id']}", json={"secrets": {"password": f"{secret}-2"}})
        told = (await client.post(f"/providers/{made['provider_id']}/test")).json()
        assert "[redacted]" in told["found"]
        await client.post("/providers/rotate-secrets")


async def make_dkim_keys(client: httpx.AsyncClient, database: Database, canaries: dict[str, str]) -> None:
    """Make, show and rotate the keys of a domain; tables hold bytes as hexadecimal digits, all else as base64."""
    for path in ("/domains", "/domains/example.org/rotate", "/domains/example.org/rotate"):
        await client.post(path, json={"domain": "example.org"} if path == "/domains" else {"force": True})
    await client.get("/domains/example.org")
    keys = await database.pool.fetch("SELECT * FROM dkim_keys WHERE private_key IS NOT NULL")
    assert len(keys) == 4
    for row in keys:
        sealed = Sealed(row["sealing_key"], row["private_key"])
        plain_key = Vault(SECRET_KEY.encode()).open(sealed, bound_to(row["domain"], row["selector"]))
        canaries[f"DKIM key {row['selector']}, hexadecimal"] = plain_key[-24:].hex()
        canaries[f"DKIM key {row['selector']}, base64"] = base64.b64encode(plain_key).decode()[:-4][-40:]


async def test_no_secret_is_in_logs_answers_tables_redis_or_metrics(
    environment: dict[str, str], database: Database, redis: redis_asyncio.Redis, capfd: pytest.CaptureFixture[str]
) -> None:
    port = processes.free_port()
    url = f"http://127.0.0.1:{port}"
    changes = {"TASKFLOW_SECRET_KEY": SECRET_KEY, "TASKFLOW_HTTP_PORT": str(port), "TASKFLOW_LOG_LEVEL": "DEBUG"}
    changes["TASKFLOW_PROVIDER_ALLOW_NETWORKS"] = '["127.0.0.0/8"]'
    home = Path(environment["TASKFLOW_HOME"])
    canaries = {"password": PASSWORD, "secret key": SECRET_KEY}
    answers: list[str] = []

    async def keep(response: httpx.Response) -> None:
        await response.aread()
        answers.append(response.text + str(response.headers))

    async with processes.running(environment | changes, "api"):
        await eventually(lambda: answers_now(url), seconds=60)
        canaries["first administrator's password"] = first = (home / "admin-password").read_text().strip()
        assert (home / "admin-password").stat().st_mode & 0o077 == 0
        async with httpx.AsyncClient(base_url=f"{url}/api/v1") as client, httpx.AsyncClient(base_url=url) as anyone:
            admin = {"email": "admin@taskflow.local", "password": first}
            session = (await client.post("/auth/login", json=admin)).json()
            canaries |= {"access token": session["access_token"], "refresh token": session["refresh_token"]}
            client.headers["Authorization"] = f"Bearer {session['access_token']}"
            key = (await client.post("/api-keys", json={"name": "k", "role": "admin"})).json()["key"]
            canaries["API key"] = key.split("_", 2)[2]
            canaries["ticket"] = ticket = (await client.post("/auth/ws-ticket")).json()["ticket"]
            client.event_hooks["response"] = anyone.event_hooks["response"] = [keep]
            new = {"email": "b@example.com", "password": f"{PASSWORD}-b", "role": "viewer"}
            user = (await client.post("/users", json=new)).json()
            await client.post("/users", json=new)  # taken
            await client.post("/users", json=new | {"role": PASSWORD})  # invalid
            await client.patch(f"/users/{user['user_id']}", json={"password": f"{PASSWORD}-c"})
            await anyone.post("/api/v1/auth/login", json=admin | {"password": f"{PASSWORD}-wrong"})
            await anyone.post("/api/v1/auth/login", json={"email": PASSWORD * 20, "password": [PASSWORD]})
            await anyone.get(f"/api/v1/ws?ticket={ticket}")
            async with connect(f"{url}/api/v1/ws?ticket={ticket}".replace("http", "ws", 1), proxy=None):
                pass
            for query, headers in ((f"?ticket={ticket}", {}), ("", {"Authorization": f"Bearer {key}x"})):
                with pytest.raises(InvalidStatus):
                    await connect(f"{url}/api/v1/ws{query}".replace("http", "ws", 1), additional_headers=headers)
            await anyone.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {key}x"})
            await carry_mail(client, canaries)
            await make_dkim_keys(client, database, canaries)
            for path in ("users", "api-keys", "audit-log", "tasks", "workers", "stats", "providers", "openapi.json"):
                await client.get(f"/{path}")
            await database.pool.execute("ALTER TABLE task_logs RENAME TO gone")
            assert (await client.get(f"/tasks/{uuid7()}/logs")).status_code == 404
            created = (await client.post("/tasks", json={"task_name": "x"})).json()
            assert (await client.get(f"/tasks/{created['task_id']}")).status_code == 500
            canaries["address of a hook"] = hook = sign(SECRET_KEY.encode(), "sms-hook", b"bulksms")
            assert (await anyone.post(f"/hooks/sms/{hook}", json=[])).status_code == 204
            await anyone.get("/metrics")
    captured = capfd.readouterr()
    places = {
        "logs": captured.out + captured.err,
        "answers": "\n".join(answers),
        "tables": await rows_of(database),
        "Redis": await keys_of(redis),
    }
    assert '"path": "/api/v1/auth/login"' in places["logs"]
    assert "UndefinedTableError" in places["logs"]
    assert "socket_opened" in places["logs"]
    assert "b@example.com" in places["tables"]
    found = {(name, place) for name, canary in canaries.items() for place, text in places.items() if canary in text}
    assert found == set()


async def test_the_process_refuses_an_unsafe_start_with_a_reason_and_no_secret(environment: dict[str, str]) -> None:
    def start(**changes: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "taskflow.cli.main", "api"],
            env=environment | changes,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    for key in ("", "tiny-9x", "changeme" * 8):
        finished = await asyncio.to_thread(start, TASKFLOW_SECRET_KEY=key)
        assert finished.returncode == 1
        assert "TASKFLOW_SECRET_KEY" in finished.stderr
        assert "Traceback" not in finished.stderr
        assert key == "" or key not in finished.stderr
