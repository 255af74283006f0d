"""Campaigns over HTTP: create from JSON and CSV, missing variables, lists and downloads, the unsubscribe page."""

import csv
import io
from typing import Any
from uuid import UUID

import httpx

from support.api import Api
from taskflow.db.pool import Database
from taskflow.delivery.unsubscribe_links import UnsubscribeLinks
from taskflow.settings import Settings

FIELDS: dict[str, Any] = {
    "name": "Black Friday",
    "template_subject": "For {{ first_name }}",
    "template_body": "<p>Hello {{ first_name }}</p>",
    "from_email": "shop@sender.example",
}
CSV = (
    "E-Mail;First Name;City\r\n"
    "ada@example.com;Ada;London\r\n"
    "ADA@example.com;Ada again;London\r\n"
    "not an address;Bob;\r\n"
    "zoë@example.com;Zoë;Köln\r\n"
).encode("latin-1")


async def upload(client: httpx.AsyncClient, content: bytes = CSV, **fields: str) -> httpx.Response:
    """Create a campaign from a form."""
    return await client.post(
        "/api/v1/campaigns", data=FIELDS | fields, files={"recipients": ("people.csv", content, "text/csv")}
    )


async def created(client: httpx.AsyncClient, recipients: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Create a campaign from JSON."""
    answer = await client.post("/api/v1/campaigns", json=FIELDS | {"recipients": recipients} | fields)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_campaign_is_created_from_json(marketer: httpx.AsyncClient) -> None:
    campaign = await created(marketer, [{"email": "ada@example.com", "first_name": "Ada"}, {"email": "nobody"}])
    assert (campaign["status"], campaign["total_recipients"], campaign["rate_limit_per_minute"]) == ("DRAFT", 1, 100)
    assert campaign["import"]["rejected"] == 1
    listed = (await marketer.get("/api/v1/campaigns")).json()
    assert [item["campaign_id"] for item in listed["items"]] == [campaign["campaign_id"]]


async def test_a_campaign_shows_what_receivers_and_people_think_of_it(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, database: Database
) -> None:
    made = await created(marketer, [{"email": f"{name}@example.com", "first_name": name} for name in "abcdef"])
    campaign_id = UUID(made["campaign_id"])
    await marketer.post(f"/api/v1/campaigns/{campaign_id}/start")
    await database.pool.execute(
        "UPDATE email_recipients SET status = 'SENT', sending_at = now(), sent_at = now() WHERE campaign_id = $1"
        " AND email <> 'f@example.com'", campaign_id,
    )  # fmt: skip
    await database.pool.execute(
        "UPDATE email_recipients SET status = 'FAILED', attention = 'FAILED', reply = '550 5.1.1 nobody'"
        " WHERE campaign_id = $1 AND email = 'f@example.com'", campaign_id,
    )  # fmt: skip
    await database.pool.execute(
        "INSERT INTO campaign_counters (campaign_id, slot, sent, failed) VALUES ($1, 1, 5, 1)", campaign_id
    )
    assert (
        await marketer.post("/api/v1/suppressions", json={"address": "B@example.com", "reason": "complained"})
    ).status_code == 201
    shown = (await viewer.get(f"/api/v1/campaigns/{campaign_id}")).json()
    assert shown["rates"] == {
        "bounced": 1, "complained": 1, "bounce_rate": 1 / 6, "complaint_rate": 0.2, "paused_at": None,
        "pause_reason": None,
    }  # fmt: skip
    assert shown["import"] == made["import"]


async def test_a_latin_1_file_with_semicolons_is_imported_with_a_report(marketer: httpx.AsyncClient) -> None:
    answer = await upload(marketer, rate_limit_per_minute="null")
    assert answer.status_code == 201, answer.text
    campaign = answer.json()
    report = campaign["import"]
    assert (report["rows"], report["accepted"], report["rejected"], report["duplicates"]) == (4, 2, 1, 1)
    assert (report["delimiter"], report["encoding"], report["filename"]) == (";", "cp1252", "people.csv")
    assert campaign["rate_limit_per_minute"] is None
    rejected = await marketer.get(f"/api/v1/campaigns/{campaign['campaign_id']}/import/rejected.csv")
    rows = list(csv.DictReader(io.StringIO(rejected.text)))
    assert [(row["row_number"], row["code"]) for row in rows] == [("3", "duplicate"), ("4", "invalid_address")]
    assert rows[0]["row"] == "ADA@example.com;Ada again;London"
    recipients = (await marketer.get(f"/api/v1/campaigns/{campaign['campaign_id']}/recipients")).json()["items"]
    assert [item["email"] for item in recipients] == ["ada@example.com", "zoë@example.com"]
    assert recipients[1]["personalization"]["city"] == "Köln"
    assert recipients[0]["message_id"].endswith("@sender.example>")
    export = await marketer.get(f"/api/v1/campaigns/{campaign['campaign_id']}/recipients.csv?status=PENDING")
    assert [row["first_name"] for row in csv.DictReader(io.StringIO(export.text))] == ["Ada", "Zoë"]


async def test_an_unusable_file_leaves_nothing(marketer: httpx.AsyncClient, database: Database) -> None:
    for content, code in ((b"", "csv_empty"), (b"name\nAda\n", "csv_no_email_column")):
        answer = await upload(marketer, content)
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert await database.pool.fetchval("SELECT count(*) FROM campaigns") == 0


async def test_a_template_that_cannot_be_read_is_refused(marketer: httpx.AsyncClient) -> None:
    answer = await marketer.post("/api/v1/campaigns", json=FIELDS | {"template_body": "{% if %}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "template_syntax")


async def test_missing_variables_are_reported_before_the_start(marketer: httpx.AsyncClient) -> None:
    people = [{"email": f"p{n}@example.com", "first_name": "Ada" if n != 4 else ""} for n in range(1, 7)]
    campaign = await created(marketer, people, template_body="<p>{{ first_name }} {{ order.total }}</p>")
    answer = await marketer.post(f"/api/v1/campaigns/{campaign['campaign_id']}/start")
    assert (answer.status_code, answer.json()["code"]) == (409, "missing_variables")
    assert answer.json()["problems"] == [
        {"variable": "first_name", "row_number": 4, "email": "p4@example.com", "count": 1},
        {"variable": "order", "row_number": 1, "email": "p1@example.com", "count": 6},
    ]


async def test_a_campaign_starts_pauses_resumes_and_cancels_and_nothing_else(marketer: httpx.AsyncClient) -> None:
    campaign = await created(marketer, [{"email": "ada@example.com", "first_name": "Ada"}])
    path = f"/api/v1/campaigns/{campaign['campaign_id']}"
    assert (await marketer.post(f"{path}/pause")).json()["code"] == "illegal_transition"
    for verb, status in (("start", "RUNNING"), ("pause", "PAUSED"), ("resume", "RUNNING"), ("cancel", "CANCELLED")):
        answer = await marketer.post(f"{path}/{verb}")
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    assert (await marketer.post(f"{path}/start")).status_code == 409


async def test_an_empty_campaign_cannot_start(marketer: httpx.AsyncClient) -> None:
    campaign = await created(marketer, [])
    answer = await marketer.post(f"/api/v1/campaigns/{campaign['campaign_id']}/start")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_recipients")


async def test_a_preview_shows_the_message_or_what_is_wrong(marketer: httpx.AsyncClient) -> None:
    template = {name: FIELDS[name] for name in ("template_subject", "template_body")}
    good = await marketer.post("/api/v1/campaigns/preview", json=template | {"sample": {"first_name": "Ada"}})
    assert good.json() == {
        "subject": "For Ada",
        "html": "<p>Hello Ada</p>",
        "text": good.json()["text"],
        "problems": [],
    }
    bad = await marketer.post("/api/v1/campaigns/preview", json=template | {"sample": {"firstname": "Ada"}})
    assert [problem["variable"] for problem in bad.json()["problems"]] == ["first_name"]


async def test_viewers_look_but_do_not_touch(viewer: httpx.AsyncClient, marketer: httpx.AsyncClient) -> None:
    campaign = await created(marketer, [{"email": "ada@example.com", "first_name": "Ada"}])
    assert (await viewer.get(f"/api/v1/campaigns/{campaign['campaign_id']}")).status_code == 200
    assert (await viewer.post(f"/api/v1/campaigns/{campaign['campaign_id']}/start")).status_code == 403


async def test_the_unsubscribe_page_asks_and_only_its_button_acts(
    api: Api, marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    campaign = await created(marketer, [{"email": "Ada@example.com", "first_name": "Ada"}])
    contact = (await marketer.post("/api/v1/contacts", json={"email": "ada@Example.com"})).json()
    row = await database.pool.fetchrow("SELECT campaign_id, recipient_id FROM email_recipients")
    assert row is not None
    assert settings.secret_key is not None
    links = UnsubscribeLinks(settings.secret_key.get_secret_value().encode(), "")
    path = links.of(row["campaign_id"], row["recipient_id"])
    anybody = api.anonymous
    page = await anybody.get(path)
    assert page.status_code == 200
    assert "A•••@example.com" in page.text
    assert await database.pool.fetchval("SELECT count(*) FROM suppressions") == 0
    done = await anybody.post(path, data={"List-Unsubscribe": "One-Click"})
    assert done.status_code == 200
    suppression = await database.pool.fetchrow("SELECT * FROM suppressions")
    assert suppression is not None
    assert (suppression["address"], suppression["source"]) == ("ada@example.com", "one-click")
    assert str(suppression["campaign_id"]) == campaign["campaign_id"]
    path_of_contact = f"/api/v1/contacts/{contact['contact_id']}"
    assert (await marketer.get(path_of_contact)).json()["status"] == "UNSUBSCRIBED"
    [consent] = (await marketer.get(f"{path_of_contact}/consents")).json()["items"]
    assert [consent[name] for name in ("action", "source", "address")] == ["withdrawn", "one-click", "127.0.0.1"]
    assert (await anybody.get(path[:-3] + "abc")).status_code == 404
    assert (await anybody.post(path[:-3] + "abc")).status_code == 404
    assert (await anybody.post(path)).status_code == 200
    audited = await database.pool.fetch("SELECT actor FROM audit_log WHERE action = 'recipient.unsubscribe'")
    assert len(audited) == 1  # whoever holds a link cannot fill the audit log with it
