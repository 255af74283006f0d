"""Messages over HTTP: what is taken, what is refused and why, and how they are found and steered."""

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from support.api import Api
from support.campaigns import create
from support.duties import lead
from support.messages import PATH, call, ledger, send
from taskflow.base.ids import uuid7
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.messages.duty import MessageRetention
from taskflow.settings import Settings


async def refused(client: httpx.AsyncClient, *to: Any, **changes: Any) -> dict[str, Any]:
    """Submit what cannot be taken, and return the problem."""
    answer = await client.post(PATH, json=call(*to, **changes))
    assert answer.status_code in (404, 409, 422), answer.text
    return answer.json()


def file(**changes: Any) -> dict[str, Any]:
    """Return the member of a call that brings a file along."""
    return {"attachments": [{"filename": "a.pdf", "content": "AAAA"} | changes]}


async def test_what_is_taken_is_a_row_and_a_task_each_and_one_submission(
    marketer: httpx.AsyncClient, database: Database
) -> None:
    submitted = await send(marketer, "ann@example.com", {"address": "Bob@Example.com", "variables": {"a": 1}})
    assert [one["address"] for one in submitted["messages"]] == ["ann@example.com", "Bob@Example.com"]
    rows = await ledger(database)
    tasks = await database.pool.fetch("SELECT * FROM tasks ORDER BY task_id")
    assert [str(task["task_id"]) for task in tasks] == [one["message_id"] for one in submitted["messages"]]
    assert {(task["queue"], task["priority"], task["status"]) for task in tasks} == {("messages", 8, "PENDING")}
    assert {row["submission_id"] for row in rows.values()} == {UUID(submitted["submission_id"])}
    assert rows["Bob@Example.com"]["personalization"] == {"a": 1}


async def test_a_repeated_request_is_taken_once(marketer: httpx.AsyncClient, database: Database, api: Api) -> None:
    first = await send(marketer, "ann@example.com", "bob@example.com", key="order-7")
    assert await send(marketer, "ann@example.com", "bob@example.com", key="order-7") == first
    # The process died after the commit and before its answer was kept: the next one goes on under the same id, also
    # when the words have gone meanwhile.
    for _ in range(2):
        await database.pool.execute(
            "UPDATE idempotency_keys SET response_status = NULL, response_body = NULL, locked_until = now()"
        )
        assert await send(marketer, "ann@example.com", "bob@example.com", key="order-7") == first
        await database.pool.execute("DELETE FROM message_submissions")
    assert await database.pool.fetchval("SELECT count(*) FROM messages") == 2
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 2
    other = await marketer.post(PATH, json=call("eve@example.com"), headers={"Idempotency-Key": "order-7"})
    assert other.json()["code"] == "idempotency_key_reused"


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"to": ["ann@example.com\r\nBcc: eve@example.com"]}, "invalid_input", "to"),
        ({"to": ["no address"]}, "invalid_recipient", "to[0]"),
        ({"to": ["ann@example.com", "ANN@example.com"]}, "invalid_recipient", "twice"),
        ({"to": []}, "invalid_input", ""),
        ({"to": [f"p{n}@example.com" for n in range(1_001)]}, "invalid_input", ""),
        ({"from_email": "shop"}, "unsafe_address", "shop"),
        ({"headers": {"Bcc": "eve@example.com"}}, "header_not_allowed", "Bcc"),
        ({"headers": {"X-A": "b\r\nBcc: eve@example.com"}}, "header_injection", "X-A"),
        ({"headers": {"x-smtpapi": "{}"}}, "header_not_allowed", "x-smtpapi"),
        ({"headers": {"X-Mailgun-Deliver-By": "x"}}, "header_not_allowed", "X-Mailgun-Deliver-By"),
        ({"headers": {"X-A:": "b"}}, "header_not_allowed", "X-A:"),
        ({"headers": {"DKIM-Signature": "v=1"}}, "header_not_allowed", "DKIM-Signature"),
        ({"headers": {"X-A": "1", "x-a": "2"}}, "header_not_allowed", "twice"),
        ({"headers": {"References": "Å"}}, "header_not_allowed", "ASCII"),
        ({"text": "{{ order.id }}"}, "message_unrenderable", "order"),
        ({"text": "{{ order"}, "template_syntax", ""),
        ({"text": None}, "invalid_input", "subject with html or text"),
        ({"template_id": str(uuid4())}, "invalid_input", "not both"),
        ({"template_id": str(uuid4()), "subject": None, "text": None}, "template_not_found", ""),
        ({"attachments": [{"media_id": str(uuid4()), "filename": "a.pdf"}]}, "media_not_found", ""),
        ({"attachments": [{"filename": "a.pdf"}]}, "invalid_input", "give media_id or content"),
        (file(media_id=str(uuid4())), "invalid_input", "give media_id or content"),
        (
            {"attachments": [*(2 * file()["attachments"]), *file(content="?")["attachments"]]},
            "invalid_input",
            "#/attachments/2/content",
        ),
        (file(content="A"), "invalid_input", "#/attachments/0/content"),
        (file(content="AA-_"), "invalid_input", "base64"),
        (file(content="\u2028AAA"), "invalid_input", "base64"),
        (file(content=""), "invalid_input", "is empty"),
        (file(content=7), "invalid_input", "text in base64"),
        (file(filename="a\r\nBcc: eve@example.com"), "invalid_input", "#/attachments/0/filename"),
        (file(filename="../a.pdf"), "invalid_input", "#/attachments/0/filename"),
        (file(content_type="text/plain\r\nBcc: eve@example.com"), "invalid_input", "#/attachments/0/content_type"),
        (file(content_type="Multipart/Mixed; boundary=a"), "invalid_input", "cannot be carried in base64"),
        (file(content_type="image/png", content_id="a> b"), "invalid_input", "#/attachments/0/content_id"),
        (file(content_id="logo"), "invalid_input", "content_id is of images"),
        (file(inline=True), "invalid_input", "inline is of media_id"),
        (
            {"attachments": 2 * file(content_type="image/png", content_id="logo")["attachments"]},
            "invalid_input",
            "attachments[1].content_id",
        ),
        ({"attachments": 21 * file()["attachments"]}, "invalid_input", "attachments"),
        ({"attachments": 2 * file(content=4 * "A" * 900_000)["attachments"]}, "attachment_limit", "5,400,000"),
        (
            {"to": ["ann@example.com", "bob@example.com"], "cc": ["eve@example.com"]},
            "invalid_input",
            "of a mail to one",
        ),
        ({"cc": ["bob@example.com"], "bcc": ["Bob@example.com"]}, "invalid_recipient", "bcc[0]"),
        ({"cc": ["bob@example.com", "eve"]}, "invalid_recipient", "cc[1]"),
        ({"cc": [{"address": "bob@example.com", "name": "B\r\nBcc: eve@example.com"}]}, "invalid_input", "#/cc/0"),
        ({"cc": 25 * ["bob@example.com"], "bcc": 25 * ["eve@example.com"]}, "invalid_input", "49"),
        ({"channel": "sms"}, "invalid_input", "leave out from_email, subject"),
        ({"sender": "SHOP", "dlt_template": "otp"}, "invalid_input", "leave out dlt_template, sender"),
        ({"from_email": None, "sender": ""}, "invalid_input", ""),
        ({"from_email": None, "values": []}, "invalid_input", "give from_email"),
        ({"priority": "LOW"}, "invalid_input", ""),
    ],
)
async def test_what_cannot_be_sent_is_refused_whole_with_the_reason(
    marketer: httpx.AsyncClient, database: Database, changes: dict[str, Any], code: str, says: str
) -> None:
    body = call()
    body |= changes
    answer = await marketer.post(PATH, json={name: value for name, value in body.items() if value is not None})
    problem = answer.json()
    assert (problem["code"], answer.status_code in (404, 422)) == (code, True), answer.text
    assert says in answer.text
    for table in ("messages", "message_submissions", "tasks"):
        assert not await database.pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - fixed names


async def test_a_value_that_one_of_many_lacks_is_named(marketer: httpx.AsyncClient) -> None:
    people = [{"address": f"p{n}@example.com", "variables": {"n": n} if n != 3 else {}} for n in range(5)]
    problem = await refused(marketer, *people, text="You are {{ n }}")
    assert problem["code"] == "message_unrenderable"
    assert problem["detail"] == "to[3] (p3@example.com) lacks the variable 'n'."
    await send(marketer, *people, text="You are {{ n }}", variables={"n": "somebody"})


async def test_lists_find_by_address_status_tag_and_time_page_by_page(
    marketer: httpx.AsyncClient, database: Database, api: Api
) -> None:
    for number in range(5):
        await send(marketer, f"p{number}@example.com", tags=["order", f"n{number % 2}"])
    whole = (await marketer.get(PATH)).json()["items"]
    assert [one["address"] for one in whole] == [f"p{n}@example.com" for n in (4, 3, 2, 1, 0)]
    page, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        found = (await marketer.get(PATH, params=query)).json()
        page += found["items"]
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert page == whole

    async def addresses(**query: Any) -> list[str]:
        answer = await marketer.get(PATH, params=query)
        assert answer.status_code == 200, answer.text
        return [one["address"] for one in answer.json()["items"]]

    assert await addresses(tag="n1") == ["p3@example.com", "p1@example.com"]
    assert await addresses(status="SENT") == []
    assert await addresses(status="UNCERTAIN") == []
    assert await addresses(address="P2@example.com") == ["p2@example.com"]
    assert await addresses(submission_id=whole[0]["submission_id"]) == ["p4@example.com"]
    hour = timedelta(hours=1)
    assert await addresses(created_after=(datetime.now(UTC) + hour).isoformat()) == []
    assert len(await addresses(created_before=(datetime.now(UTC) + hour).isoformat())) == 5


async def test_an_address_is_found_in_campaigns_too(
    marketer: httpx.AsyncClient, database: Database, api: Api, settings: Settings
) -> None:
    async with RenderPool(settings.campaign) as rendering:
        campaigns = CampaignService(database, api.broker, rendering)
        campaign = await create(campaigns, [{"email": "Ann@example.com", "first_name": "Ann"}])
    await send(marketer, "ann@example.com")
    found = (await marketer.get(PATH, params={"address": "ann@example.com"})).json()["items"]
    assert [one["campaign_id"] for one in found] == [None, str(campaign.campaign_id)]
    assert {one["from_address"] for one in found} == {"shop@sender.example"}
    of_campaign = found[1]["message_id"]
    shown = (await marketer.get(f"{PATH}/{of_campaign}")).json()
    assert (shown["campaign_id"], shown["address"]) == (str(campaign.campaign_id), "Ann@example.com")
    content = await marketer.get(f"{PATH}/{of_campaign}/content")
    assert (content.status_code, content.json()["code"]) == (404, "content_not_kept")
    steered = await marketer.post(f"{PATH}/{of_campaign}/cancel")
    assert (steered.status_code, steered.json()["code"]) == (404, "message_not_found")
    assert str(campaign.campaign_id) in steered.json()["detail"]


@pytest.mark.parametrize(("archive", "kept"), [("none", {}), ("metadata", {}), ("full", {"code": 4711})])
async def test_what_is_cancelled_or_resolved_as_sent_keeps_values_only_in_a_full_archive(
    marketer: httpx.AsyncClient, database: Database, archive: str, kept: dict[str, int]
) -> None:
    people = [{"address": f"{name}@example.com", "variables": {"code": 4711}} for name in ("ann", "bob")]
    ann, bob = (await send(marketer, *people, text="{{ code }}", archive=archive))["messages"]
    await marketer.post(f"{PATH}/{ann['message_id']}/cancel")
    await database.pool.execute(
        "UPDATE messages SET status = 'UNCERTAIN', attention = 'UNCERTAIN', sending_at = now() WHERE message_id = $1",
        UUID(bob["message_id"]),
    )
    await marketer.post(f"{PATH}/{bob['message_id']}/resolve", json={"resolution": "sent"})
    rows = await ledger(database)
    assert {row["status"]: row["personalization"] for row in rows.values()} == {"CANCELLED": kept, "SENT": kept}


async def test_only_what_waits_can_be_cancelled(marketer: httpx.AsyncClient, database: Database) -> None:
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    message = (await send(marketer, scheduled_at=at))["messages"][0]["message_id"]
    answer = await marketer.post(f"{PATH}/{message}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert await database.pool.fetchval("SELECT status FROM tasks") == "CANCELLED"
    again = await marketer.post(f"{PATH}/{message}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "message_not_cancellable")
    assert (await marketer.post(f"{PATH}/{uuid7()}/cancel")).json()["code"] == "message_not_found"
    resolved = await marketer.post(f"{PATH}/{message}/resolve", json={"resolution": "sent"})
    assert (resolved.status_code, resolved.json()["code"]) == (409, "message_not_uncertain")


async def test_a_message_whose_task_is_gone_can_still_be_sent_again(
    marketer: httpx.AsyncClient, database: Database
) -> None:
    message = (await send(marketer, uncertain_policy="hold"))["messages"][0]["message_id"]
    await database.pool.execute("UPDATE messages SET status = 'UNCERTAIN', attention = 'UNCERTAIN', sending_at = now()")
    answer = await marketer.post(f"{PATH}/{message}/resolve", json={"resolution": "resend"})
    assert answer.json()["code"] == "message_not_uncertain", "its task has not ended"
    await database.pool.execute("DELETE FROM tasks")
    answer = await marketer.post(f"{PATH}/{message}/resolve", json={"resolution": "resend"})
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    assert await database.pool.fetchval("SELECT status FROM tasks WHERE task_id = $1", UUID(message)) == "PENDING"


async def test_an_uncertain_message_whose_words_are_gone_is_not_sent_again(
    marketer: httpx.AsyncClient, database: Database
) -> None:
    gone, kept = [(await send(marketer, tags=["order"]))["messages"][0]["message_id"] for _ in range(2)]
    await database.pool.execute("UPDATE messages SET status = 'UNCERTAIN', attention = 'UNCERTAIN', sending_at = now()")
    await database.pool.execute("DELETE FROM tasks")
    await database.pool.execute(
        "UPDATE messages SET address = 'erased-' || message_id || '@erased.invalid' WHERE message_id = $1", UUID(gone)
    )
    answer = await marketer.post(f"{PATH}/{gone}/resolve", json={"resolution": "resend"})
    assert (answer.status_code, answer.json()["code"]) == (409, "message_words_not_kept")
    many = await marketer.post(f"{PATH}/resolve", json={"tag": "order", "resolution": "resend"})
    assert many.json()["resolved"] == 1
    assert await database.pool.fetchval("SELECT status FROM messages WHERE message_id = $1", UUID(kept)) == "PENDING"


async def fail(database: Database) -> None:
    """Let every message end FAILED, as its task."""
    await database.pool.execute("UPDATE messages SET status = 'FAILED', attention = 'FAILED', error_message = 'no'")
    await database.pool.execute("UPDATE tasks SET status = 'FAILED', completed_at = now(), failed_at = now()")


async def test_a_failed_message_is_sent_again_once_under_one_key(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, database: Database
) -> None:
    message = (await send(marketer))["messages"][0]["message_id"]
    path = f"{PATH}/{message}/resend"
    waiting = await marketer.post(path)
    assert (waiting.status_code, waiting.json()["code"]) == (409, "message_not_failed")
    await fail(database)
    assert (await viewer.post(path)).status_code == 403
    key = {"Idempotency-Key": "again-7"}
    first = await marketer.post(path, headers=key)
    assert (first.status_code, first.json()["status"], first.json()["error_message"]) == (200, "PENDING", None)
    assert await database.pool.fetchval("SELECT status FROM tasks") == "PENDING"
    assert (await marketer.post(path, headers=key)).json() == first.json()
    assert (await marketer.post(path)).json()["code"] == "message_not_failed", "it waits already"
    assert (await marketer.post(f"{PATH}/{uuid7()}/resend")).json()["code"] == "message_not_found"


@pytest.mark.parametrize("status", ["CANCELLED", "UNCERTAIN", "SENT", "SUPPRESSED"])
async def test_only_what_failed_is_sent_again(marketer: httpx.AsyncClient, database: Database, status: str) -> None:
    message = (await send(marketer))["messages"][0]["message_id"]
    await fail(database)
    await database.pool.execute(
        "UPDATE messages SET status = $1::text, attention = NULL, sending_at = now(), sent_at = now()", status
    )
    answer = await marketer.post(f"{PATH}/{message}/resend")
    assert (answer.json()["code"], answer.json()["status_now"]) == ("message_not_failed", status)


@pytest.mark.parametrize(
    "gone",
    [
        "DELETE FROM message_submissions",
        "UPDATE messages SET address = 'erased-' || message_id || '@erased.invalid'",
    ],
)
async def test_what_has_lost_its_words_or_its_person_is_not_sent_again(
    marketer: httpx.AsyncClient, database: Database, gone: str
) -> None:
    message = (await send(marketer))["messages"][0]["message_id"]
    await fail(database)
    await database.pool.execute(gone)
    answer = await marketer.post(f"{PATH}/{message}/resend")
    assert (answer.status_code, answer.json()["code"]) == (409, "message_words_not_kept")
    assert await database.pool.fetchval("SELECT status FROM tasks") == "FAILED"


async def test_the_export_is_safe_to_open_in_a_spreadsheet(marketer: httpx.AsyncClient, database: Database) -> None:
    await send(marketer, tags=["=cmd|' /C calc'!A0"])
    await database.pool.execute("UPDATE messages SET reply = '=1+1'")
    answer = await marketer.get(f"{PATH}/export.csv")
    [row] = csv.DictReader(io.StringIO(answer.text))
    assert (row["address"], row["reply"]) == ("ann@example.com", "'=1+1")
    assert row["tags"].startswith("'=")


async def test_costs_are_summed_by_provider_channel_and_currency(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, database: Database
) -> None:
    await send(marketer, "ann@example.com", "bob@example.com", tags=["order"])
    await send(marketer, "eve@example.com")
    assert (await viewer.get(f"{PATH}/costs")).json() == {"items": []}
    await database.pool.execute(
        "UPDATE messages SET status = 'SENT', sending_at = now(), sent_at = now(), provider = 'ses',"
        " cost = CASE address WHEN 'eve@example.com' THEN 0.5 ELSE 0.0001 END, currency = 'USD'"
    )
    [total] = (await viewer.get(f"{PATH}/costs")).json()["items"]
    assert total == {"provider": "ses", "channel": "email", "currency": "USD", "messages": 3, "cost": 0.5002}
    [order] = (await viewer.get(f"{PATH}/costs", params={"tag": "order"})).json()["items"]
    assert (order["messages"], order["cost"]) == (2, 0.0002)
    long_ago = {"created_before": (datetime.now(UTC) - timedelta(days=1)).isoformat()}
    assert (await viewer.get(f"{PATH}/costs", params=long_ago)).json() == {"items": []}


async def test_what_is_not_kept_says_so(marketer: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    message = (await send(marketer))["messages"][0]["message_id"]
    answer = await marketer.get(f"{PATH}/{message}/content")
    assert (answer.status_code, answer.json()["code"]) == (404, "content_not_kept")
    assert (await viewer.get(f"{PATH}/{message}/content")).status_code == 403
    assert (await viewer.post(PATH, json=call())).status_code == 403


def aged(given: UUID) -> UUID:
    """Return an id as if it had been made a hundred days earlier."""
    return UUID(int=given.int - (100 * 86_400_000 << 80))


async def test_retention_counts_from_the_end_of_what_was_scheduled_long_before(
    marketer: httpx.AsyncClient, database: Database, api: Api, settings: Settings
) -> None:
    submitted = UUID((await send(marketer, "ann@example.com"))["submission_id"])
    pool = database.pool
    ids = submitted, aged(submitted)
    await pool.execute(
        "UPDATE messages SET submission_id = $2, message_id = $2, status = 'SENT', scheduled_at = now(),"
        " sending_at = now(), sent_at = now() WHERE submission_id = $1",
        *ids,
    )
    await pool.execute("UPDATE message_submissions SET submission_id = $2 WHERE submission_id = $1", *ids)
    await pool.execute("INSERT INTO message_contents (message_id, content) VALUES ($1, 'x')", ids[1])
    context = await lead(database, api.broker, settings)
    assert await MessageRetention().run_once(context) == 0
    await pool.execute(
        "UPDATE messages SET scheduled_at = now() - interval '91 days', sending_at = scheduled_at, sent_at = now()"
    )
    assert await MessageRetention().run_once(context) == 0, "it was sent only now"
    await pool.execute(
        "UPDATE messages SET sending_at = now() - interval '91 days', sent_at = now() - interval '91 days'"
    )
    await pool.execute("UPDATE message_contents SET created_at = now() - interval '91 days'")
    assert await MessageRetention().run_once(context) == 3


async def test_retention_takes_words_before_messages_and_nothing_that_waits(
    marketer: httpx.AsyncClient, database: Database, api: Api, settings: Settings
) -> None:
    old, waiting, secret, fresh = [
        UUID((await send(marketer, f"{name}@example.com", archive=archive))["submission_id"])
        for name, archive in (("old", "full"), ("waiting", "full"), ("secret", "none"), ("fresh", "full"))
    ]
    pool = database.pool
    await pool.execute(
        "UPDATE messages SET status = 'SENT', sent_at = now(), sending_at = now()"
        " WHERE address <> 'waiting@example.com'"
    )
    for given in (old, waiting):
        ids = given, aged(given)
        await pool.execute(
            "UPDATE messages SET submission_id = $2, message_id = $2, sending_at = sending_at - interval '100 days',"
            " sent_at = sent_at - interval '100 days' WHERE submission_id = $1",
            *ids,
        )
        await pool.execute("UPDATE message_submissions SET submission_id = $2 WHERE submission_id = $1", *ids)
        await pool.execute(
            "INSERT INTO message_contents (message_id, content, created_at)"
            " VALUES ($1, 'x', now() - interval '100 days')",
            ids[1],
        )
    context = await lead(database, api.broker, settings)
    assert await MessageRetention().run_once(context) > 0
    assert await MessageRetention().run_once(context) == 0
    left = await pool.fetch("SELECT address FROM messages ORDER BY 1")
    assert [row[0] for row in left] == ["fresh@example.com", "secret@example.com", "waiting@example.com"]
    letters = await pool.fetch("SELECT submission_id FROM message_submissions")
    assert {row[0] for row in letters} == {aged(waiting), fresh}
    assert not await pool.fetchval("SELECT count(*) FROM message_contents")
    assert secret not in {row[0] for row in letters}, "what is not to be kept goes once it is out"
