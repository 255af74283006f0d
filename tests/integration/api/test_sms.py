# ruff: noqa: RUF001 - characters that look like others are what this is about
"""Previews of texts and DLT templates over HTTP."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from support.api import Api
from support.receiver import Receiver
from support.text_providers import add_provider
from support.texts import BODY

URL = "/api/v1/sms"
OTP = {
    "name": "otp",
    "template_id": "1107161234567890123",
    "entity_id": "1101234567890123456",
    "header": "TSKFLW",
    "category": "transactional",
    "body": BODY,
    "provider_template_id": "171234",
}


@pytest.fixture
async def otp(marketer: httpx.AsyncClient) -> dict[str, Any]:
    answer = await marketer.post(f"{URL}/templates", json=OTP)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def preview(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"{URL}/preview", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refusal(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"{URL}/preview", json=body)
    assert answer.status_code in (404, 422), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_emoji_makes_a_text_longer_and_the_preview_says_so(viewer: httpx.AsyncClient) -> None:
    before = await preview(viewer, text="x" * 150)
    assert (before["encoding"], before["parts"], before["units"], before["per_part"]) == ("gsm7", 1, 150, 160)
    assert (before["wide"], before["plainer"], before["cost"], before["dlt"]) == ([], None, None, None)
    after = await preview(viewer, text="x" * 150 + "😀")
    assert (after["encoding"], after["parts"], after["units"], after["per_part"]) == ("ucs2", 3, 152, 67)
    assert after["wide"] == [
        {"character": "😀", "code_point": "U+1F600", "name": "GRINNING FACE", "replacement": None}
    ]  # fmt: skip


async def test_typographic_characters_are_replaced_when_asked_for(viewer: httpx.AsyncClient) -> None:
    found = await preview(viewer, text="It’s “here” – now…")
    assert (found["text"], found["encoding"]) == ("It’s “here” – now…", "ucs2")
    assert [one["replacement"] for one in found["wide"]] == ["'", '"', '"', "-", "..."]
    assert (found["plainer"]["text"], found["plainer"]["encoding"]) == ('It\'s "here" - now...', "gsm7")
    plain = await preview(viewer, text="It’s “here” – now…", plain=True)
    assert (plain["text"], plain["plainer"]) == ('It\'s "here" - now...', None)


async def test_the_longest_beginning_of_a_number_sets_the_price(api: Api, viewer: httpx.AsyncClient) -> None:
    api.settings.sms.prices = {"+4": Decimal("0.05"), "+49": Decimal("0.075"), "+1": Decimal("0.01")}
    found = await preview(viewer, text="x" * 200, to="+49 171 1234567")
    of_settings = {"amount": "0.150", "per_part": "0.075", "currency": "EUR", "prefix": "+49", "provider": None}
    assert found["cost"] == of_settings
    assert (await preview(viewer, text="x", to="+41 79 123 45 67"))["cost"]["prefix"] == "+4"
    assert (await preview(viewer, text="x", to="+91 98765 43210"))["cost"] is None
    assert (await refusal(viewer, text="x", to="0171"))["detail"].startswith("to: ")


async def test_the_provider_that_is_asked_first_sets_the_price_before_the_settings_do(
    api: Api, admin: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    api.settings.sms.prices = {"+49": Decimal("0.075"), "+1": Decimal("0.01")}
    for name, priority, prices in (("second", 2, {"+49": 1.0}), ("first", 1, {"+49": 0.05})):
        more = {"priority": priority, "prices": prices, "currency": "USD"}
        await add_provider(admin, "bulksms", Receiver(), name=name, **more)
    for_bulk = {"priority": 1, "classes": ["bulk"], "prices": {"+49": 0.01}, "currency": "USD"}
    await add_provider(admin, "bulksms", Receiver(), name="early", **for_bulk)
    cost = (await preview(viewer, text="x", to="+491711234567"))["cost"]
    assert (cost["amount"], cost["currency"], cost["provider"], cost["prefix"]) == ("0.05", "USD", "first", "+49")
    other = (await preview(viewer, text="x", to="+15005550006"))["cost"]
    assert (other["amount"], other["currency"], other["provider"]) == ("0.01", "EUR", None)


async def test_a_template_is_filled_and_a_text_is_held_against_it(
    viewer: httpx.AsyncClient, otp: dict[str, Any]
) -> None:
    filled = await preview(viewer, template="otp", variables=["123456", "shop.example"])
    assert filled["text"] == "123456 is your code for shop.example."
    assert filled["dlt"] == {
        "template_id": OTP["template_id"], "entity_id": OTP["entity_id"], "header": "TSKFLW",
        "category": "transactional", "values": ["123456", "shop.example"], "opens_at": None,
    }  # fmt: skip
    assert await preview(viewer, template=otp["sms_template_id"], text=filled["text"]) == filled
    wrong = await refusal(viewer, template="otp", text="123456 is your Code for shop.example.")
    assert (wrong["code"], wrong["position"], wrong["found"][:4]) == ("dlt_mismatch", 16, "Code")
    assert "At character 16" in wrong["detail"]
    assert (await refusal(viewer, template="otp", variables=["1"]))["code"] == "dlt_values"
    assert (await refusal(viewer, template="otp", variables=["1", "x" * 31]))["value"] == 2
    plain = await preview(viewer, template="otp", variables=["1", "Ann’s shop"], plain=True)
    assert (plain["encoding"], plain["dlt"]["values"]) == ("gsm7", ["1", "Ann's shop"])


async def test_a_promotional_template_says_when_it_may_go_out(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await marketer.post(f"{URL}/templates", json=OTP | {"name": "sale", "category": "promotional"})
    opens = (await preview(viewer, template="sale", variables=["1", "2"]))["dlt"]["opens_at"]
    assert opens is None or opens.endswith("T10:00:00+05:30")


@pytest.mark.parametrize(
    "body",
    [{}, {"text": "x", "variables": []}, {"variables": ["x"]}, {"template": "otp", "text": "x", "variables": ["x"]}],
)
async def test_a_preview_needs_one_thing_to_preview(
    viewer: httpx.AsyncClient, otp: dict[str, Any], body: dict[str, Any]
) -> None:
    assert (await refusal(viewer, **body))["code"] == "nothing_to_preview"


@pytest.mark.parametrize("text", ["", "a\x00b", "x" * 2_001, 5, ["x"]])
async def test_a_text_that_nobody_could_send_is_refused(viewer: httpx.AsyncClient, text: Any) -> None:
    assert (await viewer.post(f"{URL}/preview", json={"text": text})).status_code == 422


async def test_templates_are_kept_found_and_forgotten(
    viewer: httpx.AsyncClient, marketer: httpx.AsyncClient, admin: httpx.AsyncClient, otp: dict[str, Any]
) -> None:
    path = f"{URL}/templates/{otp['sms_template_id']}"
    assert otp | OTP == otp
    assert otp["variables"] == 2
    assert (await viewer.get(path)).json() == otp
    second = (await marketer.post(f"{URL}/templates", json=OTP | {"name": "bye", "header": "OTHERS"})).json()
    assert [one["name"] for one in (await viewer.get(f"{URL}/templates")).json()["items"]] == ["bye", "otp"]
    first = (await viewer.get(f"{URL}/templates", params={"limit": 1})).json()
    following = await viewer.get(f"{URL}/templates", params={"limit": 1, "cursor": first["next_cursor"]})
    assert [one["name"] for one in following.json()["items"]] == ["otp"]
    assert [one["name"] for one in (await viewer.get(f"{URL}/templates", params={"search": "by"})).json()["items"]] == [
        "bye"
    ]
    for taken in ({"name": "otp", "header": "NEWONE"}, {"name": "new", "header": "TSKFLW"}):
        answer = await marketer.post(f"{URL}/templates", json=OTP | taken)
        assert (answer.status_code, answer.json()["code"]) == (409, "sms_template_taken")
    assert (await marketer.delete(path)).status_code == 204
    for client, verb in ((viewer, "GET"), (marketer, "DELETE")):
        assert (await client.request(verb, path)).json()["code"] == "sms_template_not_found"
    rows = (await admin.get("/api/v1/audit-log", params={"target_id": otp["sms_template_id"]})).json()["items"]
    assert [row["action"] for row in rows] == ["sms_template.delete", "sms_template.create"]
    assert second["header"] == "OTHERS"


async def test_a_repeated_request_makes_one_template(marketer: httpx.AsyncClient) -> None:
    answers = [
        await marketer.post(f"{URL}/templates", json=OTP, headers={"Idempotency-Key": "one"}) for _ in range(2)
    ]  # fmt: skip
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "With Capitals"}, {"template_id": "12"}, {"template_id": "1107; DROP"}, {"entity_id": ""},
        {"header": "TOOLONG"}, {"header": "AB"}, {"header": "A\nBC"}, {"category": "spam"}, {"body": ""},
        {"provider_template_id": "x"}, {"more": 1},
    ],
    ids=repr,
)  # fmt: skip
async def test_a_template_that_no_operator_would_register_is_refused(
    marketer: httpx.AsyncClient, wrong: dict[str, Any]
) -> None:
    assert (await marketer.post(f"{URL}/templates", json=OTP | wrong)).status_code == 422
