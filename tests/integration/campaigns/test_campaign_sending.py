"""A campaign through a real coordinator and a real worker node into an SMTP server."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from support.campaigns import counted, counter_sums, create, ledger, people, status_counts
from support.processes import running
from support.scripted_smtp import ScriptedSmtp, Session
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.service import CampaignService
from taskflow.content.media.intake import take_in
from taskflow.content.media.library import MediaLibrary
from taskflow.content.media.storage import LocalStorage
from taskflow.content.rendering import Format, RenderPool
from taskflow.content.templates.models import Attachment, Draft, Variant
from taskflow.content.templates.service import TemplateService
from taskflow.db.pool import Database
from taskflow.settings import Settings


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtp]:
    """A mail server that does as it is told."""
    async with ScriptedSmtp() as server:
        yield server


@pytest.fixture
async def system(environment: dict[str, str], smtp: ScriptedSmtp) -> AsyncIterator[None]:
    """A coordinator and a worker node."""
    environment |= {
        "TASKFLOW_SMTP_HOST": "127.0.0.1",
        "TASKFLOW_SMTP_PORT": str(smtp.port),
        "TASKFLOW_SMTP_SECURITY": "none",
        "TASKFLOW_WORKER_PROCESSES": "1",
        "TASKFLOW_HTTP_PUBLIC_URL": "https://mail.example.com",
    }
    async with running(environment, "coordinator"), running(environment, "worker"):
        yield


async def reached(service: CampaignService, campaign: Campaign, status: str, seconds: float = 60) -> Campaign:
    """Wait until a campaign has a status."""

    async def look() -> Campaign | None:
        found = await service.repository.get(campaign.campaign_id)
        return found if found.status == status else None

    return await eventually(look, seconds=seconds, what=f"{status} of the campaign")


async def quiet(database: Database, campaign: Campaign) -> None:
    """Wait until the duty has done with a campaign, then compare rows, counters and tasks."""
    sql = "SELECT NOT active FROM campaigns WHERE campaign_id = $1"
    await eventually(lambda: database.pool.fetchval(sql, campaign.campaign_id), seconds=30, what="the duty's end")
    assert counted(await status_counts(database, campaign.campaign_id)) == await counter_sums(
        database, campaign.campaign_id
    )

    async def no_live_task() -> bool:
        live = "SELECT count(*) FROM tasks WHERE campaign_id = $1 AND completed_at IS NULL"
        return not await database.pool.fetchval(live, campaign.campaign_id)

    await eventually(no_live_task, what="every task's end")


async def with_a_file(
    service: CampaignService, settings: Settings, database: Database, recipients: int, size: int
) -> Campaign:
    """Make a campaign whose template carries a file."""
    media = MediaLibrary(database, LocalStorage(settings.home / "media"), settings)
    async with RenderPool(settings.campaign) as rendering:
        terms = await take_in(media, settings.media, "terms.pdf", b"%PDF-1.7 " + b"x" * size)
        words = Variant("en", Format.HTML, "<p>{{ first_name }}</p>", "Hi {{ first_name }}")
        draft = Draft((words,), attachments=(Attachment(terms.media_id, "terms.pdf"),))
        template = await TemplateService(database, rendering, media).create("T", draft)
    return await create(service, people(recipients), template_id=template.template_id)


async def slowly(session: Session) -> None:
    """Answer a message after a moment."""
    await asyncio.sleep(0.05)
    await session.say(b"250 2.0.0 queued\r\n")


async def test_every_recipient_gets_one_mail_with_its_own_words(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database, broker: RedisBroker
) -> None:
    campaign = await create(service, people(250))
    await service.start(campaign.campaign_id)
    done = await reached(service, campaign, "COMPLETED")
    assert (done.outcome, done.progress.summary()) == ("clean", "250 sent, 0 failed")
    await quiet(database, campaign)
    assert Counter(message.rcpt_to.decode() for message in smtp.messages) == {
        f"p{n}@example.com": 1 for n in range(1, 251)
    }
    body = next(message.body for message in smtp.messages if message.rcpt_to == b"p7@example.com")
    assert b"Subject: Hello Person 7" in body
    assert b"List-Unsubscribe: <https://mail.example.com/unsubscribe/" in body
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in body
    assert len(smtp.sessions) <= 4
    progress = await broker.read_progress(campaign.campaign_id)
    assert {name: progress[name] for name in ("total", "sent", "failed", "pending")} == {
        "total": 250,
        "sent": 250,
        "failed": 0,
        "pending": 0,
    }
    assert await database.pool.fetchval("SELECT count(*) FROM task_executions") == 0


async def test_refused_and_deferred_mails_end_as_the_server_says(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database
) -> None:
    smtp.script("RCPT", "550 5.1.1 no such user", "450 4.2.0 busy")
    campaign = await create(service, people(20))
    await service.start(campaign.campaign_id)
    done = await reached(service, campaign, "COMPLETED")
    assert (done.outcome, done.progress.summary()) == ("partial", "19 sent, 1 failed")
    await quiet(database, campaign)
    rows = (await ledger(database, campaign.campaign_id)).values()
    [failed] = [row for row in rows if row["status"] == "FAILED"]
    assert failed["reply"] == "550 5.1.1 no such user"
    assert [row["attempt"] for row in rows if row["attempt"] != 1] == [2]
    assert await database.pool.fetchval("SELECT failure_reason FROM dead_letter_queue") == "550 5.1.1 no such user"


async def test_a_suppressed_address_is_skipped_when_its_turn_comes(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database
) -> None:
    campaign = await create(service, people(5))
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'p3@example.com', 'manual')"
    )
    await service.start(campaign.campaign_id)
    done = await reached(service, campaign, "COMPLETED")
    assert (done.outcome, done.progress.sent, done.progress.suppressed) == ("clean", 4, 1)
    await quiet(database, campaign)
    assert b"p3@example.com" not in [message.rcpt_to for message in smtp.messages]


async def test_a_pause_lets_the_windows_on_the_wire_finish_and_no_other_and_a_resume_goes_on(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database, broker: RedisBroker
) -> None:
    smtp.always("DOT", slowly)
    campaign = await create(service, people(1000))
    await service.start(campaign.campaign_id)
    await eventually(lambda: smtp.dots > 20, seconds=40, what="the first mails")
    await service.pause(campaign.campaign_id)
    at_pause = smtp.dots

    async def nobody_sends() -> bool:
        running = "SELECT count(*) FROM tasks WHERE campaign_id = $1 AND status = 'RUNNING'"
        on_the_wire = (await status_counts(database, campaign.campaign_id)).get("SENDING", 0)
        return not on_the_wire and not await database.pool.fetchval(running, campaign.campaign_id)

    await eventually(nobody_sends, seconds=60, what="the end of what was on the wire")
    sent = smtp.dots
    assert sent - at_pause <= 4 * 10, "connections, mails of a window: half a second's"
    assert (await status_counts(database, campaign.campaign_id))["SENT"] == sent
    smtp.always("DOT", "250 2.0.0 queued")
    await service.resume(campaign.campaign_id)
    assert campaign.dispatch_key not in await broker.dispatch.paused(), "a resume waits for nobody"
    await eventually(lambda: smtp.dots > sent, seconds=60, what="mails after the resume")
    assert (await reached(service, campaign, "COMPLETED")).progress.sent == 1000
    await quiet(database, campaign)
    assert smtp.dots == 1000


async def test_cancel_ends_who_waits_and_keeps_what_was_sent(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database
) -> None:
    smtp.always("DOT", slowly)
    campaign = await create(service, people(1000))
    await service.start(campaign.campaign_id)
    await eventually(lambda: smtp.dots > 20, seconds=40, what="the first mails")
    cancelled = await service.cancel(campaign.campaign_id)
    assert cancelled.status == "CANCELLED"
    await quiet(database, campaign)
    counts = await status_counts(database, campaign.campaign_id)
    assert set(counts) == {"SENT", "CANCELLED"}
    assert counts["SENT"] == smtp.dots
    tasks = dict(await database.pool.fetch("SELECT status, count(*) FROM tasks GROUP BY status"))
    assert set(tasks) == {"COMPLETED", "CANCELLED"}
    assert tasks["COMPLETED"] == counts["SENT"]


async def test_a_mail_server_that_is_away_burns_no_attempt_and_the_campaign_says_so(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database
) -> None:
    smtp.always("CONNECT", "421 4.3.2 not now")
    campaign = await create(service, people(30))
    await service.start(campaign.campaign_id)

    async def reason() -> str | None:
        return (await service.repository.get(campaign.campaign_id)).error_message

    assert "421 4.3.2 not now" in await eventually(reason, seconds=30)
    smtp.always("CONNECT", "220 scripted ESMTP")
    done = await reached(service, campaign, "COMPLETED")
    assert (done.outcome, done.progress.sent, done.error_message) == ("clean", 30, None)
    await quiet(database, campaign)
    assert {row["attempt"] for row in (await ledger(database, campaign.campaign_id)).values()} == {1}


async def test_a_scheduled_campaign_is_sent_at_its_time(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database
) -> None:
    wanted = datetime.now(UTC) + timedelta(seconds=4)
    campaign = await create(service, people(20), scheduled_at=wanted)
    assert campaign.status == "SCHEDULED"
    done = await reached(service, campaign, "COMPLETED")
    assert done.progress.sent == len(smtp.messages) == 20
    assert done.started_at is not None
    assert timedelta() <= done.started_at - wanted < timedelta(seconds=3)
    await quiet(database, campaign)


async def test_a_campaign_whose_file_is_not_here_waits_and_says_so_and_nobody_loses_an_attempt(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database, settings: Settings
) -> None:
    campaign = await with_a_file(service, settings, database, 25, 1000)
    [file] = [path for path in (settings.home / "media").rglob("*") if path.is_file()]
    aside = file.rename(file.with_suffix(".aside"))
    await service.start(campaign.campaign_id)

    async def is_said() -> bool:
        return "media folder" in ((await service.repository.get(campaign.campaign_id)).error_message or "")

    await eventually(is_said, seconds=30, what="what it waits for")
    aside.rename(file)
    done = await reached(service, campaign, "COMPLETED")
    assert (done.outcome, done.error_message) == ("clean", None)
    assert {row["attempt"] for row in (await ledger(database, campaign.campaign_id)).values()} == {1}
    assert all(b'filename="terms.pdf"' in message.body for message in smtp.messages)
    assert len(smtp.messages) == 25


async def test_letters_with_files_are_made_a_few_at_a_time(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database, settings: Settings
) -> None:
    campaign = await with_a_file(service, settings, database, 30, 4_000_000)
    await service.start(campaign.campaign_id)
    done = await reached(service, campaign, "COMPLETED")
    assert (done.outcome, len(smtp.messages)) == ("clean", 30)


async def test_a_campaign_whose_file_was_taken_away_waits_and_says_so_until_it_is_back(
    service: CampaignService, system: None, smtp: ScriptedSmtp, database: Database, settings: Settings
) -> None:
    campaign = await with_a_file(service, settings, database, recipients=5, size=100)
    rows = await database.pool.fetch("DELETE FROM media RETURNING *")
    await service.start(campaign.campaign_id)
    said = "SELECT error_message FROM campaigns WHERE campaign_id = $1"
    message = await eventually(lambda: database.pool.fetchval(said, campaign.campaign_id), seconds=30, what="a word")
    assert "There is no file" in message
    assert await status_counts(database, campaign.campaign_id) == {"PENDING": 5}
    values = ", ".join(f"${place}" for place in range(1, len(rows[0]) + 1))
    await database.pool.execute(f"INSERT INTO media ({', '.join(rows[0].keys())}) VALUES ({values})", *rows[0].values())  # noqa: S608 - names of columns
    done = await reached(service, campaign, "COMPLETED")
    assert done.progress.summary() == "5 sent, 0 failed"
