"""Templates over HTTP: versions, locales, snippets; what a campaign takes of them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from support.api import Api
from taskflow.identity.models import Role

MJML = """<mjml><mj-body><mj-section><mj-column>
<mj-text>Hello {{ first_name }}</mj-text>
{% include 'footer' %}
</mj-column></mj-section></mj-body></mjml>"""
NOTHING = "01890000-0000-7000-8000-000000000000"
FOOTER = "<mj-text><a href='{{ unsubscribe_url }}'>Stop</a></mj-text>"


@pytest.fixture
async def marketer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        await client.post("/api/v1/snippets", json={"name": "footer", "body": FOOTER})
        yield client


def variant(**changes: Any) -> dict[str, Any]:
    return {"format": "mjml", "subject": "Hi {{ first_name }}", "body": MJML} | changes


async def made(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post("/api/v1/templates", json={"name": "Welcome", "variants": [variant()]} | changes)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_template_begins_with_version_1_and_keeps_the_snippets_that_it_includes(
    marketer: httpx.AsyncClient,
) -> None:
    template = await made(marketer)
    assert (template["version"], template["default_locale"], template["channel"]) == (1, "en", "email")
    assert [one["locale"] for one in template["current"]["variants"]] == ["en"]
    assert template["current"]["snippets"] == {"footer": FOOTER}
    listed = (await marketer.get("/api/v1/templates", params={"search": "WEL"})).json()["items"]
    assert [one["template_id"] for one in listed] == [template["template_id"]]
    again = await marketer.post("/api/v1/templates", json={"name": "welcome", "variants": [variant()]})
    assert (again.status_code, again.json()["code"]) == (409, "template_name_taken")


async def test_a_saved_version_never_changes_and_the_next_one_says_what_did(marketer: httpx.AsyncClient) -> None:
    template = await made(marketer)
    url = f"/api/v1/templates/{template['template_id']}"
    snippet = (await marketer.get("/api/v1/snippets")).json()["items"][0]
    await marketer.patch(f"/api/v1/snippets/{snippet['snippet_id']}", json={"body": "<mj-text>Bye</mj-text>"})
    stale = (await marketer.get(f"/api/v1/snippets/{snippet['snippet_id']}")).json()
    assert (stale["version"], [use["is_current"] for use in stale["used_by"]]) == (2, [False])

    body = {"variants": [variant(subject="Hey {{ first_name }}")], "base_version": 1, "note": "Friendlier"}
    saved = (await marketer.post(f"{url}/versions", json=body)).json()
    assert (saved["version"], saved["current"]["note"]) == (2, "Friendlier")
    old = (await marketer.get(f"{url}/versions/1")).json()
    assert old["snippets"] == {"footer": FOOTER}
    found = (await marketer.get(f"{url}/diff", params={"from": 1, "to": 2})).json()["changes"]
    assert [(one["locale"], one["part"]) for one in found] == [("en", "subject"), (None, "snippet footer")]
    assert found[0]["diff"] == ["@@ -1 +1 @@", "-Hi {{ first_name }}", "+Hey {{ first_name }}"]

    late = await marketer.post(f"{url}/versions", json=body)
    assert (late.status_code, late.json()["code"], late.json()["newest_version"]) == (409, "template_changed", 2)
    restored = (await marketer.post(f"{url}/versions/1/restore")).json()
    assert (restored["version"], restored["current"]["variants"][0]["subject"]) == (3, "Hi {{ first_name }}")
    assert restored["current"]["snippets"] == {"footer": FOOTER}
    versions = (await marketer.get(f"{url}/versions", params={"limit": 2})).json()
    assert [one["version"] for one in versions["items"]] == [3, 2]
    rest = (await marketer.get(f"{url}/versions", params={"cursor": versions["next_cursor"]})).json()
    assert [one["version"] for one in rest["items"]] == [1]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"variants": [variant(body="<mjml>")]}, "template_syntax"),
        ({"variants": [variant(body="{{ x")]}, "template_syntax"),
        ({"variants": [variant(subject="")]}, "template_shape"),
        ({"variants": [variant(), variant()]}, "template_shape"),
        ({"variants": [variant(locale="de")]}, "template_shape"),
        ({"variants": [variant(format="text", text="x")]}, "template_shape"),
        ({"channel": "sms"}, "template_shape"),
        ({"variants": [variant(locale="../en")]}, "invalid_input"),
        ({"variants": []}, "invalid_input"),
        (
            {"attachments": [{"media_id": NOTHING, "filename": "a.pdf"}]},
            "media_not_found",
        ),
        ({"attachments": [{"media_id": NOTHING, "filename": "../a"}]}, "invalid_input"),
    ],
)
async def test_what_cannot_be_used_is_not_saved(
    marketer: httpx.AsyncClient, changes: dict[str, Any], code: str
) -> None:
    answer = await marketer.post("/api/v1/templates", json={"name": "W", "variants": [variant()]} | changes)
    assert (answer.status_code // 100, answer.json()["code"]) == (4, code), answer.text
    assert (await marketer.get("/api/v1/templates")).json()["items"] == []


async def test_problems_say_in_which_locale_part_line_and_snippet(marketer: httpx.AsyncClient) -> None:
    await marketer.post("/api/v1/snippets", json={"name": "broken", "body": "<mj-text>\n{{ a b }}</mj-text>"})
    body = MJML.replace("footer", "broken")
    answer = await marketer.post(
        "/api/v1/templates",
        json={"name": "W", "variants": [variant(), variant(locale="de", body=body, subject="{% if %}")]},
    )
    assert answer.json()["code"] == "template_syntax"
    assert [(one["locale"], one["part"], one["line"], one["snippet"]) for one in answer.json()["problems"]] == [
        ("de", "subject", 1, None),
        ("de", "html", 2, "broken"),
    ]


async def test_an_archived_template_frees_its_name_and_takes_no_more_versions(marketer: httpx.AsyncClient) -> None:
    template = await made(marketer)
    url = f"/api/v1/templates/{template['template_id']}"
    assert (await marketer.delete(url)).status_code == 204
    assert (await marketer.get(url)).json()["archived_at"] is not None
    answer = await marketer.post(f"{url}/versions", json={"variants": [variant()]})
    assert (answer.status_code, answer.json()["code"]) == (409, "template_archived")
    assert (await made(marketer))["name"] == "Welcome"
    assert len((await marketer.get("/api/v1/templates", params={"archived": True})).json()["items"]) == 1


async def test_a_campaign_pins_the_version_that_it_finds(marketer: httpx.AsyncClient) -> None:
    german = variant(locale="de", subject="Hallo {{ vorname }}")
    template = await made(marketer, variants=[variant(), german])
    url = f"/api/v1/templates/{template['template_id']}"
    fields = {"name": "C", "from_email": "a@b.example", "template_id": template["template_id"]}
    people = [{"email": "a@x.example", "first_name": "Ada", "locale": "en-GB"},
              {"email": "b@x.example", "first_name": "Bo", "locale": "de_AT"},
              {"email": "c@x.example", "first_name": "Cy", "vorname": "Cy", "locale": "DE"}]  # fmt: skip
    campaign = (await marketer.post("/api/v1/campaigns", json=fields | {"recipients": people})).json()
    assert (campaign["template_version"], campaign["template_subject"]) == (1, "Hi {{ first_name }}")
    await marketer.post(f"{url}/versions", json={"variants": [variant(subject="Other")]})
    refused = await marketer.post(f"/api/v1/campaigns/{campaign['campaign_id']}/start")
    assert refused.status_code == 409
    assert refused.json()["problems"] == [{"variable": "vorname", "row_number": 2, "email": "b@x.example", "count": 1}]
    newest = (await marketer.post("/api/v1/campaigns", json=fields | {"recipients": people})).json()
    assert newest["template_version"] == 2


@pytest.mark.parametrize(
    "fields",
    [{}, {"template_subject": "s"}, {"template_version": 1, "template_subject": "s", "template_body": "b"},
     {"template_id": NOTHING, "template_subject": "s", "template_body": "b"}],
)  # fmt: skip
async def test_a_campaign_has_a_template_or_its_own_words(marketer: httpx.AsyncClient, fields: dict[str, Any]) -> None:
    answer = await marketer.post("/api/v1/campaigns", json={"name": "C", "from_email": "a@b.example"} | fields)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
