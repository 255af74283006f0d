"""Texts over HTTP: made when they are taken, refused with what is wrong and where, found with their delivery."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from support.api import Api
from support.messages import PATH, ledger, send_text, text_call
from support.receiver import Receiver
from support.text_providers import add_provider, add_template
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.delivery.dlt import INDIA, window_opens
from taskflow.delivery.sms.inbound.hooks import SmsHooks
from taskflow.identity.models import Role

ANN, BOB, RAVI = "+491711234567", "+491711234568", "+919876543210"


async def refused(client: httpx.AsyncClient, *to: Any, **changes: Any) -> dict[str, Any]:
    """Submit what cannot be taken, and return the problem."""
    answer = await client.post(PATH, json=text_call(*to, **changes))
    assert answer.status_code in (404, 422), answer.text
    return answer.json()


async def test_a_text_is_made_for_each_number_when_it_is_taken(
    marketer: httpx.AsyncClient, database: Database, api: Api
) -> None:
    api.settings.audience.phone_region = "DE"
    bob = {"address": "0171 1234568", "name": "Bob", "variables": {"name": "Bob 😀"}}
    submitted = await send_text(
        marketer, "+49 171 123 45 67", bob, text="Hi {{ name }}", variables={"name": "you"}, sender="ACME", tags=["hi"]
    )
    assert [(one["address"], one["parts"], one["encoding"]) for one in submitted["messages"]] == [
        (ANN, 1, "gsm7"), (BOB, 1, "ucs2"),
    ]  # fmt: skip
    rows = await ledger(database)
    assert {row["personalization"]["text"] for row in rows.values()} == {"Hi you", "Hi Bob 😀"}
    assert {(row["channel"], row["from_address"], row["segments"]) for row in rows.values()} == {("sms", "ACME", 1)}
    tasks = await database.pool.fetch("SELECT DISTINCT task_name, queue, priority FROM tasks")
    assert [tuple(task) for task in tasks] == [("send_text", "messages", 8)]
    found = (await marketer.get(PATH, params={"channel": "sms", "tag": "hi"})).json()["items"]
    assert [(one["address"], one["parts"], one["delivery"]) for one in found] == [(BOB, 1, None), (ANN, 1, None)]


async def test_an_emoji_makes_one_part_of_160_three_of_67(marketer: httpx.AsyncClient) -> None:
    [plain] = (await send_text(marketer, text="x" * 160))["messages"]
    assert (plain["parts"], plain["encoding"]) == (1, "gsm7")
    [emoji] = (await send_text(marketer, text="x" * 158 + "😀"))["messages"]
    assert (emoji["parts"], emoji["encoding"]) == (3, "ucs2")
    [typed] = (await send_text(marketer, text="It\u2019s \u201cfine\u201d\u2026", plain=True))["messages"]
    assert (typed["parts"], typed["encoding"]) == (1, "gsm7")


async def test_a_repeated_request_is_taken_once(marketer: httpx.AsyncClient, database: Database) -> None:
    first = await send_text(marketer, ANN, BOB, key="code-7")
    assert await send_text(marketer, ANN, BOB, key="code-7") == first
    assert await database.pool.fetchval("SELECT count(*) FROM messages") == 2


async def test_a_thousand_people_get_their_own_words(marketer: httpx.AsyncClient, database: Database) -> None:
    people = [{"address": f"+49171{1000000 + n}", "variables": {"n": n}} for n in range(1_000)]
    submitted = await send_text(marketer, *people, text="You are number {{ n }}")
    assert [one["address"] for one in submitted["messages"]] == [one["address"] for one in people]
    row = (await ledger(database))["+491711000700"]
    assert row["personalization"] == {"text": "You are number 700", "values": []}


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"to": ["nobody"]}, "invalid_recipient", "to[0]: 'nobody' is no phone number: write one like +49 171 1234567"),
        ({"to": [ANN, "0171 1234568"]}, "invalid_recipient", "to[1]"),
        ({"to": ["+49171123456789012345"]}, "invalid_recipient", "to[0]"),
        ({"to": ["+1900"]}, "invalid_recipient", "to[0]"),
        ({"to": ["ann@example.com"]}, "invalid_recipient", "to[0]"),
        ({"to": ["+49171\r\n1234567"]}, "invalid_input", "to"),
        ({"to": ["+491711234567; DROP TABLE"]}, "invalid_recipient", "to[0]"),
        ({"to": [ANN, "+49 171 1234567"]}, "invalid_recipient", f"to[1]: {ANN} is there twice"),
        ({"to": []}, "invalid_input", ""),
        ({"to": [f"+49171{1000000 + n}" for n in range(1_001)]}, "invalid_input", ""),
        ({"from_email": "shop@sender.example"}, "invalid_input", "leave out from_email"),
        ({"headers": {"X-A": "b"}}, "invalid_input", "leave out headers"),
        ({"text": None}, "invalid_input", "give text, template_id or dlt_template"),
        ({"template_id": str(uuid4())}, "invalid_input", "not both"),
        ({"template_id": str(uuid4()), "text": None}, "template_not_found", ""),
        ({"sender": "a name that is too long"}, "invalid_input", "sender"),
        ({"sender": "AB\r\nC"}, "invalid_input", "sender"),
        ({"text": "{{ code }}"}, "message_unrenderable", f"to[0] ({ANN})"),
        ({"text": "{{ code"}, "template_syntax", ""),
        ({"text": " "}, "message_unrenderable", "empty"),
        ({"text": "{{ '\\x00' }}"}, "message_unrenderable", "NUL"),
        ({"text": "x" * 1_531}, "message_unrenderable", "11 parts; 10 are the most"),
        ({"values": ["1"]}, "invalid_input", "values fill a dlt_template"),
        ({"to": [{"address": ANN, "values": ["1"]}]}, "invalid_input", "values fill a dlt_template"),
        ({"dlt_template": "missing", "text": None}, "sms_template_not_found", "missing"),
    ],
)
async def test_what_cannot_be_sent_is_refused_whole_with_the_reason(
    marketer: httpx.AsyncClient, database: Database, changes: dict[str, Any], code: str, says: str
) -> None:
    body = text_call() | changes
    answer = await marketer.post(PATH, json={name: value for name, value in body.items() if value is not None})
    assert (answer.json()["code"], answer.status_code in (404, 422)) == (code, True), answer.text
    assert says in answer.text
    for table in ("messages", "message_submissions", "tasks"):
        assert not await database.pool.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - fixed names


async def test_a_template_of_the_library_is_for_texts_or_refused(marketer: httpx.AsyncClient) -> None:
    made = {}
    for channel, variant in (("sms", {"format": "text", "body": "Hi {{ name }}"}), ("email", {"body": "<p>Hi</p>"})):
        subject = {"subject": "Hi"} if channel == "email" else {}
        body = {"name": f"hi by {channel}", "channel": channel, "variants": [variant | subject]}
        answer = await marketer.post("/api/v1/templates", json=body)
        assert answer.status_code == 201, answer.text
        made[channel] = answer.json()["template_id"]
    submitted = await send_text(marketer, text=None, template_id=made["sms"], variables={"name": "Ann"})
    message = (await marketer.get(f"{PATH}/{submitted['messages'][0]['message_id']}")).json()
    assert (message["template_id"], message["template_version"], message["parts"]) == (made["sms"], 1, 1)
    problem = await refused(marketer, text=None, template_id=made["email"])
    assert "is a template for mails: this message is a text" in problem["detail"]


async def test_a_dlt_template_is_filled_or_compared_to_the_character(
    marketer: httpx.AsyncClient, database: Database
) -> None:
    template = await add_template(marketer)
    ravi = {"address": RAVI, "values": ["123456", "your sign-in"]}
    for dlt_template in ("otp", template["sms_template_id"]):
        await send_text(marketer, ravi, text=None, dlt_template=dlt_template)
    await send_text(marketer, RAVI, dlt_template="otp", text="{{ code }} is your code for me.", variables={"code": 7})
    rows = await database.pool.fetch("SELECT * FROM messages ORDER BY message_id")
    assert [row["personalization"] for row in rows] == [
        {"text": "123456 is your code for your sign-in.", "values": ["123456", "your sign-in"]},
        {"text": "123456 is your code for your sign-in.", "values": ["123456", "your sign-in"]},
        {"text": "7 is your code for me.", "values": ["7", "me"]},
    ]
    assert {row["from_address"] for row in rows} == {"TSKFLW"}
    letter = await database.pool.fetchval("SELECT letter FROM message_submissions LIMIT 1")
    assert letter["dlt"]["template_id"] == "1107161234567890123"

    problem = await refused(marketer, RAVI, dlt_template="otp", text="123456 is your Code for me.")
    assert (problem["code"], problem["position"], problem["index"]) == ("dlt_mismatch", 16, 0)
    assert f"to[0] ({RAVI}): At character 16 the text has 'Code" in problem["detail"]
    problem = await refused(marketer, RAVI, text=None, dlt_template="otp", values=["123456"])
    assert (problem["code"], problem["expected"]) == ("dlt_values", 2)
    problem = await refused(marketer, RAVI, text=None, dlt_template="otp", values=["1" * 31, "me"])
    assert "Value 1 has 31 characters; DLT allows 30" in problem["detail"]
    problem = await refused(marketer, RAVI, text=None, dlt_template="otp", values=["1", "me"], sender="SHOPIN")
    assert (problem["code"], problem["header"]) == ("dlt_header", "TSKFLW")
    assert "not for 'SHOPIN'" in problem["detail"]
    problem = await refused(marketer, RAVI, ANN, text=None, dlt_template="otp", values=["1", "me"])
    assert f"to[1]: {ANN} is not in India" in problem["detail"]


async def test_promotion_under_dlt_waits_for_its_hours_and_says_so(marketer: httpx.AsyncClient) -> None:
    await add_template(marketer, category="promotional", name="sale", body="Sale!")
    tonight = (datetime.now(INDIA) + timedelta(days=1)).replace(hour=22, minute=0, second=0, microsecond=0)
    morning = window_opens(tonight)
    assert morning is not None
    for text in (None, "Sale!"):
        call = {"text": text, "dlt_template": "sale", "scheduled_at": tonight.isoformat()}
        [message] = (await send_text(marketer, RAVI, **call))["messages"]
        assert datetime.fromisoformat(message["scheduled_at"]) == morning
        assert "Promotional texts go out from 10 to 21 h in India: not before" in message["error_message"]
    problem = await refused(marketer, RAVI, **call, expires_at=morning.isoformat())
    assert (problem["code"], datetime.fromisoformat(problem["opens_at"])) == ("expires_before_hours", morning)
    noon = tonight.replace(hour=12)
    call = {"text": None, "dlt_template": "sale", "scheduled_at": noon.isoformat()}
    [message] = (await send_text(marketer, RAVI, **call))["messages"]
    assert (datetime.fromisoformat(message["scheduled_at"]), message["error_message"]) == (noon, None)
    [message] = (await send_text(marketer, RAVI, promotional=True, scheduled_at=tonight.isoformat()))["messages"]
    assert datetime.fromisoformat(message["scheduled_at"]) == tonight, "only DLT has hours"


async def test_a_text_that_no_provider_here_may_carry_is_refused(marketer: httpx.AsyncClient, api: Api) -> None:
    await add_template(marketer)
    dlt = {"text": None, "dlt_template": "otp", "values": ["1", "me"]}
    async with await api.as_role(Role.ADMIN) as admin:
        await add_provider(admin, "twilio", Receiver())
        problem = await refused(marketer, RAVI, **dlt)
        assert (problem["code"], "fast2sms" in problem["detail"]) == ("no_provider", True)
        await send_text(marketer, RAVI)
        await add_provider(admin, "fast2sms", Receiver())
        await send_text(marketer, RAVI, **dlt)
        [twilio] = [one for one in (await admin.get("/api/v1/providers")).json()["items"] if one["name"] == "twilio"]
        assert (await admin.delete(f"/api/v1/providers/{twilio['provider_id']}")).status_code == 204
        problem = await refused(marketer, RAVI)
        assert (problem["code"], "dlt_template" in problem["detail"]) == ("no_provider", True)


async def taken(database: Database, message_id: str, provider_id: str) -> None:
    """Write down that a provider has taken a text."""
    await database.pool.execute(
        "UPDATE messages SET status = 'SENT', sending_at = now(), sent_at = now(), provider = 'bulksms',"
        " provider_message_id = $2 WHERE message_id = $1",
        UUID(message_id),
        provider_id,
    )


async def test_what_the_provider_reports_is_seen_on_the_message(
    marketer: httpx.AsyncClient, api: Api, database: Database
) -> None:
    address = SmsHooks(api.settings).addresses()["bulksms"].removeprefix(api.settings.http.base_url)

    async def reported(provider_id: str, kind: str, subtype: str | None = None) -> None:
        status = {"id": f"{kind}.{subtype}", "type": kind, "subtype": subtype}
        item = {"id": provider_id, "type": "SENT", "to": ANN.lstrip("+"), "status": status}
        assert (await api.anonymous.post(address, json=[item])).status_code == 204

    [first] = (await send_text(marketer))["messages"]
    [second] = (await send_text(marketer, BOB))["messages"]
    await reported("b-1", "SENT")
    await taken(database, first["message_id"], "b-1")  # the report was faster than our commit
    await taken(database, second["message_id"], "b-2")

    async def told(message: dict[str, Any]) -> tuple[Any, ...]:
        found = (await marketer.get(f"{PATH}/{message['message_id']}")).json()
        return found["status"], found["delivery"], found["delivery_cause"], found["delivery_at"] is not None

    assert await told(first) == ("SENT", "sent", None, True)
    assert await told(second) == ("SENT", None, None, False)
    await reported("b-1", "DELIVERED")
    await reported("b-2", "FAILED", "HANDSET_ERROR")
    assert await told(first) == ("SENT", "delivered", None, True)
    assert await told(second) == ("SENT", "failed", "mailbox_full", True)
    listed = (await marketer.get(PATH)).json()["items"]
    assert [one["delivery"] for one in listed] == ["failed", "delivered"]
    by_number = (await marketer.get(PATH, params={"address": ANN})).json()["items"]
    assert [(one["delivery"], one["parts"]) for one in by_number] == [("delivered", 1)]
    exported = (await marketer.get(f"{PATH}/export.csv")).text
    assert '"1","gsm7","delivered","",' in exported
    assert await database.pool.fetchval("SELECT count(*) FROM message_log WHERE delivery = 'delivered'") == 1


async def test_a_text_of_the_archive_is_text(marketer: httpx.AsyncClient, database: Database) -> None:
    [message] = (await send_text(marketer))["messages"]
    path = f"{PATH}/{message['message_id']}"
    assert (await marketer.get(f"{path}/content")).json()["code"] == "content_not_kept"
    await database.pool.execute(
        "INSERT INTO message_contents (message_id, content) VALUES ($1, $2)", UUID(message["message_id"]), b"Gr\xc3\xbc"
    )
    content = (await marketer.get(f"{path}/content")).json()
    assert (content["text"], content["headers"], content["html"], content["size_bytes"]) == ("Grü", [], None, 4)
    raw = await marketer.get(f"{path}/raw")
    assert (raw.text, raw.headers["content-type"].split(";")[0]) == ("Grü", "text/plain")


async def test_only_a_waiting_text_can_be_cancelled(marketer: httpx.AsyncClient, database: Database) -> None:
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    [message] = (await send_text(marketer, scheduled_at=at))["messages"]
    answer = await marketer.post(f"{PATH}/{message['message_id']}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")
    assert (await marketer.post(f"{PATH}/{uuid7()}/cancel")).json()["code"] == "message_not_found"


async def test_a_text_whose_task_is_gone_can_still_be_sent_again(
    marketer: httpx.AsyncClient, database: Database
) -> None:
    [message] = (await send_text(marketer, uncertain_policy="hold"))["messages"]
    await database.pool.execute("UPDATE messages SET status = 'UNCERTAIN', attention = 'UNCERTAIN', sending_at = now()")
    await database.pool.execute("DELETE FROM tasks")
    answer = await marketer.post(f"{PATH}/{message['message_id']}/resolve", json={"resolution": "resend"})
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    assert await database.pool.fetchval("SELECT task_name FROM tasks") == "send_text"
