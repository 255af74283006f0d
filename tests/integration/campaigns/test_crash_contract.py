"""kill -9 between the server's 250 and the commit: by policy, what is not known is listed, or mailed again."""

import asyncio
import email
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.campaigns import counted, counter_sums, create, ledger, people, status_counts
from support.processes import kill_group, running
from support.scripted_smtp import Message, ScriptedSmtp, Session
from support.waiting import eventually
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database

LEASE, COMMAND, DATA = 2.0, 1.0, 1.5
LONGEST_SMTP_TIME = 4 * COMMAND + 2 * DATA


class Arrivals(list[Message]):
    """Messages, and when each arrived."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def append(self, message: Message) -> None:
        self.times.append(time.monotonic())
        super().append(message)


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtp]:
    """A mail server."""
    async with ScriptedSmtp() as server:
        yield server


async def test_a_sender_killed_after_the_reply_leaves_uncertain_rows_and_no_doubles(
    service: CampaignService, environment: dict[str, str], smtp: ScriptedSmtp, database: Database, tmp_path: Path
) -> None:
    environment |= {
        "TASKFLOW_SMTP_HOST": "127.0.0.1",
        "TASKFLOW_SMTP_PORT": str(smtp.port),
        "TASKFLOW_SMTP_SECURITY": "none",
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_FAILPOINTS": "after_reply_before_commit=kill@57",
        "TASKFLOW_FAILPOINTS_ONCE": str(tmp_path),
    }
    campaign = await create(service, people(400))
    async with running(environment, "coordinator"), running(environment, "worker"):
        await service.start(campaign.campaign_id)

        async def over() -> bool:
            return (await service.repository.get(campaign.campaign_id)).status == "COMPLETED"

        await eventually(over, seconds=120, what="the campaign's completion")
    assert (tmp_path / "after_reply_before_commit").exists(), "the fault did not fire"
    counts = await status_counts(database, campaign.campaign_id)
    assert set(counts) == {"SENT", "UNCERTAIN"}
    assert 1 <= counts["UNCERTAIN"] <= 2 * 10 * 4
    assert counted(counts) == await counter_sums(database, campaign.campaign_id)
    received = Counter(message.rcpt_to.decode() for message in smtp.messages)
    assert set(received.values()) == {1}
    rows = await ledger(database, campaign.campaign_id)
    assert {email for email, row in rows.items() if row["status"] == "SENT"} <= received.keys()
    assert set(rows) - received.keys() <= {email for email, row in rows.items() if row["status"] == "UNCERTAIN"}


async def test_with_resend_who_was_on_the_wire_is_mailed_again_once_the_old_attempt_cannot_be_alive(
    service: CampaignService, environment: dict[str, str], smtp: ScriptedSmtp, database: Database, tmp_path: Path
) -> None:
    arrivals = smtp.messages = Arrivals()
    environment |= {
        "TASKFLOW_SMTP_HOST": "127.0.0.1",
        "TASKFLOW_SMTP_PORT": str(smtp.port),
        "TASKFLOW_SMTP_SECURITY": "none",
        "TASKFLOW_SMTP_COMMAND_TIMEOUT": str(COMMAND),
        "TASKFLOW_SMTP_DATA_TIMEOUT": str(DATA),
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
        "TASKFLOW_WORKER_LEASE_SECONDS": str(LEASE),
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_FAILPOINTS": "after_reply_before_commit=kill@57",
        "TASKFLOW_FAILPOINTS_ONCE": str(tmp_path),
    }
    campaign = await create(service, people(200), uncertain_policy="resend")
    async with running(environment, "coordinator"), running(environment, "worker"):
        await service.start(campaign.campaign_id)

        async def over() -> bool:
            return (await service.repository.get(campaign.campaign_id)).status == "COMPLETED"

        await eventually(over, seconds=120, what="the campaign's completion")
    assert (tmp_path / "after_reply_before_commit").exists(), "the fault did not fire"
    counts = await status_counts(database, campaign.campaign_id)
    assert counts == {"SENT": 200}
    assert counted(counts) == await counter_sums(database, campaign.campaign_id)
    seen: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for message, at in zip(arrivals, arrivals.times, strict=True):
        message_id = email.message_from_bytes(message.body)["Message-ID"]
        seen[message.rcpt_to.decode()].append((at, message_id))
    assert len(seen) == 200, "at least once"
    twice = [mails for mails in seen.values() if len(mails) > 1]
    assert 1 <= len(twice) <= 2 * 10 * 4, "somebody was on the wire, and no more than the windows hold"
    for (first, one), (second, other) in twice:
        assert second - first > LEASE + LONGEST_SMTP_TIME - 0.5  # SENDING was committed a moment before it arrived
        assert one == other, "a server may drop what it has seen"


async def test_nothing_goes_out_after_a_cancel_though_the_sender_died_and_another_comes(
    service: CampaignService, environment: dict[str, str], smtp: ScriptedSmtp, database: Database
) -> None:
    async def slowly(_session: Session) -> None:
        await asyncio.sleep(0.05)

    smtp.always("BODY", slowly)
    environment |= {
        "TASKFLOW_SMTP_HOST": "127.0.0.1",
        "TASKFLOW_SMTP_PORT": str(smtp.port),
        "TASKFLOW_SMTP_SECURITY": "none",
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
        "TASKFLOW_WORKER_LEASE_SECONDS": str(LEASE),
        "TASKFLOW_WORKER_PROCESSES": "1",
    }
    campaign = await create(service, people(400))
    async with running(environment, "coordinator"), running(environment, "worker") as doomed:
        await service.start(campaign.campaign_id)
        await eventually(lambda: len(smtp.messages) > 40, seconds=60, what="the first mails")
        kill_group(doomed)
        await doomed.wait()
        await service.cancel(campaign.campaign_id)
        await eventually(lambda: not smtp._tasks, what="the dead one's last words")
        before = len(smtp.messages)
        async with running(environment, "worker"):

            async def over() -> bool:
                counts = await status_counts(database, campaign.campaign_id)
                return set(counts) <= {"SENT", "UNCERTAIN", "CANCELLED"}

            await eventually(over, seconds=60, what="the end of every row")
    counts = await status_counts(database, campaign.campaign_id)
    received = Counter(message.rcpt_to.decode() for message in smtp.messages)
    assert len(smtp.messages) == before < 400
    assert set(received.values()) == {1}
    assert 0 < counts["UNCERTAIN"] <= 10 * 4
    assert counts["CANCELLED"] > 200
    rows = await ledger(database, campaign.campaign_id)
    assert received.keys() <= {email for email, row in rows.items() if row["status"] in ("SENT", "UNCERTAIN")}
