"""SQL injection, as a class: metacharacters in every place of segments, audiences and suppressions that takes text.

None of them may be refused by PostgreSQL (500), change what is found, or leave a trace in a table.
"""

from typing import Any
from urllib.parse import quote

import httpx
import pytest

from support.api import Api
from support.contacts import add_contact
from taskflow.identity.models import Role

CORPUS = [
    "'",
    '"',
    "\\",
    "')",
    "' OR '1'='1",
    "' OR 1=1 --",
    "'; DROP TABLE subscribers; --",
    "x'); DELETE FROM suppressions; --",
    "') UNION SELECT password_hash FROM users --",
    "1; SELECT pg_sleep(5)",
    "'||pg_sleep(5)||'",
    "(SELECT pg_sleep(5))",
    "$1",
    "$path",
    "$$; DROP TABLE subscribers; $$",
    "@operand",
    "@table.contact_id",
    "{head}",
    "%",
    "_",
    "%s%n{0}{}",
    "a.b.c",
    "a,b}",
    '{"a": 1}',
    "attributes->>'x'",
    "email) = lower(s.email",
    "/* */",
    "-- \n; SELECT 1",
    "\u2019 OR 1=1",
    "\uff07 OR \uff11=\uff11",
    "\u02bc",
    "E'\\x27'",
    "U&'\\0027'",
    "NULL",
    "true",
    "🦣" * 20,
]
_TEXT_OPERATORS = ("is", "is_not", "contains", "not_contains", "starts_with", "ends_with")


@pytest.fixture
async def marketer(api: Api) -> Any:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


async def count(client: httpx.AsyncClient, *conditions: dict[str, Any]) -> int:
    body = {"condition": {"type": "all", "conditions": list(conditions)}}
    answer = await client.post("/api/v1/segments/count", json=body)
    assert answer.status_code == 200, answer.text
    found: int = answer.json()["contacts"]
    return found


async def test_text_in_conditions_is_only_ever_compared(api: Api, marketer: httpx.AsyncClient) -> None:
    for number, text in enumerate(CORPUS):
        attributes = {"word": text, text: "here"} if "." not in text else {"word": text}
        await add_contact(api.database, f"p{number}@example.com", attributes=attributes)
    everyone = len(CORPUS)
    for text in CORPUS:
        is_it = {"type": "attribute", "name": "word", "operator": "is", "value": text}
        assert await count(marketer, is_it) == 1, text
        assert await count(marketer, is_it | {"operator": "is_not"}) == everyone - 1, text
        listed = is_it | {"operator": "in", "value": [text, "other"]}
        named = {"type": "attribute", "name": text, "operator": "exists"}
        assert await count(marketer, listed, named) == (0 if "." in text else 1), text
        in_field = [
            {"type": "field", "name": "email", "operator": operator, "value": text} for operator in _TEXT_OPERATORS
        ]
        assert await count(marketer, *in_field) == 0, text


async def test_text_everywhere_else_is_data_or_refused(api: Api, marketer: httpx.AsyncClient) -> None:
    await marketer.post("/api/v1/suppressions", json={"address": "ada@example.com"})
    condition = {"condition": {"type": "field", "name": "email", "operator": "exists"}}
    before = await tables(api)
    for text in CORPUS:
        lists = {"lists": [text]}
        tries = [
            marketer.get("/api/v1/segments", params={"search": text}),
            marketer.get("/api/v1/segments", params={"cursor": text}),
            marketer.get("/api/v1/segments", params={"limit": text}),
            marketer.get(f"/api/v1/segments/{quote(text, safe='')}"),
            marketer.get("/api/v1/suppressions", params={"search": text}),
            *(
                marketer.get("/api/v1/suppressions", params={name: text})
                for name in ("channel", "list_id", "reason", "global", "cursor")
            ),
            marketer.get("/api/v1/suppressions/check", params={"address": text}),
            marketer.get("/api/v1/suppressions/export.csv", params={"channel": text}),
            marketer.post("/api/v1/segments/count", json=condition | {"time_zone": text}),
            marketer.post("/api/v1/segments/count", json={"condition": {"type": text}}),
            marketer.post("/api/v1/segments/count", json={"condition": {"type": "tags", "values": [text]}}),
            marketer.post("/api/v1/segments/count", json={"condition": {"type": "event", "event": text}}),
            marketer.post("/api/v1/audiences/count", json=lists),
            marketer.post("/api/v1/suppressions", json={"address": text, "channel": "sms"}),
        ]
        for one in tries:
            answer = await one
            assert answer.status_code in (200, 404, 422), (text, answer.request.url, answer.text)
        found = (await marketer.get("/api/v1/suppressions", params={"search": text})).json()
        assert found["items"] == [], text
        made = await marketer.post("/api/v1/segments", json={"name": f"n {text}", "definition": condition})
        assert made.status_code in (201, 422), made.text
        if made.status_code == 201:
            assert made.json()["name"] == f"n {text}".strip()
            await marketer.delete(f"/api/v1/segments/{made.json()['segment_id']}")
    assert await tables(api) == before


async def tables(api: Api) -> dict[str, int]:
    """Return how many rows the tables have that somebody might be after."""
    names = ("subscribers", "suppressions", "segments", "users", "mailing_lists")
    return {name: await api.database.pool.fetchval(f"SELECT count(*) FROM {name}") for name in names}  # noqa: S608
