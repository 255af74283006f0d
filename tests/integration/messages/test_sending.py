"""Messages from the API through a real coordinator and worker into an SMTP server."""

import base64
import email
import email.policy
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.messages import PATH, call, ledger, send, status_of
from support.processes import free_port, running
from support.scripted_smtp import ScriptedSmtp, hang_up
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.events import Event
from taskflow.db.pool import Database
from taskflow.delivery.domains.gmail import gmail_use
from taskflow.delivery.domains.service import DomainService
from taskflow.engine import Engine
from taskflow.engine.requests import Request
from taskflow.identity.models import Role
from taskflow.settings import Settings

SHOP = "shop@sender.example"


@pytest.fixture
async def system(mailing: dict[str, str]) -> AsyncIterator[int]:
    """A coordinator and a worker node, which tells its figures at this port."""
    port = free_port()
    async with running(mailing, "coordinator"), running(mailing, "worker", "--metrics-port", str(port)):
        yield port


async def reached(database: Database, message_id: str, *statuses: str) -> str:
    """Wait until a message has one of these states."""

    async def look() -> str | None:
        found = await status_of(database, message_id)
        return found if found in statuses else None

    return await eventually(look, seconds=60, what=f"{statuses} of the message")


async def test_a_message_is_sent_and_its_ledger_tells_everything(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, broker: RedisBroker, system: int
) -> None:
    smtp.always("DOT", "250 2.0.0 queued as 4711")
    submitted = await send(
        marketer,
        {"address": "Ann@example.com", "name": "Ann Å", "variables": {"order": {"id": 7}}},
        subject="Order {{ order.id }}",
        html="<p>Dear customer, {{ order.id }} {{ shop }} is on its way.</p>",
        text=None,
        variables={"shop": "Måne"},
        reply_to="help@sender.example",
        headers={"X-Order": "7", "References": "<a@b.example>"},
        tags=["order", "mail"],
    )
    [accepted] = submitted["messages"]
    await reached(database, accepted["message_id"], "SENT")
    [message] = smtp.messages
    assert (message.mail_from, message.rcpt_to) == (b"shop@sender.example", b"Ann@example.com")
    assert message.body.isascii(), "any server may carry it"
    mail = email.message_from_bytes(message.body, policy=email.policy.default)
    assert mail["Subject"] == "Order 7"
    assert mail["To"] == "Ann Å <Ann@example.com>"
    assert (mail["X-Order"], mail["References"]) == ("7", "<a@b.example>")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "7 Måne is on its way" in mail.get_body(("plain",)).get_content()
    found = (await marketer.get(f"{PATH}/{accepted['message_id']}")).json()
    assert (found["status"], found["provider"], found["attempt"]) == ("SENT", "smtp:127.0.0.1", 1)
    assert (found["subject"], found["reply"]) == ("Order 7", "250 2.0.0 queued as 4711")
    assert found["size_bytes"] == len(message.body)
    assert found["tags"] == ["order", "mail"]
    assert found["sent_at"] >= found["sending_at"] >= found["created_at"]

    async def told() -> bool:
        data = {"message_id": accepted["message_id"], "status": "SENT"}
        events = [event for _, event in await broker.events.read("0")]
        return Event(f"message:{accepted['message_id']}", "message.status", data) in events

    await eventually(told)

    async def attempts() -> list[dict[str, Any]]:
        return (await marketer.get(f"{PATH}/{accepted['message_id']}")).json()["attempts"]

    [attempt] = await eventually(attempts, what="the attempt's row")
    assert (attempt["status"], attempt["refusals"]) == ("COMPLETED", [])
    async with httpx.AsyncClient() as scraper:
        figures = (await scraper.get(f"http://127.0.0.1:{system}/metrics")).text
    labels = 'channel="email",class="transactional",outcome="accepted",provider="smtp:127.0.0.1"'
    assert f"taskflow_message_attempts_total{{{labels}}} 1.0" in figures
    assert 'taskflow_message_seconds_count{channel="email"} 1.0' in figures
    assert 'taskflow_message_seconds_bucket{channel="email",le="300"} 1.0' in figures
    content = (await marketer.get(f"{PATH}/{accepted['message_id']}/content")).json()
    assert {"name": "X-Order", "value": "7"} in content["headers"]
    assert "7 Måne is on its way" in content["html"]
    raw = await marketer.get(f"{PATH}/{accepted['message_id']}/raw")
    assert raw.content == message.body


async def test_files_of_the_call_go_along(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: None
) -> None:
    pdf, png = bytes(range(256)) * 5_000, b"\x89PNG pixels"
    submitted = await send(
        marketer,
        "ann@example.com",
        "bob@example.com",
        html="<p>Your bill. <img src='cid:logo' alt=''></p>",
        text=None,
        attachments=[
            {"filename": "Måned.pdf", "content": base64.encodebytes(pdf).decode()},
            {"filename": "logo.png", "content": base64.b64encode(png).decode(), "content_id": "logo"},
            {"filename": "a.ics", "content": "AAAA", "content_type": "text/calendar; method=REQUEST"},
        ],
    )
    for one in submitted["messages"]:
        await reached(database, one["message_id"], "SENT")
    for message in smtp.messages:
        mail = email.message_from_bytes(message.body, policy=email.policy.default)
        assert "cid:logo" in mail.get_body(("html",)).get_content()
        files = {part.get_filename(): part for part in mail.walk() if part.get_filename()}
        assert files["Måned.pdf"].get_payload(decode=True) == pdf
        assert (files["Måned.pdf"].get_content_type(), files["Måned.pdf"].is_attachment()) == ("application/pdf", True)
        assert (files["logo.png"]["Content-ID"], files["logo.png"].get_payload(decode=True)) == ("<logo>", png)
        assert files["logo.png"].get_content_disposition() == "inline"
        assert files["a.ics"].get_param("method") == "REQUEST"
    assert len(smtp.messages) == 2


async def test_copies_are_messages_of_their_own_and_read_the_same(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: None
) -> None:
    submitted = await send(
        marketer,
        {"address": "ann@example.com", "name": "Ann", "variables": {"order": 7}},
        cc=["bob@example.com", {"address": "cid@example.com", "name": "Cid Å"}],
        bcc=["eve@example.com"],
        text="Order {{ order }} of {{ email }}.",
    )
    for one in submitted["messages"]:
        await reached(database, one["message_id"], "SENT")
    names = ("ann", "bob", "cid", "eve")
    assert [one["address"] for one in submitted["messages"]] == [f"{name}@example.com" for name in names]
    assert sorted(message.rcpt_to.decode() for message in smtp.messages) == [f"{name}@example.com" for name in names]
    for message in smtp.messages:
        mail = email.message_from_bytes(message.body, policy=email.policy.default)
        assert (mail["To"], mail["Cc"]) == ("Ann <ann@example.com>", "bob@example.com, Cid Å <cid@example.com>")
        assert mail.get_content().strip() == "Order 7 of ann@example.com."
        assert b"eve@example.com" not in message.body
    assert len({email.message_from_bytes(message.body)["Message-ID"] for message in smtp.messages}) == 1


async def test_what_gmail_takes_is_counted_for_the_senders_domain(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: int
) -> None:
    smtp.script("RCPT", "550 5.1.1 no such user")
    refused = (await send(marketer, "nobody@gmail.com"))["messages"][0]["message_id"]
    assert await reached(database, refused, "FAILED", "SENT") == "FAILED"
    taken = await send(marketer, "Ann@GMail.com", "bob@example.com")
    for one in taken["messages"]:
        await reached(database, one["message_id"], "SENT")

    async def counted() -> int:
        return (await gmail_use(database.pool, "sender.example")).last_day

    assert await eventually(counted, what="Gmail's count") == 1


async def test_a_thousand_recipients_get_one_each(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: int
) -> None:
    people = [{"address": f"p{n}@example.com", "variables": {"n": n}} for n in range(1, 1_001)]
    submitted = await send(marketer, *people, subject="Number {{ n }}", text="You are number {{ n }}.")
    assert [one["address"] for one in submitted["messages"]] == [one["address"] for one in people]

    async def over() -> bool:
        return not await database.pool.fetchval("SELECT count(*) FROM messages WHERE status <> 'SENT'")

    await eventually(over, seconds=60, what="a thousand messages sent")
    assert Counter(message.rcpt_to.decode() for message in smtp.messages) == {one["address"]: 1 for one in people}
    body = next(message.body for message in smtp.messages if message.rcpt_to == b"p77@example.com")
    assert b"Subject: Number 77\r\n" in body


async def test_what_could_not_be_sent_in_time_is_not_sent_at_all(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, mailing: dict[str, str]
) -> None:
    soon = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    submitted = await send(marketer, *(f"{name}@example.com" for name in ("ann", "bob", "cid")), expires_at=soon)
    ann, bob, cid = (one["message_id"] for one in submitted["messages"])
    await database.pool.execute(  # two hours later, and Bob's sender died while it was on the wire
        "UPDATE messages SET expires_at = now() - interval '1 hour' WHERE address <> 'cid@example.com'"
    )
    await database.pool.execute(
        "UPDATE messages SET status = 'SENDING', attempt = 1, sending_at = now() - interval '1 hour'"
        " WHERE address = 'bob@example.com'"
    )
    async with running(mailing, "coordinator"), running(mailing, "worker"):
        assert await reached(database, ann, "FAILED", "SENT") == "FAILED"
        assert await reached(database, bob, "UNCERTAIN", "SENT") == "UNCERTAIN"
        assert await reached(database, cid, "FAILED", "SENT") == "SENT"
    assert [message.rcpt_to for message in smtp.messages] == [b"cid@example.com"]
    found = (await marketer.get(f"{PATH}/{ann}")).json()
    assert found["error_message"] == "It could not be sent before it expired."
    late = await marketer.post(PATH, json=call(scheduled_at=soon, expires_at=soon))
    assert (late.status_code, late.json()["code"]) == (422, "invalid_input")


async def test_what_is_scheduled_waits_for_its_time(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: int
) -> None:
    at = datetime.now(UTC) + timedelta(seconds=2)
    submitted = await send(marketer, "later@example.com", scheduled_at=at.isoformat())
    await reached(database, submitted["messages"][0]["message_id"], "SENT")
    rows = await ledger(database)
    assert rows["later@example.com"]["sending_at"] >= at


async def test_suppressed_addresses_are_asked_for_at_the_wire(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, mailing: dict[str, str]
) -> None:
    submitted = await send(marketer, "bounced@example.com", "left@example.com", "x@blocked.example", "ok@example.com")
    assert {one["status"] for one in submitted["messages"]} == {"PENDING"}
    for address, reason in (
        ("bounced@example.com", "bounced"), ("left@example.com", "unsubscribed"), ("@blocked.example", "manual")
    ):  # fmt: skip
        await database.pool.execute(
            "INSERT INTO suppressions (channel, address, reason) VALUES ('email', $1, $2)", address, reason
        )
    async with running(mailing, "coordinator"), running(mailing, "worker"):
        for one in submitted["messages"]:
            await reached(database, one["message_id"], "SENT", "SUPPRESSED")
    assert {address: row["status"] for address, row in (await ledger(database)).items()} == {
        "bounced@example.com": "SUPPRESSED",
        "x@blocked.example": "SUPPRESSED",
        "left@example.com": "SENT",  # a receipt is no campaign
        "ok@example.com": "SENT",
    }
    assert {message.rcpt_to for message in smtp.messages} == {b"left@example.com", b"ok@example.com"}


async def test_a_promotional_mail_can_be_left_by_one_click_and_then_comes_no_more(
    marketer: httpx.AsyncClient, api: Api, smtp: ScriptedSmtp, database: Database, system: None
) -> None:
    offer = {"subject": "Offer", "text": "Buy. Or not: {{ unsubscribe_url }}", "promotional": True}
    refused = await marketer.post(PATH, json=call(**offer, headers={"list-unsubscribe": "<mailto:x@example.com>"}))
    assert (refused.status_code, refused.json()["code"]) == (422, "header_not_allowed")
    first = (await send(marketer, "ann@example.com", **offer))["messages"][0]["message_id"]
    await reached(database, first, "SENT")
    mail = email.message_from_bytes(smtp.messages[0].body, policy=email.policy.default)
    assert (mail["Precedence"], mail["Auto-Submitted"]) == ("bulk", None)
    assert mail["Feedback-ID"].startswith("all:promotional:")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    link = mail["List-Unsubscribe"].strip("<>")
    assert link in mail.get_content().replace("\n", "")
    path = "/unsubscribe/" + link.rpartition("/")[2]
    assert "a•••@example.com" in (await api.anonymous.get(path)).text
    clicked = await api.anonymous.post(path, data={"List-Unsubscribe": "One-Click"})
    assert "You are unsubscribed" in clicked.text
    second = (await send(marketer, "ann@example.com", **offer))["messages"][0]["message_id"]
    receipt = (await send(marketer, "ann@example.com"))["messages"][0]["message_id"]
    assert await reached(database, second, "SENT", "SUPPRESSED") == "SUPPRESSED"
    assert await reached(database, receipt, "SENT", "SUPPRESSED") == "SENT"
    found = (await marketer.get(f"{PATH}/{second}")).json()
    assert found["error_message"].startswith("Suppressed: unsubscribed, one-click, since ")
    assert found["provider"] is None


async def test_a_send_task_without_a_campaign_mails_what_its_arguments_say(
    api: Api, marketer: httpx.AsyncClient, engine: Engine, smtp: ScriptedSmtp, database: Database, system: None
) -> None:
    async with await api.as_role(Role.OPERATOR) as operator:
        template = {"name": "Old", "variants": [{"subject": "x", "body": "x"}]}
        template_id = (await marketer.post("/api/v1/templates", json=template)).json()["template_id"]
        await marketer.delete(f"/api/v1/templates/{template_id}")

        async def end_of(task_id: str) -> dict[str, Any]:
            async def look() -> dict[str, Any] | None:
                task = (await operator.get(f"/api/v1/tasks/{task_id}")).json()
                return task if task["status"] in ("COMPLETED", "FAILED") else None

            return await eventually(look, seconds=60, what="the end of the task")

        async def ended(**arguments: Any) -> dict[str, Any]:
            made = await operator.post("/api/v1/tasks", json={"task_name": "send_email", "args": arguments})
            assert (made.status_code, made.json()["status"]) == (201, "PENDING"), made.text
            return await end_of(made.json()["task_id"])

        words = {"from_email": SHOP, "subject": "Hello", "text": "Hello {{ name }}"}
        done = await ended(to="ann@example.com", variables={"name": "Ann"}, **words)
        [message_id] = done["result"]["result_data"]["message_ids"]
        await reached(database, message_id, "SENT")
        assert b"Hello Ann" in smtp.messages[0].body
        for arguments, why in (
            ({}, "to: Field required"),
            (words | {"to": "nobody"}, "invalid_recipient"),
            (words | {"to": "ann@example.com"}, "message_unrenderable"),
            ({"to": "ann@example.com", "from_email": SHOP, "template_id": template_id}, "template_archived"),
        ):
            failed = await ended(**arguments)
            assert (failed["status"], why in failed["executions"][-1]["error_message"]) == ("FAILED", True), failed
            assert len(failed["executions"]) == 1, "it is not tried again"
        assert len(await ledger(database)) == 1

        # An attempt has submitted and died; meanwhile what the arguments say would be refused.
        out = await send(marketer, "bob@example.com")
        await engine.submit(Request("send_email", queue="campaigns", task_id=UUID(out["submission_id"])))
        again = await end_of(out["submission_id"])
        assert again["status"] == "COMPLETED", again
        assert again["result"]["result_data"]["message_ids"] == [one["message_id"] for one in out["messages"]]


async def test_refusals_end_as_the_server_says_and_nobody_else_waits(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: int
) -> None:
    smtp.script("RCPT", "550 5.1.1 no such user")
    refused = (await send(marketer, "nobody@example.com"))["messages"][0]["message_id"]
    assert await reached(database, refused, "FAILED", "SENT") == "FAILED"
    found = (await marketer.get(f"{PATH}/{refused}")).json()
    assert found["reply"] == found["error_message"] == "550 5.1.1 no such user"
    smtp.script("MAIL", "451 4.3.0 later")
    deferred = (await send(marketer, "later@example.com"))["messages"][0]["message_id"]
    await reached(database, deferred, "DEFERRED")
    listed = (await marketer.get(PATH, params={"status": "DEFERRED"})).json()["items"]
    assert [one["message_id"] for one in listed] == [deferred]


async def test_a_lost_answer_is_sent_again_or_held_by_policy(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: int
) -> None:
    smtp.script("DOT", hang_up)
    held = (await send(marketer, "held@example.com", uncertain_policy="hold"))["messages"][0]["message_id"]
    await reached(database, held, "UNCERTAIN")
    listed = (await marketer.get(PATH, params={"status": "UNCERTAIN"})).json()["items"]
    assert [one["message_id"] for one in listed] == [held]

    async def resent() -> bool:
        answer = await marketer.post(f"{PATH}/{held}/resolve", json={"resolution": "resend"})
        return answer.status_code == 200

    await eventually(resent, what="the end of its task")
    await reached(database, held, "SENT")
    smtp.script("DOT", hang_up)
    again = (await send(marketer, "again@example.com"))["messages"][0]["message_id"]
    await reached(database, again, "SENT")  # after the first of its delays, by itself
    row = (await ledger(database))["again@example.com"]
    assert row["attempt"] == 2
    ids = {
        email.message_from_bytes(message.body)["Message-ID"]
        for message in smtp.messages if message.rcpt_to == b"again@example.com"
    }  # fmt: skip
    assert len(ids) == 1


async def test_a_worker_that_leaves_messages_to_others_takes_everything_else(
    marketer: httpx.AsyncClient,
    smtp: ScriptedSmtp,
    database: Database,
    broker: RedisBroker,
    mailing: dict[str, str],
) -> None:
    ordinary = mailing | {"TASKFLOW_WORKER_QUEUES": '["!messages"]'}
    lane = mailing | {"TASKFLOW_WORKER_QUEUES": '["messages"]'}
    message = (await send(marketer))["messages"][0]["message_id"]
    engine = Engine(database, broker)
    async with running(mailing, "coordinator"), running(ordinary, "worker"):
        other = await engine.submit(Request("add", args=[1, 2]))
        await engine.end_of(other.task_id, 60)
        assert await status_of(database, message) == "PENDING"
        async with running(lane, "worker"):
            await reached(database, message, "SENT")
            # And a lane that idles is woken by a message, not by what others do.
            await engine.submit(Request("add", args=[1, 2]))
            await reached(database, (await send(marketer, "bob@example.com"))["messages"][0]["message_id"], "SENT")


async def test_a_message_that_is_held_says_on_its_row_what_it_waits_for(
    marketer: httpx.AsyncClient,
    mailing: dict[str, str],
    smtp: ScriptedSmtp,
    database: Database,
    settings: Settings,
    system: int,
) -> None:
    domains = DomainService(database, settings)
    await domains.add("sender.example")
    await domains.rotate("sender.example", force=True)
    await database.pool.execute("UPDATE dkim_keys SET selector = 'x' || selector")
    [held] = (await send(marketer))["messages"]

    async def reason() -> str | None:
        found = (await marketer.get(f"{PATH}/{held['message_id']}")).json()
        assert found["status"] == "PENDING"
        return found["error_message"]

    said = await eventually(reason, seconds=60, what="a reason")
    assert said.startswith("It waits: The secret of the DKIM key xtf")
    assert smtp.messages == []
    await domains.remove("sender.example")
    await reached(database, held["message_id"], "SENT")
    assert (await marketer.get(f"{PATH}/{held['message_id']}")).json()["error_message"] is None


async def test_a_provider_that_is_broken_on_purpose_is_taken_over_at_once_and_comes_back_when_it_is_mended(
    api: Api, marketer: httpx.AsyncClient, database: Database, system: None
) -> None:
    async with await api.as_role(Role.ADMIN) as admin:
        paths = {}
        for priority, name in enumerate(("first", "second"), 1):
            body = {"name": name, "kind": "sandbox", "priority": priority, "settings": {"fault": "reject_auth"}}
            made = (await admin.post("/api/v1/providers", json=body)).json()
            paths[name] = f"/api/v1/providers/{made['provider_id']}"
        assert (await admin.patch(paths["second"], json={"settings": {"fault": None}})).status_code == 200

        async def sent() -> dict[str, Any]:
            message_id = (await send(marketer))["messages"][0]["message_id"]
            await reached(database, message_id, "SENT")
            return (await marketer.get(f"{PATH}/{message_id}")).json()

        found = await sent()
        assert (found["provider"], found["attempt"]) == ("second", 1)
        [route, *_] = (await marketer.get("/api/v1/routes")).json()["items"]
        refused = "535 5.7.8 The sandbox refuses these credentials on purpose."
        assert (route["name"], route["breaker"]["state"]) == ("first", "open")
        assert route["waiting"].endswith(f"Its credentials are refused: {refused}")

        async def refusals() -> list[str]:
            attempts = (await marketer.get(f"{PATH}/{found['message_id']}")).json()["attempts"]
            return [refusal for attempt in attempts for refusal in attempt["refusals"]]

        assert await eventually(refusals, what="the attempt's row") == [f"first: {refused}"]
        assert (await admin.patch(paths["first"], json={"settings": {"fault": None}})).status_code == 200

        async def is_back() -> bool:
            return (await sent())["provider"] == "first"

        await eventually(is_back, seconds=60, every=0.1, what="a message over the first provider")
        [route, *_] = (await marketer.get("/api/v1/routes")).json()["items"]
        reasons = [change["reason"] for change in route["breaker"]["history"]]
        assert "Its settings have changed. It is probed in a moment." in reasons


async def test_a_greylisted_message_comes_again_when_its_server_said(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: int
) -> None:
    smtp.script("RCPT", "451 4.7.1 Greylisting in action, please come back in 00:00:07")
    [sent] = (await send(marketer))["messages"]
    await reached(database, sent["message_id"], "DEFERRED")
    row = (await ledger(database))["ann@example.com"]
    assert row["bounce_reason"] == "greylisted"
    due = "SELECT due_at - started_at > interval '6 seconds' FROM tasks WHERE task_id = $1"
    waits = await eventually(lambda: database.pool.fetchval(due, row["message_id"]), what="the task's next time")
    assert waits, "longer than its own first delay of five seconds"
    await reached(database, sent["message_id"], "SENT")
    row = (await ledger(database))["ann@example.com"]
    assert (row["attempt"], row["bounce_reason"]) == (2, None)
