"""A person's rights over HTTP: for administrators, by contact or address, and done by a worker."""

import httpx
import pytest

from support.api import Api
from support.processes import running
from support.waiting import eventually
from taskflow.base.ids import uuid7

URL = "/api/v1/privacy"
ANN = {"email": "ann@example.com", "phone": "+4915112345678"}


async def add_ann(api: Api) -> str:
    contact_id = uuid7()
    await api.database.pool.execute(
        "INSERT INTO subscribers (contact_id, email, phone, attributes) VALUES ($1, $2, $3, $4)",
        contact_id, ANN["email"], ANN["phone"], {"city": "Wien"},
    )  # fmt: skip
    return str(contact_id)


async def test_a_person_is_exported_then_erased_by_a_worker(
    api: Api, admin: httpx.AsyncClient, environment: dict[str, str]
) -> None:
    contact_id = await add_ann(api)
    exported = await admin.post(f"{URL}/exports", json={"email": "Ann@Example.com"})
    assert exported.status_code == 200, exported.text
    assert exported.json()["contact"]["contact_id"] == contact_id
    assert exported.json()["contact"]["attributes"] == {"city": "Wien"}

    asked = await admin.post(f"{URL}/erasures", json={"contact_id": contact_id, "reason": "by letter"})
    assert (asked.status_code, asked.json()["status"]) == (202, "PENDING"), asked.text
    path = f"{URL}/erasures/{asked.json()['erasure_id']}"

    async def is_done() -> bool:
        return (await admin.get(path)).json()["status"] == "COMPLETED"

    async with running(environment, "coordinator"), running(environment, "worker"):
        await eventually(is_done, seconds=60)
    assert (await admin.get(path)).json()["erased"]["subscribers"] == 1
    [listed] = (await admin.get(f"{URL}/erasures")).json()["items"]
    assert listed["reason"] == "by letter"
    answer = await admin.post(f"{URL}/exports", json={"contact_id": contact_id})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_person")
    text = (await admin.get("/api/v1/audit-log")).text + listed["erasure_id"] + asked.text
    assert ANN["email"] not in text
    assert ANN["phone"] not in text
    row = await api.database.pool.fetchrow("SELECT * FROM erasures")
    assert (row["email"], row["phone"]) == (None, None)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 422, "nobody_named"),
        ({"email": "nobody"}, 422, "invalid_input"),
        ({"phone": "0151 123"}, 422, "invalid_input"),
        ({"email": "x@example.com", "name": "x"}, 422, "invalid_input"),
        ({"contact_id": str(uuid7())}, 404, "unknown_person"),
    ],
)
async def test_whoever_cannot_be_found_is_told_so(
    admin: httpx.AsyncClient, body: dict[str, str], status: int, code: str
) -> None:
    for path in ("exports", "erasures"):
        answer = await admin.post(f"{URL}/{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (await admin.get(f"{URL}/erasures")).json()["items"] == []


async def test_it_is_for_administrators(operator: httpx.AsyncClient) -> None:
    for path in ("exports", "erasures"):
        assert (await operator.post(f"{URL}/{path}", json={"email": ANN["email"]})).status_code == 403
    assert (await operator.get(f"{URL}/erasures")).status_code == 403


async def test_an_export_holds_whatever_place_names_the_person(
    api: Api, admin: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact_id = await add_ann(api)
    pool = api.database.pool
    await pool.execute(
        "INSERT INTO import_rejections (import_id, row_number, code, reason, raw)"
        " VALUES ($1, 2, 'duplicate', 'x', $2), ($1, 3, 'duplicate', 'x', 'joann@example.com')",
        uuid7(), f"Ann;{ANN['email'].upper()}",
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO campaign_events (event_id, event_type, contact_id) VALUES ($1, 'opened', $2)", uuid7(), contact_id
    )
    await pool.execute(
        "INSERT INTO consents (consent_id, contact_id, channel, action, source, address)"
        " VALUES ($1, $2, 'email', 'granted', 'form', '192.0.2.7')",
        uuid7(), contact_id,
    )  # fmt: skip
    for address, channel, words in ((ANN["email"], "email", b"Caf\xe9"), (ANN["phone"], "sms", "Café".encode())):
        message_id = await pool.fetchval(
            "INSERT INTO messages (message_id, submission_id, channel, address, personalization)"
            " VALUES ($1, $1, $2, $3, '{}') RETURNING message_id",
            uuid7(), channel, address,
        )  # fmt: skip
        await pool.execute("INSERT INTO message_contents (message_id, content) VALUES ($1, $2)", message_id, words)
    found = (await admin.post(f"{URL}/exports", json={"contact_id": contact_id})).json()
    assert [row["content"] for row in found["single_messages"]] == [r"Caf\xe9", "Café"]
    monkeypatch.setattr("taskflow.privacy.service._WORDS_BYTES", 8)
    bounded = (await admin.post(f"{URL}/exports", json={"contact_id": contact_id})).json()["single_messages"]
    assert [(row["content"], row["content_bytes"]) for row in bounded] == [(r"Caf\xe9", 4), (None, 5)]
    assert [row["row_number"] for row in found["rejected_rows"]] == [2]
    assert found["activity"][0]["last_opened_at"] is not None
    assert found["consents"][0]["address"] == "192.0.2.7"


async def test_a_request_that_names_two_people_does_nothing(api: Api, admin: httpx.AsyncClient) -> None:
    await add_ann(api)
    await api.database.pool.execute(
        "INSERT INTO subscribers (contact_id, email) VALUES ($1, 'bob@example.com')", uuid7()
    )
    for path in ("exports", "erasures"):
        answer = await admin.post(f"{URL}/{path}", json={"email": "bob@example.com", "phone": ANN["phone"]})
        assert (answer.status_code, answer.json()["code"]) == (422, "two_people")
    assert await api.database.pool.fetchval("SELECT count(*) FROM erasures") == 0


async def test_a_contact_that_is_deleted_leaves_no_summary_and_later_events_make_none(
    api: Api, admin: httpx.AsyncClient
) -> None:
    contact_id = await add_ann(api)
    note = "INSERT INTO campaign_events (event_id, event_type, contact_id) VALUES ($1, 'opened', $2)"
    await api.database.pool.execute(note, uuid7(), contact_id)
    summaries = "SELECT count(a), count(l) FROM contact_activity a FULL JOIN contact_latest l USING (contact_id)"
    assert tuple(await api.database.pool.fetchrow(summaries)) == (1, 1)
    await admin.delete(f"/api/v1/contacts/{contact_id}")
    await api.database.pool.execute(note, uuid7(), contact_id)
    assert tuple(await api.database.pool.fetchrow(summaries)) == (0, 0)


async def test_what_takes_people_out_of_here_is_audited_and_not_for_viewers(
    api: Api, admin: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    body = {
        "name": "Letter", "template_subject": "Hello", "template_body": "<p>Hello</p>", "from_email": "a@b.example",
        "recipients": [{"email": ANN["email"]}],
    }  # fmt: skip
    campaign = (await admin.post("/api/v1/campaigns", json=body)).json()["campaign_id"]
    paths = {
        "contact.export": "/api/v1/contacts/export.csv",
        "suppression.export": "/api/v1/suppressions/export.csv",
        "campaign.export": f"/api/v1/campaigns/{campaign}/recipients.csv",
        "campaign.export_rejected": f"/api/v1/campaigns/{campaign}/import/rejected.csv",
    }
    for action, path in paths.items():
        assert (await viewer.get(path)).status_code == 403, path
        assert (await admin.get(path)).status_code == 200, path
        assert await api.database.pool.fetchval("SELECT count(*) FROM audit_log WHERE action = $1", action) == 1
