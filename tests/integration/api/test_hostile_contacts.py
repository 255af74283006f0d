"""What people who mean no good write into contacts (classes 4, 16 and 22): it is stored as it is, and does nothing."""

import csv
import io
import json
import re
from typing import Any

import httpx
import pytest

from support.api import Api
from taskflow.audience.exports import restore

CONTACTS, LISTS = "/api/v1/contacts", "/api/v1/lists"

XSS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg/onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "<a href=javascript:alert(1)>x</a>",
    "<!--><script>alert(1)</script>-->",
    "{{ 7 * 7 }}",
    "{0.__class__}",
    "%(name)s {wording} {link}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]
SQL = [
    "'; DROP TABLE subscribers; --",
    "' OR 1=1 --",
    '" OR ""="',
    "1) UNION SELECT password_hash FROM users --",
    "%' AND pg_sleep(5) --",
    "$1",
    "\\'; SELECT 1; --",
    "a'||(SELECT version())||'",
    "\\",
    "%",
    "_",
    "{1,2}",
    "NULL",
    "{{0}}{1}",
    "ｗｉｄｅ＇",  # noqa: RUF001 - full width on purpose
]
FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "=cmd|' /C calc'!A0", "\t=1", "x;=1", "\uff1d1", "\u200b=1", '"=1']
CORPUS = XSS + SQL + FORMULAS


async def test_text_is_stored_and_given_back_as_it_is(marketer: httpx.AsyncClient) -> None:
    assert (await marketer.post("/api/v1/contact-fields", json={"name": "note", "type": "text"})).status_code == 201
    for number, payload in enumerate(CORPUS):
        attributes = {"note": payload, "nested": {payload: [payload]}}
        body = {"email": f"p{number}@example.com", "attributes": attributes}
        answer = await marketer.post(CONTACTS, json=body)
        assert answer.status_code == 201, answer.text
        assert answer.json()["attributes"] == attributes
        assert answer.headers["content-type"] == "application/json"
    rows = list(csv.DictReader(io.StringIO((await marketer.get(f"{CONTACTS}/export.csv")).text, newline="")))
    assert [restore(row["note"]) for row in rows] == CORPUS
    for row, payload in zip(rows, CORPUS, strict=True):
        assert json.loads(restore(row["attributes"])) == {"nested": {payload: [payload]}}
        if payload in FORMULAS and ";" not in payload:
            assert row["note"].startswith("'")


@pytest.mark.parametrize("name", ["search", "email", "phone", "status", "tag", "list_id", "list_status", "cursor"])
async def test_a_filter_is_a_value_and_no_statement(api: Api, marketer: httpx.AsyncClient, name: str) -> None:
    await marketer.post(CONTACTS, json={"email": "ada@example.com", "tags": ["vip"]})
    for path in (CONTACTS, f"{CONTACTS}/export.csv", "/api/v1/tags", LISTS):
        for payload in [*CORPUS, "\x00", "\ud7ff", "a" * 300]:
            answer = await marketer.get(path, params={name: payload})
            assert answer.status_code in (200, 422), f"{path}?{name}={payload!r}: {answer.text}"
            if path == CONTACTS and answer.status_code == 200 and name != "search":
                assert answer.json()["items"] == []
    assert await api.database.pool.fetchval("SELECT count(*) FROM subscribers") == 1


@pytest.mark.parametrize("payload", CORPUS)
async def test_a_bulk_filter_is_a_value_too(api: Api, marketer: httpx.AsyncClient, payload: str) -> None:
    await marketer.post(CONTACTS, json={"email": "ada@example.com"})
    for wanted in ({"search": payload}, {"email": payload}, {"tags": [payload]}):
        body = {"action": "add_tags", "tags": ["x"], "filter": wanted}
        answer = await marketer.post(f"{CONTACTS}/bulk", json=body)
        assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("value", ["\x00", "\x1b[2J", "\ud800"])
@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CONTACTS, {"email": "{}@example.com"}),
        (CONTACTS, {"email": "a@example.com", "phone": "{}"}),
        (CONTACTS, {"email": "a@example.com", "locale": "{}"}),
        (CONTACTS, {"email": "a@example.com", "time_zone": "{}"}),
        (CONTACTS, {"email": "a@example.com", "tags": ["{}"]}),
        (CONTACTS, {"email": "a@example.com", "attributes": {"a": "{}"}}),
        (CONTACTS, {"email": "a@example.com", "attributes": {"{}": "a"}}),
        (CONTACTS, {"email": "a@example.com", "attributes": {"a": {"{}": "a"}}}),
        (f"{CONTACTS}/bulk", {"action": "add_tags", "tags": ["x"], "filter": {"search": "{}"}}),
        (f"{CONTACTS}/bulk", {"action": "add_tags", "tags": ["{}"], "everybody": True}),
        ("/api/v1/contact-fields", {"name": "plan", "type": "choice", "choices": ["{}"]}),
        ("/api/v1/contact-fields", {"name": "plan", "type": "text", "label": "{}"}),
        (LISTS, {"name": "{}"}),
        (LISTS, {"name": "News", "description": "{}"}),
        (LISTS, {"name": "News", "confirm_wording": "{}", "confirm_from": "a@example.com"}),
        (LISTS, {"name": "News", "confirm_from": "{}@example.com"}),
    ],
)
async def test_what_a_database_or_a_terminal_would_choke_on_is_refused(
    marketer: httpx.AsyncClient, path: str, body: dict[str, Any], value: str
) -> None:
    def filled(part: Any) -> Any:
        if isinstance(part, dict):
            return {filled(key): filled(item) for key, item in part.items()}
        if isinstance(part, list):
            return [filled(item) for item in part]
        return part.replace("{}", value) if isinstance(part, str) else part

    escaped = repr(value)[1:-1].replace("\\x", "\\u00")
    content = re.sub(re.escape(value), lambda _: escaped, _json(filled(body)))
    answer = await marketer.post(path, content=content.encode(), headers={"Content-Type": "application/json"})
    allowed = value == "\x1b[2J" and "search" in str(body)
    assert answer.status_code == (202 if allowed else 422), answer.text
    assert "Traceback" not in answer.text


@pytest.mark.parametrize("payload", XSS)
async def test_what_stands_in_a_public_page_is_escaped(api: Api, marketer: httpx.AsyncClient, payload: str) -> None:
    body = {"name": payload, "confirm_wording": payload, "visibility": "public", "confirm_from": "a@example.com"}
    made = (await marketer.post(LISTS, json=body)).json()
    path = f"/subscribe/{made['list_id']}"
    answers = [
        await api.anonymous.get(path),
        await api.anonymous.post(path, data={"email": payload}),
        await api.anonymous.post(path, data={"email": "ada@example.com", "first_name": payload}),
    ]
    for answer in answers:
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; script-src 'self'")
        for harmful in ("<script>alert", "<img src=x", "<svg/onload", "<a href=javascript", "onfocus=alert(1) x='"):
            assert harmful not in answer.text


def _json(body: Any) -> str:
    """Write JSON with characters as they are: the test escapes its own."""
    if isinstance(body, dict):
        return "{" + ",".join(f"{_json(key)}:{_json(value)}" for key, value in body.items()) + "}"
    if isinstance(body, list):
        return "[" + ",".join(map(_json, body)) + "]"
    return str(body).lower() if isinstance(body, bool) else f'"{body}"'
