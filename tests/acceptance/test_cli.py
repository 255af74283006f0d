"""The command line against a running system: every noun, `--json`, exit codes."""

import asyncio
import json
import re
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from support.command_line import AWAY, CONFLICT, FAILED, NOT_FOUND, REFUSED, USAGE, Cli
from support.up import System
from support.waiting import eventually_sync
from taskflow.base.ids import uuid7

pytestmark = pytest.mark.xdist_group("cli")

NOBODY = "01993f6a-7c2e-7d11-a5b8-3f60c1d2e9aa"
PEOPLE = (
    "email,name\n" + "".join(f"p{n}@cli.example,Zoë {n}\n" for n in range(30)) + "gone@refused.example,No\nbad,No\n"
)

ENGAGED = {
    "type": "all",
    "conditions": [
        {"type": "event", "event": "opened", "in_last_days": 30},
        {"type": "attribute", "name": "country", "operator": "in", "value": ["Germany", "Austria"]},
        {"type": "attribute", "name": "customer", "operator": "is_not", "value": True},
    ],
}


def test_a_task_is_submitted_watched_read_and_listed(cli: Cli) -> None:
    task_id = cli("task", "submit", "add", "left=20", "right=22", "--priority", "high").strip()
    assert UUID(task_id).version == 7
    assert cli("task", "watch", task_id).split() == [task_id, "COMPLETED"]
    found = cli.json("task", "get", task_id)
    assert (found["result"]["result_data"], found["priority_name"]) == (42, "HIGH")
    assert "attempt 1: COMPLETED" in cli("task", "get", task_id)
    assert task_id in [row["task_id"] for row in cli.json("task", "list", "--status", "completed", "--name", "add")]
    assert task_id in cli("task", "list")
    slotted = cli("task", "submit", "add_in_a_slot", "left=20", "right=22", "--wait").split()[0]
    assert cli("task", "logs", slotted).endswith("INFO     adding  left=20\n")
    submitted = cli.json("task", "submit", "add", "--args", "[1, 2]", "--wait")
    assert submitted["status"] == "COMPLETED"
    echoed = cli("task", "submit", "taskflow.echo", "message=hello", "--wait").split()[0]
    assert "hello" in cli("task", "logs", echoed)
    assert cli.json("task", "logs", echoed)[0]["message"] == "hello"
    once = [cli("task", "submit", "noop", "--idempotency-key", "same") for _ in range(2)]
    assert once[0] == once[1]


def test_a_task_is_cancelled_and_retried(cli: Cli) -> None:
    task_id = cli("task", "submit", "noop", "--at", "2100-01-01T00:00:00Z").strip()
    assert cli.json("task", "cancel", task_id)[0]["status"] == "CANCELLED"
    assert "CANCELLED" in cli("task", "cancel", task_id, code=CONFLICT)
    assert cli.json("task", "retry", task_id)[0]["status"] in {"PENDING", "RUNNING", "COMPLETED"}
    assert cli.json("task", "watch", task_id)["status"] == "COMPLETED"


def test_a_task_that_fails_ends_as_a_dead_letter_and_is_requeued(cli: Cli) -> None:
    failed = cli("task", "submit", "fails_for_good", "--wait", code=FAILED).split()
    assert failed[1] == "FAILED"
    assert "NoRetry: no use" in cli("task", "get", failed[0])
    assert "fails_for_good" in cli("dlq", "list")
    letter = next(row for row in cli.json("dlq", "list") if row["task_id"] == failed[0])
    assert cli("dlq", "requeue", letter["dlq_id"]) == "1 requeued\n"
    assert cli("task", "watch", failed[0], code=FAILED).split()[1] == "FAILED"
    assert cli.json("dlq", "requeue", "--name", "fails_for_good")["requeued"] >= 1
    cli("task", "watch", failed[0], code=FAILED)
    cli("dlq", "requeue", code=USAGE)


def test_a_schedule_fires_tasks_that_run(cli: Cli) -> None:
    made = cli.json("schedule", "create", "sums", "add", "left=20", "right=22", "--every", "1s")
    assert UUID(made["schedule_id"]).version == 7
    try:
        eventually_sync(lambda: len(_done(cli)) >= 3, seconds=30, every=0.2, what="three of its tasks are done")
        cli("schedule", "pause", "sums")
        eventually_sync(lambda: len(_done(cli)) == len(cli.json("schedule", "fires", "sums")), what="the last one")
        fires = cli.json("schedule", "fires", "sums")
        instants = [datetime.fromisoformat(fire["fire_at"]) for fire in reversed(fires)]
        assert {(later - one).total_seconds() for one, later in pairwise(instants)} == {1.0}
        assert cli.json("task", "get", fires[0]["task_id"])["result"]["result_data"] == 42
        assert cli("schedule", "run", "sums", "--wait").split()[1] == "COMPLETED"
    finally:
        cli("schedule", "delete", "sums")
    assert "sums" not in cli("schedule", "list")


def _done(cli: Cli) -> list[dict[str, Any]]:
    return [fire for fire in cli.json("schedule", "fires", "sums") if fire["task_status"] == "COMPLETED"]


def test_a_campaign_is_created_started_watched_and_exported(cli: Cli, system: System, tmp_path: Path) -> None:
    system.call("PUT", "/inbox/rules", json=[{"pattern": "*@refused.example", "action": "reject", "times": None}])
    people, body = tmp_path / "people.csv", tmp_path / "mail.html"
    people.write_text(PEOPLE, encoding="utf-8")
    body.write_text("<h1>Hello {{ name }}</h1>", encoding="utf-8")
    letter = ("--subject", "Hello {{ name }}", "--html", str(body), "--from", "news@example.com", "--rate", "unlimited")
    made = cli.json("campaign", "create", str(people), *letter)
    assert (made["name"], made["status"], made["import"]["accepted"]) == ("people", "DRAFT", 31)
    assert cli.json("campaign", "start", made["campaign_id"])[0]["status"] == "RUNNING"
    watched = cli("campaign", "watch", made["campaign_id"], code=FAILED)
    assert watched.endswith("Campaign completed: 30 sent, 1 failed\n")
    export = tmp_path / "sent.csv"
    cli("campaign", "export", made["campaign_id"], "--status", "sent", "-o", str(export))
    assert export.read_text(encoding="utf-8").count("@cli.example") == 30
    assert "gone@refused.example" in cli("campaign", "export", made["campaign_id"])
    assert "bad" in cli("campaign", "export", made["campaign_id"], "--rejected")
    assert made["campaign_id"] in cli("campaign", "list", "--status", "completed")
    lines = cli("campaign", "create", str(people), *letter, "--watch", "--json").splitlines()
    assert json.loads(lines[-1])["outcome"] == "clean", "who has no mailbox is not written to again"
    assert json.loads(lines[-1])["progress"]["suppressed"] == 1


def test_a_campaign_that_cannot_start_says_why(cli: Cli, tmp_path: Path) -> None:
    people, body = tmp_path / "people.csv", tmp_path / "mail.html"
    people.write_text(PEOPLE, encoding="utf-8")
    body.write_text("<h1>Hello {{ nmae }}</h1>", encoding="utf-8")
    letter = ("--subject", "Hello", "--html", str(body), "--from", "news@example.com")
    said = cli("campaign", "create", str(people), *letter, "--start", code=CONFLICT)
    assert "nmae: missing for 31, first in row 2 (p0@cli.example)" in said
    made = cli.json("campaign", "list", "--status", "draft")[0]
    assert cli.json("campaign", "cancel", made["campaign_id"])[0]["status"] == "CANCELLED"
    people.write_text("", encoding="utf-8")
    cli("campaign", "create", str(people), *letter, code=CONFLICT)
    people.write_text("email,name\nnobody,Ada\n", encoding="utf-8")
    assert cli.json("campaign", "create", str(people), *letter, code=FAILED)["import"]["rejected"] == 1
    cli("campaign", "create", str(tmp_path / "nothing.csv"), code=USAGE)


def test_contacts_are_added_put_on_a_list_confirm_by_mail_and_are_exported(
    cli: Cli, system: System, tmp_path: Path
) -> None:
    cli("contact", "field", "add", "orders", "number")
    ada = cli(
        "contact", "add", "Ada@Audience.example", "orders=3", "--phone", "+49 171 7654321", "--tag", "VIP"
    ).strip()
    cli("contact", "add", "+49 171 1111111", "first_name=Grace")
    assert cli.json("contact", "add", "ada@audience.example", "orders=4", "--update")["contact_id"] == ada
    cli("contact", "add", "ada@audience.example", code=CONFLICT)
    shown = cli.json("contact", "show", "+491717654321")
    assert (shown["contact_id"], shown["attributes"], shown["tags"]) == (ada, {"orders": 4}, ["vip"])
    news = cli("list", "create", "News", "--opt-in", "double", "--from", "news@shop.example").strip()
    assert cli.json("list", "add", "news", "ada@audience.example")["pending"] == 1

    def link() -> str | None:
        mails = system.get("/inbox", q="ada@audience.example")["items"]
        text = system.get(f"/inbox/{mails[0]['message_id']}")["text"] if mails else ""
        found = re.search(r"/confirm/\S+", text)
        return found[0] if found else None

    path = eventually_sync(link, seconds=30, what="the mail that asks for the confirmation")
    assert httpx.get(f"{system.url}{path}", trust_env=False).status_code == 200
    assert cli.json("list", "show", "News")["pending"] == 1
    assert httpx.post(f"{system.url}{path}", trust_env=False).status_code == 200
    assert cli.json("list", "show", news)["confirmed"] == 1
    assert [step["action"] for step in cli.json("contact", "consents", ada)] == ["confirmed", "requested"]
    done = cli.json("contact", "tag", "customer", "--filter", '{"search": "ada@audience"}')
    result = eventually_sync(
        lambda: system.get(f"/tasks/{done['task_id']}")["result"], seconds=30, what="the bulk task is done"
    )
    assert result["result_data"] == {"matched": 1, "changed": 1}
    assert [item["contact_id"] for item in cli.json("contact", "list", "--tag", "customer")] == [ada]
    export = tmp_path / "contacts.csv"
    cli("contact", "export", "--list", "News", "-o", str(export))
    assert export.read_text(encoding="utf-8").count("\n") == 2
    assert "'+491717654321" in export.read_text(encoding="utf-8")
    cli("contact", "unsubscribe", ada, "--list", "News", "--source", "phone")
    assert cli.json("list", "add", "News", ada)["unchanged"] == 1
    cli("contact", "delete", ada)
    cli("contact", "show", ada, code=NOT_FOUND)


def test_a_segment_is_counted_written_to_and_the_suppressed_are_spared(cli: Cli, tmp_path: Path) -> None:
    newsletter = asyncio.run(_add_contacts(cli.environment["TASKFLOW_DATABASE_URL"]))
    conditions = tmp_path / "engaged.json"
    conditions.write_text(json.dumps(ENGAGED))
    assert cli("segment", "count", str(conditions)) == "2 contacts, 2 of them by mail\n"
    segment_id = cli(
        "segment", "create", "Engaged", "-", "--time-zone", "Europe/Vienna", stdin=json.dumps(ENGAGED)
    ).strip()
    assert cli.json("segment", "count", segment_id)["contacts"] == 2
    assert cli.json("segment", "count", "engaged")["contacts"] == 2
    assert "called 'Gone'" in cli("segment", "show", "Gone", code=NOT_FOUND)
    assert cli.json("segment", "list", "--search", "engag")[0]["last_count"] == 2
    assert cli.json("segment", "show", segment_id)["definition"]["time_zone"] == "Europe/Vienna"
    assert "anna@segment.example" in cli("segment", "contacts", segment_id)
    assert "in_last_days" in cli("segment", "vocabulary")
    assert "neither a segment nor a file" in cli("segment", "count", "nothing.json", code=USAGE)
    assert cli.json("segment", "show", "engaged")["segment_id"] == segment_id

    suppressed = tmp_path / "suppressed.csv"
    suppressed.write_text("E-Mail;Why\nCarl@segment.example;asked\n@never.example;spam\nnobody;-\n")
    assert cli("suppression", "import", str(suppressed), code=FAILED) == "2 added, 0 known, 1 rejected\n"
    assert "carl@segment.example" in cli("suppression", "check", "carl@segment.example", code=FAILED)
    assert cli("suppression", "check", "anna@segment.example") == ""
    assert cli.json("suppression", "add", "@never.example")[0]["reason"] == "imported"
    exported = cli("suppression", "export")
    assert "'@never.example" in exported

    options = ("--subject", "Dear {{ first_name }}", "--html", str(_template(tmp_path)), "--from", "shop@cli.example")
    audience = ("campaign", "create", "--segment", "Engaged", "--list", newsletter, "--rate", "unlimited")
    campaign_id = cli(*audience, "--name", "May letter", *options).strip()
    assert "Campaign completed: 3 sent" in cli(*audience, "--name", "June letter", "--watch", *options)
    assert "Engaged" in cli("segment", "list")
    assert "May letter" in cli("segment", "delete", segment_id, code=CONFLICT)
    cli("campaign", "cancel", campaign_id)
    assert cli("segment", "delete", segment_id) == f"deleted {segment_id}\n"
    assert "one of both" in cli("campaign", "create", "--name", "x", *options, code=USAGE)


async def _add_contacts(url: str) -> str:
    """Write four people and a list with two of them; return the list's id."""
    connection = await asyncpg.connect(url)
    newsletter = str(uuid7())
    people = {name: uuid7() for name in ("anna", "ben", "carl", "dora")}
    await connection.execute("INSERT INTO mailing_lists (list_id, name) VALUES ($1, 'Newsletter')", newsletter)
    for name, contact_id in people.items():
        attributes = {"first_name": name.title(), "country": "Austria" if name in ("anna", "ben") else "France"}
        await connection.execute(
            "INSERT INTO subscribers (contact_id, email, attributes) VALUES ($1, $2, $3::text::jsonb)",
            contact_id, f"{name}@segment.example", json.dumps(attributes),
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO campaign_events (event_id, event_type, contact_id) VALUES ($1, 'opened', $2)",
            uuid7(), contact_id,
        )  # fmt: skip
    await connection.executemany(
        "INSERT INTO subscriptions (list_id, contact_id, status, confirmed_at) VALUES ($1, $2, 'CONFIRMED', now())",
        [(newsletter, people[name]) for name in ("ben", "carl", "dora")],
    )
    await connection.close()
    return newsletter


def _template(folder: Path) -> Path:
    path = folder / "letter.html"
    path.write_text("<p>{{ first_name }} in {{ country }} <a href='{{ unsubscribe_url }}'>stop</a></p>")
    return path


def test_a_worker_is_listed_paused_and_resumed(cli: Cli, system: System) -> None:
    lane, worker = sorted(cli.json("worker", "list"), key=lambda found: found["capacity"])
    assert (lane["queues"], worker["queues"], worker["capacity"]) == (["messages"], ["!messages"], 10)
    assert worker["worker_id"] in cli("worker", "list")
    try:
        cli("worker", "pause", worker["worker_id"])
        eventually_sync(lambda: system.get(f"/workers/{worker['worker_id']}")["status"] == "PAUSED", what="the pause")
        task_id = cli("task", "submit", "noop").strip()
        assert cli.json("task", "get", task_id)["status"] == "PENDING"
    finally:
        cli("worker", "resume", worker["worker_id"])
    assert cli("task", "watch", task_id).split()[1] == "COMPLETED"


def test_users_and_keys_are_made_and_a_key_may_do_what_its_role_may(cli: Cli) -> None:
    secret = "a long enough password"
    address = f"{uuid4().hex[:8]}@example.com"
    made = cli.json("user", "create", address, "--role", "operator", "--password-stdin", stdin=f"{secret}\n")
    assert (made["email"], made["role"]) == (address, "operator")
    assert address in cli("user", "list")
    cli("user", "create", address, "--password-stdin", stdin=f"{secret}\n", code=CONFLICT)
    name = f"nightly {uuid4().hex[:8]}"
    key = cli("key", "create", name, "--role", "viewer").strip()
    assert key.startswith("tf_")
    assert cli.json("task", "list", TASKFLOW_API_KEY=key) is not None
    cli("task", "submit", "noop", TASKFLOW_API_KEY=key, code=REFUSED)
    listed = next(row for row in cli.json("key", "list") if row["name"] == name)
    assert key not in json.dumps(listed)
    cli("key", "revoke", listed["key_id"])
    eventually_sync(lambda: _refused(cli, key), seconds=20, what="the key is refused")


def _refused(cli: Cli, key: str) -> bool:
    try:
        cli("task", "list", TASKFLOW_API_KEY=key, code=REFUSED)
    except AssertionError:
        return False
    return True


def test_exit_codes_tell_scripts_what_went_wrong(cli: Cli, tmp_path: Path) -> None:
    assert "task" in cli("task", "get", NOBODY, code=NOT_FOUND)
    assert "'no-id' is not a valid UUID" in cli("task", "get", "no-id", code=USAGE)
    cli("task", "frobnicate", code=USAGE)
    cli("nonsense", code=USAGE)
    cli("task", "list", TASKFLOW_API_KEY="tf_wrong", code=REFUSED)
    cli("task", "list", TASKFLOW_HOME=str(tmp_path), code=REFUSED)
    cli("task", "list", "--api-url", "http://127.0.0.1:9", code=AWAY)
    assert json.loads(cli("task", "list", "--name", "nobody.has.this.name", "--json")) == []


def test_the_doctor_finds_what_is_wrong_and_nothing_else(cli: Cli) -> None:
    """The tests' PostgreSQL does without fsync, for speed: that is what there is to find."""
    report = cli.json("doctor", code=FAILED)
    assert [finding["name"] for finding in report["findings"] if finding["level"] == "problem"] == ["durability"]
    assert "1 to mend" in cli("doctor", code=FAILED)
    without_redis = cli.json("doctor", code=FAILED, TASKFLOW_REDIS_URL="redis://127.0.0.1:9/0")
    assert "redis" in {finding["name"] for finding in without_redis["findings"] if finding["level"] == "problem"}


SPREADSHEET = (
    "E-Mail;Name;Telefon;Name;Notiz\r\n"
    'ada@import.example;Ada;+49 171 1234567;Lovelace;"Zeile 1\nZeile 2"\r\n'
    "bob@import.example;Bob;0049 171 7654321;Müller;\r\n"
    "eve@import.example;Eve;0171/111 22 33;Schröder;\r\n"
    "bad;Max;;Mustermann;\r\n"
).encode("latin-1")


def test_contacts_are_imported_from_a_messy_spreadsheet(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(SPREADSHEET)
    assert "Two columns are called 'Name'" in cli("contact", "import", str(file), code=CONFLICT)
    found = cli.json("contact", "import", str(file), "--inspect")
    assert found["shared_titles"][0]["names"] == ["name", "name_2"]
    said = ["--map", "name=first_name", "--map", "name_2=last_name", "--region", "DE", "--tag", "spring"]
    cli("list", "create", "Imported")
    said += ["--list", "imported"]
    assert "no list" in cli("contact", "import", str(file), "--list", "nobody's", code=NOT_FOUND)
    dry = cli.json("contact", "import", str(file), *said, "--dry-run")
    assert (dry["created"], dry["rejected"], dry["dry_run"]) == (3, 1, True)
    report = cli.json("contact", "import", str(file), *said, "--rejected", str(tmp_path / "rejected.csv"))
    assert (report["status"], report["created"], report["rejected"]) == ("COMPLETED", 3, 1)
    assert cli.json("list", "show", "Imported")["confirmed"] == 3
    assert "Mustermann" in (tmp_path / "rejected.csv").read_text()
    again = cli("contact", "import", str(file), *said)
    assert again.startswith("Import completed: 0 created, 3 skipped, 1 rejected.")
    assert report["import_id"] in cli("contact", "imports", "list")
    assert "Mustermann" in cli("contact", "imports", "rejected", report["import_id"])
    assert "COMPLETED" in cli("contact", "imports", "show", report["import_id"])
    cli("contact", "imports", "cancel", report["import_id"], code=CONFLICT)
    cli("contact", "imports", "show", NOBODY, code=NOT_FOUND)
