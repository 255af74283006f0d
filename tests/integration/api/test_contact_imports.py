"""Imports of contacts: what a file becomes, in every mode, and what the report says of it."""

import csv
import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api
from support.contacts import add_contact
from support.imports import contacts, erasure_of, imported, leftovers, upload
from taskflow.audience.consent.repository import sql as consent_sql
from taskflow.base.ids import uuid7
from taskflow.db.pool import Database
from taskflow.identity.models import Role
from taskflow.settings import Settings

SPREADSHEET = (
    "E-Mail;Name;Telefon;Name;Stadt;Notiz\r\n"
    'ada@example.com;Ada;+49 171 1234567;Lovelace;München;"Zeile 1\nZeile 2"\r\n'
    "bob@example.com;Bob;0049 171 7654321;Müller;Köln;\r\n"
    'eve@example.com;Eve;"0171/111 22 33";Schröder;;"sagt ""Hallo"""\r\n'
    "not an address;Max;;Mustermann;Bonn;\r\n"
).encode("latin-1")


@pytest.fixture
async def marketer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


class Importer:
    """Imports files to their end."""

    def __init__(self, client: httpx.AsyncClient, database: Database, settings: Settings) -> None:
        self.client, self.database, self.settings = client, database, settings

    async def __call__(self, content: bytes | str, **fields: Any) -> dict[str, Any]:
        return await imported(self.client, self.database, self.settings, content, **fields)

    async def rejected(self, report: dict[str, Any]) -> list[dict[str, str]]:
        """Return the rows of `rejected.csv`."""
        answer = await self.client.get(f"/api/v1/contacts/imports/{report['import_id']}/rejected.csv")
        assert answer.status_code == 200, answer.text
        return list(csv.DictReader(io.StringIO(answer.text)))


@pytest.fixture
async def importer(marketer: httpx.AsyncClient, database: Database, settings: Settings) -> Importer:
    return Importer(marketer, database, settings)


async def new_list(database: Database, name: str = "News", opt_in: str = "single") -> UUID:
    list_id = uuid7()
    await database.pool.execute(
        "INSERT INTO mailing_lists (list_id, name, opt_in) VALUES ($1, $2, $3)", list_id, name, opt_in
    )
    return list_id


async def test_a_messy_spreadsheet_becomes_contacts(importer: Importer, database: Database) -> None:
    report = await importer(
        SPREADSHEET,
        mapping={"name": "first_name", "name_2": "last_name", "Stadt": "city", "Notiz": "note"},
        default_region="DE",
    )
    assert (report["status"], report["encoding"], report["delimiter"]) == ("COMPLETED", "cp1252", ";")
    assert (report["rows"], report["created"], report["rejected"], report["percent"]) == (4, 3, 1, 100.0)
    found = await contacts(database)
    assert [row["phone"] for row in found] == ["+491711234567", "+491717654321", "+491711112233"]
    assert found[0]["attributes"] == {
        "first_name": "Ada", "last_name": "Lovelace", "city": "München", "note": "Zeile 1\nZeile 2",
    }  # fmt: skip
    assert found[2]["attributes"] == {"first_name": "Eve", "last_name": "Schröder", "note": 'sagt "Hallo"'}
    assert await leftovers(database) == (0, 0)


async def test_two_columns_of_one_name_must_be_told_apart(marketer: httpx.AsyncClient) -> None:
    answer = await upload(marketer, SPREADSHEET)
    assert answer.status_code == 422
    problem = answer.json()
    assert problem["code"] == "import_ambiguous_column"
    assert problem["detail"] == (
        "Two columns are called 'Name' (columns 2 and 4): say what each of them is, by the names name, name_2;"
        " for example name → name, name_2 → ignore."
    )


async def test_an_inspection_says_what_is_in_a_file(marketer: httpx.AsyncClient, database: Database) -> None:
    await database.pool.execute("INSERT INTO contact_fields (name, label, type) VALUES ('stadt', 'Stadt', 'text')")
    answer = await upload(marketer, SPREADSHEET, path="/inspect")
    found = answer.json()
    assert answer.status_code == 200
    assert (found["encoding"], found["delimiter"], found["estimated_rows"]) == ("cp1252", ";", 5)
    assert [(column["name"], column["target"], column["type"]) for column in found["columns"]] == [
        ("e_mail", "email", None), ("name", "name", None), ("telefon", "phone", None), ("name_2", "name_2", None),
        ("stadt", "stadt", "text"), ("notiz", "notiz", None),
    ]  # fmt: skip
    assert found["columns"][2]["samples"][2] == "0171/111 22 33"
    assert found["shared_titles"] == [{"title": "Name", "places": [2, 4], "names": ["name", "name_2"]}]
    assert await database.pool.fetchval("SELECT count(*) FROM contact_imports") == 0


async def test_the_rejected_rows_can_be_mended_and_imported_again(importer: Importer, database: Database) -> None:
    report = await importer('email,phone,city\nada@,+49 171 1234567,Bonn\nbob@example.com,123,"a, b"\nc,,\n')
    [first, second, third] = await importer.rejected(report)
    assert (first["rejected_row"], first["rejected_code"], first["email"]) == ("2", "invalid_address", "ada@")
    assert (second["rejected_code"], second["city"]) == ("invalid_phone", "a, b")
    assert second["rejected_reason"].startswith("The column 'phone': '123' ")
    assert third["rejected_code"] == "invalid_address"
    second["phone"] = "+44 20 7946 0018"
    text = io.StringIO()
    writer = csv.DictWriter(text, list(second))
    writer.writeheader()
    writer.writerow(second)
    again = await importer(text.getvalue())
    assert (again["created"], again["rejected"]) == (1, 0)
    [contact] = await contacts(database)
    assert (contact["email"], contact["phone"], contact["attributes"]) == (
        "bob@example.com", "+442079460018", {"city": "a, b"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "counts", "cities"),
    [
        ("create", (1, 0, 2), ["Bonn", "Köln"]),
        ("update", (0, 1, 2), ["Mainz"]),
        ("upsert", (1, 1, 1), ["Mainz", "Köln"]),
    ],
)
async def test_a_mode_decides_about_people_who_are_there(
    importer: Importer, database: Database, mode: str, counts: tuple[int, int, int], cities: list[str]
) -> None:
    await importer("email,city,first_name\nada@example.com,Bonn,Ada\neve@example.com,,Eve\n")
    report = await importer("email,city\nADA@example.com,Mainz\nbob@example.com,Köln\neve@example.com,\n", mode=mode)
    assert (report["created"], report["updated"], report["skipped"]) == counts
    found = {row["email"]: row["attributes"] for row in await contacts(database)}
    assert [attributes["city"] for attributes in found.values() if "city" in attributes] == cities
    assert found["ada@example.com"]["first_name"] == "Ada"  # an empty or missing cell takes nothing away


async def test_a_dry_run_reports_what_would_happen_and_changes_nothing(importer: Importer, database: Database) -> None:
    await importer("email,city\nada@example.com,Bonn\n")
    before = await contacts(database)
    file = "email,city\nada@example.com,Mainz\nbob@example.com,Köln\nBOB@example.com,Köln\nnobody,\n"
    list_id = await new_list(database)
    dry = await importer(file, dry_run="true", lists=[str(list_id)], consent={"wording": "Yes"})
    assert await contacts(database) == before
    assert await database.pool.fetchval("SELECT count(*) FROM subscriptions") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM consents") == 0
    assert dry["summary"] == "1 created, 1 updated, 2 rejected (dry run: nothing was changed)"
    assert [row["rejected_code"] for row in await importer.rejected(dry)] == ["duplicate", "invalid_address"]
    real = await importer(file)
    assert {name: real[name] for name in ("rows", "created", "updated", "skipped", "rejected")} == {
        name: dry[name] for name in ("rows", "created", "updated", "skipped", "rejected")
    }


async def test_the_first_row_of_a_person_counts(importer: Importer, database: Database) -> None:
    report = await importer(
        "email,phone,city\n"
        "ada@example.com,+491711234567,Bonn\n"
        "Ada@Example.com,,Mainz\n"
        "bob@example.com,+491711234567,Köln\n"
        ",+491711234567,Trier\n"
    )
    assert (report["created"], report["rejected"]) == (1, 3)
    rejected = await importer.rejected(report)
    assert [row["rejected_reason"] for row in rejected] == [
        "The same person is in row 2 already.",
        "The phone number is in row 2 already.",
        "The phone number is in row 2 already.",
    ]
    assert (rejected[0]["email"], rejected[0]["city"]) == ("Ada@example.com", "Mainz")


async def test_people_are_known_by_their_phone_when_they_have_no_address(
    importer: Importer, database: Database
) -> None:
    await importer("phone,city\n+491711234567,Bonn\n+491717654321,Köln\n")
    report = await importer("email,phone\nada@example.com,+491711234567\n,+491717654321\n")
    assert (report["created"], report["updated"], report["skipped"]) == (0, 1, 1)
    [ada, other] = await contacts(database)
    assert (ada["email"], ada["attributes"]) == ("ada@example.com", {"city": "Bonn"})
    assert other["email"] is None


async def test_a_phone_of_somebody_else_is_not_taken_over(importer: Importer, database: Database) -> None:
    await importer("email,phone\nada@example.com,+491711234567\nbob@example.com,\n")
    report = await importer(
        "email,phone\nbob@example.com,+491711234567\nnew@example.com,+491711234567\n", mode="upsert"
    )
    assert report["rejected"] == 2
    codes = {row["rejected_code"] for row in await importer.rejected(report)}
    assert codes == {"duplicate", "phone_taken"}
    assert [(row["email"], row["phone"]) for row in await contacts(database)] == [
        ("ada@example.com", "+491711234567"), ("bob@example.com", None),
    ]  # fmt: skip


async def test_declared_fields_are_typed_and_what_does_not_fit_is_rejected(
    importer: Importer, database: Database
) -> None:
    await database.pool.execute(
        """INSERT INTO contact_fields (name, label, type, choices) VALUES ('points', 'Points', 'number', '{}'),
           ('customer', 'Customer', 'boolean', '{}'), ('born', 'Born', 'date', '{}'),
           ('plan', 'Plan', 'choice', '{Free,Pro}')"""
    )
    report = await importer(
        "email;points;customer;born;plan;zip\n"
        "a@example.com;1.234,5;ja;31.01.1999;pro;01234\n"
        "b@example.com;many;;;;\n"
        "c@example.com;;;;Gold;\n"
    )
    [contact] = await contacts(database)
    assert contact["attributes"] == {
        "points": 1234.5, "customer": True, "born": "1999-01-31", "plan": "Pro", "zip": "01234",
    }  # fmt: skip
    rejected = await importer.rejected(report)
    assert [row["rejected_code"] for row in rejected] == ["invalid_value", "invalid_value"]
    assert rejected[1]["rejected_reason"] == "The column 'plan': 'Gold' is none of the choices Free, Pro."


async def test_locale_time_zone_and_tags_have_columns_of_their_own(importer: Importer, database: Database) -> None:
    await importer(
        "email;Sprache;Zeitzone;Tags\na@example.com;de_at;europe/vienna;VIP, News\nb@example.com;;;\n", tags=["Import"]
    )
    [first, second] = await contacts(database)
    assert (first["locale"], first["time_zone"], first["tags"]) == ("de-AT", "Europe/Vienna", ["import", "news", "vip"])
    assert (second["locale"], second["tags"]) == (None, ["import"])
    await importer("email,tags\na@example.com,gold\n")
    assert (await contacts(database))[0]["tags"] == ["gold", "import", "news", "vip"]


async def test_people_come_to_lists_with_the_consent_that_was_told(
    importer: Importer, database: Database, marketer: httpx.AsyncClient
) -> None:
    single, double = await new_list(database), await new_list(database, "Club", "double")
    await importer(
        "email,phone\na@example.com,+491711234567\nb@example.com,\n",
        lists=[str(single), str(double)],
        consent={"wording": "I want the news.", "channels": ["email", "sms"]},
    )
    subscriptions = await database.pool.fetch("SELECT list_id, status FROM subscriptions")
    assert sorted((row["list_id"], row["status"]) for row in subscriptions) == sorted(
        [(single, "CONFIRMED"), (double, "PENDING")] * 2
    )
    consents = await database.pool.fetch(
        "SELECT list_id, channel, action, source, wording, actor FROM consents WHERE list_id = $1", single
    )
    assert sorted(row["channel"] for row in consents) == ["email", "email", "sms"]
    assert {row["wording"] for row in consents} == {"I want the news."}
    assert {row["source"] for row in consents} == {"import"}
    assert all("marketer" in row["actor"] for row in consents)
    actions = await database.pool.fetch("SELECT DISTINCT action FROM consents WHERE list_id = $1", double)
    assert [row["action"] for row in actions] == ["requested"]
    again = await importer("email\na@example.com\n", lists=[str(single)], consent={"wording": "Again."})
    assert again["skipped"] == 1
    assert await database.pool.fetchval("SELECT count(*) FROM consents WHERE wording = 'Again.'") == 0


@pytest.mark.parametrize("asks", [True, False])
async def test_a_double_opt_in_asks_who_is_imported_when_it_is_told_to_and_the_report_says_so(
    importer: Importer, database: Database, *, asks: bool
) -> None:
    double = await new_list(database, "Club", "double")
    people = "email,phone\na@example.com,\nb@example.com,\n,+491711234567\n"
    consent = {"wording": "I want the news.", "channels": ["email", "sms"]}
    fields = {"lists": [str(double)], "ask_to_confirm": asks, "consent": consent}
    tried = await importer(people, dry_run=True, **fields)
    report = await importer(people, **fields)
    assert (tried["pending"], report["pending"]) == (3, 3)
    assert ("3 asked to confirm" in report["summary"]) is asks
    assert ("are not asked" in report["summary"]) is not asks
    tasks = await database.pool.fetch("SELECT task_kwargs FROM tasks WHERE task_name = 'send_confirmation'")
    asked = await database.pool.fetch(
        "SELECT consent_id, wording FROM consents WHERE action = 'requested' AND channel = 'email'"
    )
    assert len(asked) == 2
    if asks:
        assert {row["wording"] for row in asked} == {"Yes, send me Club by e-mail."}
        assert {row["task_kwargs"]["request_id"] for row in tasks} == {str(row["consent_id"]) for row in asked}
    else:
        assert tasks == []
    await importer(people, **fields)
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE task_name = 'send_confirmation'") == (
        2 if asks else 0
    )


async def test_who_came_by_a_form_and_is_imported_is_not_forgotten(importer: Importer, database: Database) -> None:
    for email in ("form@example.com", "both@example.com"):
        contact_id = await add_contact(database, email, status="PENDING", created_at=datetime.now(UTC) - timedelta(30))
        await database.pool.execute(
            "INSERT INTO consents (consent_id, contact_id, channel, action, source, created_at)"
            " VALUES ($1, $2, 'email', 'requested', 'form', now() - interval '30 days')",
            uuid7(), contact_id,
        )  # fmt: skip
    report = await importer("email\nboth@example.com\n")
    assert report["updated"] == 1
    await database.pool.execute(consent_sql.forget_unconfirmed, 7, 100)
    assert [(row["email"], row["status"]) for row in await contacts(database)] == [("both@example.com", "ACTIVE")]


async def test_a_list_takes_nobody_whom_it_suppresses_by_domain_or_who_is_known_by_phone(
    importer: Importer, database: Database
) -> None:
    list_id = await new_list(database)
    await add_contact(database, "known@example.com", phone="+491711234567")
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason, list_id) VALUES ('email', '@bad.example', 'manual', $1),"
        " ('email', 'known@example.com', 'unsubscribed', NULL)",
        list_id,
    )
    await importer("email,phone\nx@bad.example,\n,+491711234567\ngood@example.com,\n", lists=[str(list_id)])
    on_list = await database.pool.fetch("SELECT email FROM subscriptions JOIN subscribers USING (contact_id)")
    assert [row["email"] for row in on_list] == ["good@example.com"]


async def test_who_has_left_is_not_brought_back(importer: Importer, database: Database) -> None:
    list_id = await new_list(database)
    await importer("email\nleft@example.com\noff@example.com\nbounced@example.com\n", lists=[str(list_id)])
    await database.pool.execute(
        "DELETE FROM subscriptions WHERE contact_id IN (SELECT contact_id FROM subscribers WHERE"
        " email <> 'left@example.com')"
    )
    await database.pool.execute("UPDATE subscriptions SET status = 'UNSUBSCRIBED', unsubscribed_at = now()")
    await database.pool.execute("UPDATE subscribers SET status = 'UNSUBSCRIBED' WHERE email = 'off@example.com'")
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES"
        " ('email', 'bounced@example.com', 'bounced'), ('email', 'gone@example.com', 'complained'),"
        " ('email', '@blocked.example', 'manual')"
    )
    report = await importer(
        "email,city\nleft@example.com,A\noff@example.com,B\nbounced@example.com,C\nGone@example.com,D\n"
        "x@Blocked.example,E\nnew@example.com,F\n",
        lists=[str(list_id)],
        consent={"wording": "They said yes."},
    )
    assert (report["created"], report["updated"], report["rejected"]) == (1, 3, 2)
    on_list = await database.pool.fetch(
        "SELECT email, s.status FROM subscriptions s JOIN subscribers USING (contact_id) ORDER BY email"
    )
    assert [tuple(row) for row in on_list] == [("left@example.com", "UNSUBSCRIBED"), ("new@example.com", "CONFIRMED")]
    assert (
        await database.pool.fetchval("SELECT status FROM subscribers WHERE email = 'off@example.com'") == "UNSUBSCRIBED"
    )
    rejected = await importer.rejected(report)
    assert [(row["email"], row["rejected_reason"]) for row in rejected] == [
        ("Gone@example.com", "The address is suppressed (complained)."),
        ("x@blocked.example", "The address is suppressed (manual)."),
    ]
    consented = await database.pool.fetch("SELECT DISTINCT email FROM consents JOIN subscribers USING (contact_id)")
    assert [row["email"] for row in consented] == ["new@example.com"]


async def test_an_erased_person_leaves_no_trace(importer: Importer, database: Database, settings: Settings) -> None:
    erasure = erasure_of(settings)
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', $1, 'erased'), ('sms', $2, 'erased')",
        erasure.of("ada@example.com"), erasure.of("+491711234567"),
    )  # fmt: skip
    report = await importer(
        "email,phone,note\nADA@example.com,,secret-1\nbob@example.com,0171 1234567,secret-2\n"
        "ada@example.com,,secret-3\n",
        default_region="DE",
    )
    assert (report["created"], report["rejected"]) == (0, 3)
    rejected = await importer.rejected(report)
    assert [row["rejected_code"] for row in rejected] == ["erased", "erased", "duplicate"]
    assert not any(word in json.dumps(rejected) for word in ("secret", "ada@", "bob@", "1711234567"))
    assert await contacts(database) == []
    assert await leftovers(database) == (0, 0)


async def test_a_list_that_is_not_there_is_refused(marketer: httpx.AsyncClient) -> None:
    answer = await upload(marketer, "email\na@example.com\n", lists=["01900000-0000-7000-8000-000000000000"])
    assert (answer.status_code, answer.json()["code"]) == (422, "import_option")


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"mapping": {"Nmae": "first_name"}}, "There is no column 'Nmae'. The file has 'email', 'Name', 'Tel'."),
        ({"mapping": {"Name": "first name"}}, "The column 'Name' cannot become 'first name'"),
        ({"mapping": {"email": "ignore", "Tel": "ignore"}}, "No column becomes email or phone"),
        ({"mapping": {"Name": "x", "Tel": "x"}}, "The columns 'Name' and 'Tel' would both become 'x'"),
        ({"mapping": {"Name": "x", "name": "y"}}, "The mapping names the column 'Name' twice."),
        ({"default_region": "XX"}, "'XX' is no country"),
        ({"tags": ["a;b"]}, "The tag 'a;b' holds one of"),
    ],
)
async def test_a_mapping_that_does_not_fit_is_refused(
    marketer: httpx.AsyncClient, fields: dict[str, Any], detail: str
) -> None:
    answer = await upload(marketer, "email,Name,Tel\na@example.com,A,+491711234567\n", **fields)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(detail)


@pytest.mark.parametrize(
    "fields",
    [
        {"mode": "replace"},
        {"dry_run": "perhaps"},
        {"mapping": '["a"]'},
        {"lists": '"x"'},
        {"consent": '{"wording": ""}'},
    ],
)
async def test_a_field_that_cannot_be_is_refused(marketer: httpx.AsyncClient, fields: dict[str, str]) -> None:
    answer = await upload(marketer, "email\na@example.com\n", **fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_a_field_that_is_no_json_is_refused(marketer: httpx.AsyncClient) -> None:
    answer = await upload(marketer, "email\na@example.com\n", mapping="{")
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_body")


async def test_a_form_without_a_file_is_refused(marketer: httpx.AsyncClient) -> None:
    answer = await marketer.post("/api/v1/contacts/imports", files={"other": ("a.csv", b"email\na@b.example\n")})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_file")
    answer = await marketer.post("/api/v1/contacts/imports", json={"file": "email\na@b.example\n"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unreadable_body")


async def test_a_repeated_request_makes_one_import(marketer: httpx.AsyncClient, database: Database) -> None:
    marketer.headers["Idempotency-Key"] = "once"
    first, second = [await upload(marketer, "email\na@example.com\n") for _ in range(2)]
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["import_id"] == second.json()["import_id"]
    assert await database.pool.fetchval("SELECT count(*) FROM contact_imports") == 1


async def test_imports_are_listed_newest_first(importer: Importer, marketer: httpx.AsyncClient) -> None:
    reports = [await importer(f"email\na{number}@example.com\n") for number in range(3)]
    page = (await marketer.get("/api/v1/contacts/imports", params={"limit": 2})).json()
    assert [job["import_id"] for job in page["items"]] == [reports[2]["import_id"], reports[1]["import_id"]]
    rest = (await marketer.get("/api/v1/contacts/imports", params={"cursor": page["next_cursor"]})).json()
    assert [job["import_id"] for job in rest["items"]] == [reports[0]["import_id"]]
    empty = (await marketer.get("/api/v1/contacts/imports", params={"status": "FAILED"})).json()
    assert empty["items"] == []


async def test_a_file_that_breaks_at_its_end_changes_nothing(importer: Importer, database: Database) -> None:
    broken = "".join(f'"{number},x\n' for number in range(60))
    report = await importer("email,city\n" + "".join(f"p{n}@example.com,Bonn\n" for n in range(5_000)) + broken)
    assert (report["status"], report["error_code"]) == ("FAILED", "csv_broken_quotes")
    assert await contacts(database) == []
    assert await leftovers(database) == (0, 0)


async def test_only_marketers_import(viewer: httpx.AsyncClient) -> None:
    assert (await upload(viewer, "email\na@example.com\n")).status_code == 403
    assert (await viewer.get("/api/v1/contacts/imports")).status_code == 403
