"""The sender of texts by itself: promotion is held outside of its hours, and words go once they are out."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import httpx

from support.messages import PATH, send_text
from support.text_providers import add_template
from taskflow.audience.channels import Channel
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.db.pool import Database
from taskflow.delivery.dlt import INDIA
from taskflow.delivery.domains.gmail import GmailMeter
from taskflow.delivery.messages.carrier import Load
from taskflow.delivery.messages.ledger import MessageLedger
from taskflow.delivery.messages.sender import MessageSender
from taskflow.delivery.messages.text_composer import TextComposer
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.router.carrier import Admit, Carried
from taskflow.engine import Batch, BatchItem
from taskflow.engine.states import TaskStatus
from taskflow.engine.store import Lease
from taskflow.engine.store import Outcome as End
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

NIGHT, NOON = (datetime(2026, 1, 31, hour, tzinfo=INDIA) for hour in (22, 12))
LEASE_SECONDS = 60.0


class Taken:
    """A carrier that takes everything, and remembers it."""

    def __init__(self) -> None:
        self.loads: list[Load] = []

    async def longest_send_seconds(self, channel: Channel) -> float:  # noqa: ARG002
        return 1.0

    async def send(self, loads: Sequence[Load], deadline: float, admit: Admit) -> list[Carried]:  # noqa: ARG002
        going = await admit(range(len(loads)), "taken")
        self.loads += [loads[place] for place in going]
        return [(Outcome(OutcomeKind.ACCEPTED, "POST"), "taken")] * len(loads)


async def run(database: Database, settings: Settings, carrier: Taken, message_id: UUID, now: datetime) -> End:
    """Run a message's task as it is claimed at a time of day, and return how it ended."""
    await database.pool.execute(
        "UPDATE tasks SET status = 'RUNNING', lease_epoch = 1, due_at = NULL, started_at = now(), worker_id = task_id,"
        " claim_id = task_id WHERE task_id = $1",
        message_id,
    )
    ends: list[End] = []
    item = BatchItem(Lease(message_id, 1, "send_text", "messages", 8, 0, 8, 300, 0, None, None, None), time.monotonic())
    ledger = MessageLedger(database.hot, ErasureKey(signing_key(settings)), settings.sms.price_list)
    composers: Any = {"sms": TextComposer(lambda: now)}
    sender = MessageSender(ledger, composers, carrier, GmailMeter(database.pool), lease_seconds=LEASE_SECONDS)
    await sender.send(Batch([item], ends.append, LEASE_SECONDS))
    [end] = ends
    return end


async def test_it_waits_for_the_morning_and_says_why(
    marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    await add_template(marketer, category="promotional", name="sale", body="Sale!")
    [message] = (await send_text(marketer, "+919876543210", text=None, dlt_template="sale"))["messages"]
    message_id, carrier = UUID(message["message_id"]), Taken()
    end = await run(database, settings, carrier, message_id, NIGHT)
    assert (end.status, end.delay, end.retries, carrier.loads) == (TaskStatus.SCHEDULED, 12 * 3600, 0, [])
    found = (await marketer.get(f"{PATH}/{message_id}")).json()
    assert (found["status"], found["attempt"]) == ("PENDING", 0)
    assert found["error_message"].endswith("not before 2026-02-01T10:00:00+05:30.")
    end = await run(database, settings, carrier, message_id, NOON)
    assert (end.status, len(carrier.loads)) == (TaskStatus.COMPLETED, 1)
    found = (await marketer.get(f"{PATH}/{message_id}")).json()
    assert (found["status"], found["attempt"], found["error_message"]) == ("SENT", 1, None)


async def test_the_words_of_a_text_go_with_the_commit_that_says_sent(
    marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    for archive, kept in (("full", b"Your code is 4711."), ("metadata", None), ("none", None)):
        [message] = (await send_text(marketer, archive=archive))["messages"]
        message_id = UUID(message["message_id"])
        await run(database, settings, Taken(), message_id, NOON)
        row = await database.pool.fetchrow(
            "SELECT m.personalization, m.size_bytes, m.segments, c.content FROM messages m"
            " LEFT JOIN message_contents c USING (message_id) WHERE message_id = $1",
            message_id,
        )
        assert row is not None
        assert tuple(row) == ({}, 18, 1, kept), archive
