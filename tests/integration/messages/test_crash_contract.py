"""kill -9 between the server's 250 and the commit: by policy, what is not known is listed, or sent again."""

import email
import time
from collections import Counter, defaultdict
from pathlib import Path

import httpx

from support.api import Api
from support.messages import PATH, ledger, send
from support.processes import running
from support.scripted_smtp import Message, ScriptedSmtp
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.delivery.messages.models import WINDOW

LEASE, COMMAND, DATA = 2.0, 1.0, 1.5
LONGEST_SMTP_TIME = 4 * COMMAND + 2 * DATA
CAPACITY = 2


class Arrivals(list[Message]):
    """Messages, and when each arrived."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def append(self, message: Message) -> None:
        self.times.append(time.monotonic())
        super().append(message)


def killing(mailing: dict[str, str], once: Path) -> dict[str, str]:
    """Return the environment of a worker that dies once: its third window is answered, and not yet committed."""
    return mailing | {
        "TASKFLOW_SMTP_COMMAND_TIMEOUT": str(COMMAND),
        "TASKFLOW_SMTP_DATA_TIMEOUT": str(DATA),
        "TASKFLOW_WORKER_CAPACITY": str(CAPACITY),
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
        "TASKFLOW_WORKER_LEASE_SECONDS": str(LEASE),
        "TASKFLOW_FAILPOINTS": "message_after_reply_before_commit=kill@3",
        "TASKFLOW_FAILPOINTS_ONCE": str(once),
    }


async def over(database: Database) -> None:
    """Wait until every message has ended."""
    live = "SELECT count(*) FROM messages WHERE status NOT IN ('SENT', 'UNCERTAIN')"

    async def none() -> bool:
        return not await database.pool.fetchval(live)

    await eventually(none, seconds=120, what="the end of every message")


async def test_with_hold_what_was_on_the_wire_is_listed_and_nobody_gets_it_twice(
    api: Api,
    marketer: httpx.AsyncClient,
    mailing: dict[str, str],
    smtp: ScriptedSmtp,
    database: Database,
    tmp_path: Path,
) -> None:
    await send(marketer, *(f"p{n}@example.com" for n in range(60)), uncertain_policy="hold")
    environment = killing(mailing, tmp_path)
    async with running(environment, "coordinator"), running(environment, "worker"):
        await over(database)
    assert (tmp_path / "message_after_reply_before_commit").exists(), "the fault did not fire"
    rows = await ledger(database)
    uncertain = {address for address, row in rows.items() if row["status"] == "UNCERTAIN"}
    assert 1 <= len(uncertain) <= CAPACITY * WINDOW
    received = Counter(message.rcpt_to.decode() for message in smtp.messages)
    assert set(received.values()) == {1}, "nobody is mailed twice"
    assert rows.keys() - received.keys() <= uncertain, "nobody is lost in silence"
    listed = (await marketer.get(PATH, params={"status": "UNCERTAIN", "limit": 100})).json()["items"]
    assert {one["address"] for one in listed} == uncertain
    assert f"taskflow_messages_uncertain {len(uncertain)}.0" in (await api.anonymous.get("/metrics")).text
    for one in listed:
        resolution = "sent" if one["address"] in received else "failed"
        answer = await marketer.post(f"{PATH}/{one['message_id']}/resolve", json={"resolution": resolution})
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == resolution.upper()
    assert (await marketer.get(PATH, params={"status": "UNCERTAIN"})).json()["items"] == []


async def test_with_resend_it_is_sent_again_under_the_same_id_once_the_old_attempt_cannot_be_alive(
    marketer: httpx.AsyncClient, mailing: dict[str, str], smtp: ScriptedSmtp, database: Database, tmp_path: Path
) -> None:
    arrivals = smtp.messages = Arrivals()
    await send(marketer, *(f"p{n}@example.com" for n in range(60)))
    environment = killing(mailing, tmp_path)
    async with running(environment, "coordinator"), running(environment, "worker"):
        await over(database)
    assert (tmp_path / "message_after_reply_before_commit").exists(), "the fault did not fire"
    assert {row["status"] for row in (await ledger(database)).values()} == {"SENT"}
    seen: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for message, at in zip(arrivals, arrivals.times, strict=True):
        message_id = email.message_from_bytes(message.body)["Message-ID"]
        seen[message.rcpt_to.decode()].append((at, message_id))
    assert len(seen) == 60, "at least once"
    twice = [mails for mails in seen.values() if len(mails) > 1]
    assert 1 <= len(twice) <= CAPACITY * WINDOW
    for (first, one), (second, other) in twice:
        assert second - first > LEASE + LONGEST_SMTP_TIME - 0.5  # SENDING was committed a moment before it arrived
        assert one == other, "a server may drop what it has seen"
