"""Keys at the SMTP relay: nobody learns from its words which one was nearly right, and none is in a log or a table."""

import asyncio
import base64
import smtplib
import socket

import httpx
import pytest
import redis.asyncio as redis_asyncio

from support.api import Api
from support.messages import ledger
from support.processes import running
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.identity.models import Role
from taskflow.settings import Settings

MAIL = "From: shop@sender.example\r\nSubject: hello\r\n\r\nHello.\r\n"


async def key_of(client: httpx.AsyncClient, role: str) -> tuple[str, str]:
    """Return a new API key and its id."""
    answer = await client.post("/api/v1/api-keys", json={"name": "mail", "role": role})
    assert answer.status_code == 201, answer.text
    return answer.json()["key"], answer.json()["key_id"]


async def refusal(port: int, password: str) -> bytes:
    """Sign in over a connection of its own and return all that was said to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    writer.write(b"EHLO client.example\r\n")
    while (await reader.readline())[3:4] == b"-":
        pass
    writer.write(b"AUTH PLAIN " + base64.b64encode(b"\0anybody\0" + password.encode()) + b"\r\nQUIT\r\n")
    async with asyncio.timeout(20):
        said = await reader.read()
    writer.close()
    return said


async def test_every_key_that_is_not_good_hears_the_same(
    api: Api, database: Database, broker: RedisBroker, settings: Settings
) -> None:
    async with await api.as_role(Role.ADMIN) as admin:
        good, _ = await key_of(admin, "marketer")
        seen, _ = await key_of(admin, "viewer")
        revoked, key_id = await key_of(admin, "marketer")
        assert (await admin.delete(f"/api/v1/api-keys/{key_id}")).status_code == 204
    mark, name, secret = good.split("_", 2)
    prefix = f"{mark}_{name}"
    nearly = secret[:-1] + ("A" if secret[-1] != "A" else "B")
    wrong = [
        seen,
        revoked,
        f"{prefix}_{nearly}",
        f"{prefix}_",
        f"tf_000000000000_{secret}",
        "tf_",
        "",
        "password",
        "tf_ü",
    ]
    async with SubmissionServer.running(database, broker, settings) as relay:
        said = {await refusal(relay.port, password) for password in wrong}
        assert len(said) == 1, said
        assert said.pop().startswith(b"535 ")
        assert (await refusal(relay.port, good)).startswith(b"235 ")


async def test_no_key_is_in_a_log_a_table_or_redis(
    api: Api,
    environment: dict[str, str],
    database: Database,
    redis: redis_asyncio.Redis,
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with await api.as_role(Role.ADMIN) as admin:
        key, _ = await key_of(admin, "marketer")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def is_there() -> bool:
        with socket.socket() as other:
            return other.connect_ex(("127.0.0.1", port)) == 0

    def work() -> None:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example") as client:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("anybody", key + "x")
            client.login("anybody", key)
            client.sendmail("shop@sender.example", ["ann@example.com"], MAIL)
            with pytest.raises(smtplib.SMTPDataError):
                client.sendmail("shop@sender.example", ["ann@example.com"], "no headers")

    capfd.readouterr()
    relay = {"TASKFLOW_SUBMISSION_PORT": str(port), "TASKFLOW_LOG_LEVEL": "DEBUG"}
    async with running(environment | relay, "submission"):
        await eventually(is_there, seconds=60, what="the relay")
        await asyncio.to_thread(work)
    captured = capfd.readouterr()
    assert set(await ledger(database)) == {"ann@example.com"}
    names = await database.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    tables = [await database.pool.fetch(f'SELECT t::text FROM "{name}" AS t') for (name,) in names]  # noqa: S608
    dumps = [(await redis.dump(found)) or b"" async for found in redis.scan_iter()]
    places = {
        "log": captured.out + captured.err,
        "tables": "\n".join(row[0] for rows in tables for row in rows),
        "Redis": b"\n".join(dumps).decode("latin-1"),
    }
    assert "submission_listening" in places["log"]
    secret = key.split("_", 2)[2]
    told = base64.b64encode(b"\0anybody\0" + key.encode()).decode()
    found = {
        (canary, place) for canary in (secret, told, told[-40:]) for place, text in places.items() if canary in text
    }
    assert found == set()
    assert "deprecated" not in places["log"], "a sign-in is nothing to warn of"
