"""kill -9 between the server's 250 and the commit: nobody is mailed twice, and what is not known is listed."""

from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.campaigns import counted, counter_sums, create, ledger, people, status_counts
from support.processes import running
from support.scripted_smtp import ScriptedSmtp
from support.waiting import eventually
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database


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
