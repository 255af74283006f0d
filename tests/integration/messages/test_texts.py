"""Texts from the API through a real coordinator and worker to servers that speak the providers' protocols."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from support.api import Api
from support.messages import PATH, ledger, send, send_text, status_of
from support.processes import running
from support.receiver import Message, Receiver, Reply, receiving
from support.scripted_smtp import ScriptedSmtp
from support.text_providers import add_provider, add_template, takes_bulksms
from support.texts import says
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.delivery.messages.models import WINDOW
from taskflow.delivery.sandbox import Inbox, SandboxServer
from taskflow.delivery.sms.inbound.hooks import SmsHooks
from taskflow.identity.models import Role
from taskflow.settings import Settings

ANN, BOB, RAVI = "+491711234567", "+491711234568", "+919876543210"
LEASE, REQUEST = 2.0, 0.5


@pytest.fixture
def texting(mailing: dict[str, str]) -> dict[str, str]:
    """The environment of processes that may talk to providers on this machine."""
    return mailing | {
        "TASKFLOW_PROVIDER_ALLOW_NETWORKS": '["127.0.0.0/8"]',
        "TASKFLOW_ROUTER_OPEN_SECONDS": "0.5",
        "TASKFLOW_ROUTER_LONGEST_OPEN_SECONDS": "1",
    }


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.ADMIN) as client:
        yield client


@pytest.fixture
async def bulksms(admin: httpx.AsyncClient) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        await add_provider(admin, "bulksms", receiver, settings={"timeout": REQUEST})
        yield receiver


@pytest.fixture
async def twilio(admin: httpx.AsyncClient) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        await add_provider(admin, "twilio", receiver, priority=3)
        yield receiver


@pytest.fixture
async def fast2sms(admin: httpx.AsyncClient) -> AsyncIterator[Receiver]:
    async with receiving() as receiver:
        await add_provider(admin, "fast2sms", receiver)
        yield receiver


async def reached(database: Database, submitted: dict[str, Any], *statuses: str) -> list[str]:
    """Wait until all messages of a submission have one of these states; return these."""

    async def look() -> list[str] | None:
        found = [await status_of(database, one["message_id"]) for one in submitted["messages"]]
        return found if set(found) <= set(statuses) else None

    return await eventually(look, seconds=60, what=f"{statuses} of the messages")


def numbers(receiver: Receiver) -> list[str]:
    """Return to whom BulkSMS was asked to send."""
    return [text["to"] for message in receiver.messages for text in message.json]


async def test_without_any_provider_a_text_is_in_the_sandbox_inbox(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, texting: dict[str, str]
) -> None:
    async with SandboxServer.running(database.pool, settings.sandbox) as server:
        environment = texting | {"TASKFLOW_SANDBOX_PORT": str(server.port)}
        async with running(environment, "coordinator"), running(environment, "worker"):
            submitted = await send_text(marketer, text="x" * 150 + "😀", sender="ACME")
            await reached(database, submitted, "SENT")
    [mail] = (await Inbox(database.pool).list_mails("sms.invalid", None, 10)).items
    assert (mail.rcpt_to, mail.subject) == (f"{ANN}@sms.invalid", "SMS of 3 parts, UCS-2")
    message_id = submitted["messages"][0]["message_id"]
    found = (await marketer.get(f"{PATH}/{message_id}")).json()
    assert (found["provider"], found["attempt"], found["parts"], found["encoding"]) == ("sms-sandbox", 1, 3, "ucs2")
    assert (found["size_bytes"], found["from_address"], found["subject"]) == (154, "ACME", None)
    assert (await marketer.get(f"{PATH}/{message_id}/content")).json()["text"] == "x" * 150 + "😀"
    assert (await ledger(database))[ANN]["personalization"] == {}, "its words are in the archive alone"


async def test_a_provider_that_fails_hands_over_to_the_next_and_a_dlt_text_waits_for_its_own(
    marketer: httpx.AsyncClient,
    database: Database,
    texting: dict[str, str],
    fast2sms: Receiver,
    bulksms: Receiver,
    twilio: Receiver,
) -> None:
    await add_template(marketer)
    takes = fast2sms.answer
    fast2sms.answer = lambda _: says(200, {"return": False, "status_code": 412, "message": "Invalid Authentication"})
    bulksms.answer = lambda _: says(401, {"type": "https://developer.bulksms.com/json/v1/errors#authentication-failed"})
    async with running(texting, "coordinator"), running(texting, "worker"):
        dlt = await send_text(
            marketer, RAVI, text=None, dlt_template="otp", values=["123456", "me"], uncertain_policy="hold"
        )
        plain = await send_text(marketer, ANN, BOB, text="No template")
        assert await reached(database, plain, "SENT") == ["SENT", "SENT"]
        rows = await ledger(database)
        assert {rows[one]["provider"] for one in (ANN, BOB)} == {"twilio"}
        assert {rows[one]["attempt"] for one in (ANN, BOB)} == {1}

        async def refused() -> bool:
            return bool(fast2sms.messages)

        await eventually(refused, seconds=30, what="the refusal of Fast2SMS")
        fast2sms.answer = takes
        assert await reached(database, dlt, "SENT", "FAILED", "UNCERTAIN") == ["SENT"]
    assert (await ledger(database))[RAVI]["provider"] == "fast2sms"
    assert {parse_qs(message.body.decode())["To"][0] for message in twilio.messages} == {ANN, BOB}
    assert set() != set(numbers(bulksms)) <= {ANN, BOB}, "it was asked first, and a DLT text goes nowhere else"
    said = fast2sms.messages[-1].json
    assert (said["numbers"], said["message"]) == (RAVI.removeprefix("+91"), "123456 is your code for me.")
    assert (said["route"], said["template_id"], said["entity_id"], said["sender_id"]) == (
        "dlt_manual", "1107161234567890123", "1101234567890123456", "TSKFLW",
    )  # fmt: skip


async def test_stop_between_submit_and_send_is_heeded_and_start_takes_it_back(
    marketer: httpx.AsyncClient, api: Api, database: Database, texting: dict[str, str], bulksms: Receiver
) -> None:
    hook = urlsplit(SmsHooks(api.settings).addresses()["bulksms"]).path

    async def says_word(word: str) -> None:
        item = {
            "id": f"r-{word}", "type": "RECEIVED", "from": ANN.lstrip("+"), "to": "4930123456", "body": word,
        }  # fmt: skip
        assert (await api.anonymous.post(hook, json=[item])).status_code == 204

    submitted = await send_text(marketer, ANN, BOB)
    await says_word("STOP")
    async with running(texting, "coordinator"), running(texting, "worker"):
        assert await reached(database, submitted, "SENT", "SUPPRESSED") == ["SUPPRESSED", "SENT"]
        assert numbers(bulksms) == [BOB]
        await says_word("START")
        assert await reached(database, await send_text(marketer, ANN), "SENT", "SUPPRESSED") == ["SENT"]
    assert numbers(bulksms) == [BOB, ANN]


async def test_a_slow_provider_of_texts_keeps_no_mail_waiting(
    marketer: httpx.AsyncClient,
    smtp: ScriptedSmtp,
    database: Database,
    texting: dict[str, str],
    twilio: Receiver,
) -> None:
    takes, go = twilio.answer, asyncio.Event()

    def slowly(message: Message) -> Reply:
        async def answer(writer: asyncio.StreamWriter) -> None:
            await go.wait()
            await takes(message)(writer)

        return answer

    twilio.answer = slowly
    texts = await send_text(marketer, *(f"+4917112345{n:02}" for n in range(5)))
    mails = await send(marketer, *(f"p{n}@example.com" for n in range(5)))
    async with running(texting, "coordinator"), running(texting, "worker"):
        await reached(database, texts, "SENDING")
        await reached(database, mails, "SENT")
        assert await reached(database, texts, "SENDING", "SENT") == ["SENDING"] * 5
        go.set()
        await reached(database, texts, "SENT")
    assert len(smtp.messages) == 5


def killing(texting: dict[str, str], once: Path) -> dict[str, str]:
    """Return the environment of a worker that dies once: its second window is answered, and not yet committed."""
    return texting | {
        "TASKFLOW_WORKER_CAPACITY": "2",
        "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
        "TASKFLOW_WORKER_LEASE_SECONDS": str(LEASE),
        "TASKFLOW_FAILPOINTS": "message_after_reply_before_commit=kill@2",
        "TASKFLOW_FAILPOINTS_ONCE": str(once),
    }


async def over(database: Database) -> None:
    """Wait until every message has ended."""

    async def none() -> bool:
        live = "SELECT count(*) FROM messages WHERE status NOT IN ('SENT', 'UNCERTAIN')"
        return not await database.pool.fetchval(live)

    await eventually(none, seconds=120, what="the end of every message")


async def test_a_crash_before_the_commit_holds_a_text_by_policy_and_nobody_gets_it_twice(
    marketer: httpx.AsyncClient, database: Database, texting: dict[str, str], bulksms: Receiver, tmp_path: Path
) -> None:
    submitted = await send_text(
        marketer, *(f"+4917112345{n:02}" for n in range(40)), uncertain_policy="hold", text="Once"
    )
    environment = killing(texting, tmp_path)
    async with running(environment, "coordinator"), running(environment, "worker"):
        await over(database)
    assert (tmp_path / "message_after_reply_before_commit").exists(), "the fault did not fire"
    rows = await ledger(database)
    uncertain = {address for address, row in rows.items() if row["status"] == "UNCERTAIN"}
    assert 1 <= len(uncertain) <= 2 * WINDOW
    assert {rows[address]["provider"] for address in uncertain} == {"bulksms"}, "who had it stands in the row"
    received = Counter(numbers(bulksms))
    assert set(received.values()) == {1}, "nobody gets it twice"
    assert rows.keys() - received.keys() <= uncertain, "nobody is lost in silence"
    assert len(submitted["messages"]) == len(rows)


async def test_a_crash_before_the_commit_sends_a_text_again_under_the_same_number_of_the_provider(
    marketer: httpx.AsyncClient, database: Database, texting: dict[str, str], bulksms: Receiver, tmp_path: Path
) -> None:
    seen: dict[str, set[str]] = {}

    def takes(message: Message) -> Reply:
        [text] = message.json
        deduplication = parse_qs(urlsplit(message.path).query)["deduplication-id"][0]
        seen.setdefault(text["to"], set()).add(deduplication)
        return takes_bulksms(message)

    bulksms.answer = takes
    await send_text(marketer, *(f"+4917112345{n:02}" for n in range(40)), text="At least once")
    environment = killing(texting, tmp_path)
    async with running(environment, "coordinator"), running(environment, "worker"):
        await over(database)
    assert (tmp_path / "message_after_reply_before_commit").exists(), "the fault did not fire"
    assert {row["status"] for row in (await ledger(database)).values()} == {"SENT"}
    twice = [number for number, times in Counter(numbers(bulksms)).items() if times > 1]
    assert 1 <= len(twice) <= 2 * WINDOW
    assert len(seen) == 40, "nobody is lost"
    assert {len(ids) for ids in seen.values()} == {1}, "BulkSMS recognises what it has had"
