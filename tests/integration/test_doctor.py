"""`taskflow doctor` finds what is wrong and says how to mend it."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import redis as redis_py

from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.cli.checkup import delivery, relay
from taskflow.cli.checkup.finding import Finding, Level
from taskflow.db.pool import Database
from taskflow.delivery.domains.findings import fail
from taskflow.delivery.domains.repository import DomainRepository
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.router.board import RouteBoard
from taskflow.delivery.router.configured import configured_routes
from taskflow.delivery.router.models import Override
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.embedded import EmbeddedServers
from taskflow.settings import Settings


def examine(environment: dict[str, str]) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command; return its exit code and the findings by name (the worst of a name)."""
    done = subprocess.run(
        [sys.executable, "-m", "taskflow.cli.main", "doctor", "--json"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    order = ["ok", "warning", "problem"]
    findings: dict[str, dict[str, Any]] = {}
    for one in sorted(json.loads(done.stdout)["findings"], key=lambda one: order.index(one["level"])):
        findings[one["name"]] = one
    return done.returncode, findings


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


def test_an_installation_without_fsync_has_that_one_problem(environment: dict[str, str]) -> None:
    code, findings = examine(environment)  # the servers of the tests
    assert code == 1
    assert [name for name, one in findings.items() if one["level"] == "problem"] == ["durability"]
    assert "fsync" in findings["durability"]["seen"]
    assert findings["workers"]["level"] == findings["coordinator"]["level"] == "warning"
    assert all(one["mend"] for one in findings.values() if one["level"] != "ok")


def test_missing_migrations_are_found(environment: dict[str, str], empty_database_url: str) -> None:
    code, findings = examine(environment | {"TASKFLOW_DATABASE_URL": empty_database_url})
    assert code == 1
    assert findings["migrations"]["mend"] == "taskflow db upgrade"


def test_an_evicting_redis_is_found(environment: dict[str, str], servers: EmbeddedServers) -> None:
    client = redis_py.Redis.from_url(servers.redis_url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        _, findings = examine(environment)
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.close()
    assert findings["eviction"]["level"] == "problem"
    assert "noeviction" in findings["eviction"]["mend"]


def test_servers_that_do_not_answer_are_found(environment: dict[str, str], tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    code, findings = examine(
        environment
        | {
            "TASKFLOW_DATABASE_URL": f"postgresql://taskflow@/taskflow?host={nowhere}",
            "TASKFLOW_REDIS_URL": f"unix://{nowhere}/redis.sock",
        }
    )
    assert code == 1
    assert findings["postgresql"]["level"] == findings["redis"]["level"] == "problem"


def test_secrets_that_others_may_read_are_found(environment: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "secret-key").write_text("x")
    (home / "secret-key").chmod(0o644)
    _, findings = examine(environment)
    assert findings["home"]["level"] == "problem"
    assert "chmod 600" in findings["home"]["mend"]


def test_a_weak_secret_key_is_found(environment: dict[str, str]) -> None:
    _, findings = examine(environment | {"TASKFLOW_SECRET_KEY": "short"})
    assert findings["secret key"]["level"] == "problem"


def test_a_running_installation_of_the_home_is_found_without_urls(environment: dict[str, str], tmp_path: Path) -> None:
    home = tmp_path / "home"
    del environment["TASKFLOW_DATABASE_URL"], environment["TASKFLOW_REDIS_URL"]
    _, findings = examine(environment)
    assert "nothing runs" in findings["postgresql"]["seen"]
    with EmbeddedServers(home, durable=False) as servers:
        asyncio.run(_execute(servers.database_url, "SELECT 1"))
        _, findings = examine(environment)
    assert findings["postgresql"]["level"] == findings["redis"]["level"] == "ok"


async def looked_at(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in await delivery.examine(settings)}


async def test_what_keeps_messages_from_leaving_is_found(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    found = await looked_at(settings)
    assert {name: one.level for name, one in found.items()} == {
        "providers of mail": Level.WARNING,
        "providers of texts": Level.OK,
        "relay": Level.OK,
        "messages": Level.WARNING,
        "uncertain": Level.OK,
    }
    for name in ("main", "spare"):
        await database.pool.execute(
            "INSERT INTO providers (provider_id, name, kind, channel, settings) VALUES ($1, $2, 'smtp', 'email', $3)",
            *(uuid7(), name, {"host": "mail.example.com"}),
        )
    await database.pool.execute(
        "INSERT INTO messages"
        " (message_id, submission_id, channel, status, attention, address, from_address, sending_at)"
        " VALUES ($1, $1, 'email', 'UNCERTAIN', 'UNCERTAIN', 'ann@example.com', 'shop@example.org', now())",
        uuid7(),
    )
    async with database.pool.acquire() as connection:
        repository = DomainRepository(database.pool)
        await repository.insert(connection, "example.org", None, None)
    await repository.write_report("example.org", [fail("spf", "None.", "Publish one.").as_json()])
    await database.pool.execute(
        "INSERT INTO workers (worker_id, hostname, queues) VALUES ($1, 'here', ARRAY['!mail'])", uuid7()
    )
    board = RouteBoard(database, broker, settings.router, configured_routes(database, settings, Registry.installed()))
    await board.switch("main", Override.OPEN)
    found = await looked_at(settings)
    assert (found["provider main"].level, found["provider main"].mend) == (Level.WARNING, "taskflow route auto main")
    assert (found["provider spare"].level, found["messages"].level) == (Level.OK, Level.OK)
    assert (found["uncertain"].level, found["uncertain"].seen[:9]) == (Level.WARNING, "1 perhaps")
    assert (found["domain example.org"].level, found["domain example.org"].seen[-5:]) == (Level.WARNING, ": spf")
    await board.switch("spare", Override.OPEN)
    assert (await looked_at(settings))["provider spare"].level is Level.PROBLEM


async def test_a_relay_that_strangers_cannot_use_is_found(
    database: Database, broker: RedisBroker, settings: Settings
) -> None:
    settings.submission.port = 0
    async with SubmissionServer.running(database, broker, settings) as server:
        settings.submission.port = server.port
        assert (await relay.examine(settings.submission)).seen.endswith("for this machine")
        without = settings.submission.model_copy(update={"tls_port": server.port})
        assert (await relay.examine(without)).level is Level.PROBLEM  # what is there speaks no TLS
        settings.submission.host = "0.0.0.0"  # noqa: S104
        found = await relay.examine(settings.submission)
        assert (found.level, "CERT_FILE" in (found.mend or "")) == (Level.PROBLEM, True)
