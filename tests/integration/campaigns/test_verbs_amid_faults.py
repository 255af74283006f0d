"""Campaigns paused, resumed and cancelled while their mail server cuts them off, closes, or their worker dies."""

import asyncio
from collections import Counter
from collections.abc import Callable
from uuid import UUID

import pytest

from support.campaigns import create, ledger, people, status_counts
from support.processes import kill_group, running, start, stop
from support.scripted_smtp import ScriptedSmtp, Session, hang_up, then_hang_up
from support.waiting import eventually
from taskflow.campaigns.service import CampaignService
from taskflow.db.pool import Database

PEOPLE = 120
STRIKES_AT = 5
CLOSING = then_hang_up("421 4.3.2 closing")
FAULTS = {"cut": hang_up, "421": CLOSING, "killed": hang_up}
PAUSED, RESUMED, CANCELLED = VERBS = ("pause.example", "resume.example", "cancel.example")


class HeldDots:
    """Holds one final dot of each campaign, known by its recipients' domain, until the fault may strike there."""

    def __init__(self, strike: Callable[[Session], object]) -> None:
        self.taken: Counter[str] = Counter()  # by recipient
        self.held: set[str] = set()
        self.may_strike = asyncio.Event()
        self._strike = strike
        self._dots: Counter[str] = Counter()

    async def __call__(self, session: Session) -> None:
        recipient = (session.rcpt_to or b"").decode()
        domain = recipient.partition("@")[2]
        self._dots[domain] += 1
        if self._dots[domain] == STRIKES_AT:
            self.held.add(domain)
            await self.may_strike.wait()
            await self._strike(session)  # type: ignore[misc]
        self.taken[recipient] += 1
        await session.say(b"250 2.0.0 queued\r\n")

    def of(self, domain: str) -> Counter[str]:
        return Counter({one: count for one, count in self.taken.items() if one.endswith(f"@{domain}")})


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_was_told_amid_a_fault_holds_and_nobody_is_lost_or_mailed_twice(
    service: CampaignService, environment: dict[str, str], database: Database, fault: str
) -> None:
    dots = HeldDots(FAULTS[fault])
    async with ScriptedSmtp() as smtp:
        smtp.always("DOT", dots)
        environment |= {
            "TASKFLOW_SMTP_HOST": "127.0.0.1",
            "TASKFLOW_SMTP_PORT": str(smtp.port),
            "TASKFLOW_SMTP_SECURITY": "none",
            "TASKFLOW_SMTP_CONNECTIONS": str(len(VERBS)),  # all are held: what nobody has begun with stays so
            "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
            "TASKFLOW_WORKER_LEASE_SECONDS": "2",
            "TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS": "2",
            "TASKFLOW_WORKER_PROCESSES": "1",
        }
        ids = {domain: (await create(service, people(PEOPLE, domain=domain))).campaign_id for domain in VERBS}
        async with running(environment, "coordinator"):
            worker = await start(environment, "worker")
            try:
                for campaign_id in ids.values():
                    await service.start(campaign_id)
                await eventually(lambda: dots.held == set(VERBS), seconds=60, what="a dot of each campaign")
                await service.pause(ids[PAUSED])
                await service.pause(ids[RESUMED])
                await service.resume(ids[RESUMED])
                await service.cancel(ids[CANCELLED])
                if fault == "killed":
                    kill_group(worker)
                    await worker.wait()
                    worker = await start(environment, "worker")
                dots.may_strike.set()
                await ended(database, ids[CANCELLED], "SENT", "UNCERTAIN", "CANCELLED")
                # What a dead worker had on the wire stays SENDING until somebody may look at it again.
                on_the_wire = ["SENDING"] if fault == "killed" else []
                await ended(database, ids[PAUSED], "SENT", "UNCERTAIN", "PENDING", "DEFERRED", *on_the_wire)
                while_paused, after_cancel = dots.of(PAUSED), dots.of(CANCELLED)
                await ended(database, ids[RESUMED], "SENT", "UNCERTAIN")
                assert dots.of(PAUSED) == while_paused
                await service.resume(ids[PAUSED])
                await ended(database, ids[PAUSED], "SENT", "UNCERTAIN")
            finally:
                await stop(worker)
    assert dots.of(CANCELLED) == after_cancel
    assert set(dots.taken.values()) == {1}, "nobody is mailed twice"
    assert 0 < len(while_paused) < PEOPLE
    for domain, campaign_id in ids.items():
        rows = await ledger(database, campaign_id)
        by_status = {status: {email for email, row in rows.items() if row["status"] == status} for status in STATUSES}
        assert by_status["SENT"] <= dots.of(domain).keys() <= by_status["SENT"] | by_status["UNCERTAIN"]
        assert bool(by_status["UNCERTAIN"]) == (fault != "421"), "421 proves that it was not taken"
        assert bool(by_status["CANCELLED"]) == (domain == CANCELLED)


STATUSES = ("SENT", "UNCERTAIN", "CANCELLED")


async def ended(database: Database, campaign_id: UUID, *statuses: str) -> None:
    """Wait until every row of a campaign has one of these states."""

    async def look() -> bool:
        return set(await status_counts(database, campaign_id)) <= set(statuses)

    await eventually(look, seconds=60, what=f"{statuses} of all rows")
