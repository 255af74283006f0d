"""Providers over HTTP: secrets go in and never come out, roles, merging, testing, kinds."""

from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from support.api import Api
from support.mail_apis import KEY, SendGrid
from support.receiver import plain, receiving
from taskflow.base.ids import uuid7
from taskflow.settings import Settings

URL = "/api/v1/providers"
SES = {
    "name": "ses-ireland", "kind": "ses", "settings": {"region": "eu-west-1", "access_key_id": "AKIA1"},
    "secrets": {"secret_access_key": KEY},
}  # fmt: skip
GMAIL = {"name": "gmail", "kind": "gmail", "settings": {"username": "me@gmail.com"}, "secrets": {"password": KEY}}


async def made(admin: httpx.AsyncClient, body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    answer = await admin.post(URL, json=body | changes)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_a_provider_has_its_kinds_priority_and_budgets_unless_told_otherwise(admin: httpx.AsyncClient) -> None:
    ses, gmail = await made(admin, SES), await made(admin, GMAIL)
    assert (ses["channel"], ses["priority"], ses["per_day"], ses["secrets_set"]) == (
        "email",
        1,
        None,
        ["secret_access_key"],
    )
    assert (gmail["priority"], gmail["per_day"]) == (2, 500)
    workspace = await made(admin, GMAIL, name="workspace", settings={"username": "me@example.org"}, per_minute=9)
    assert (workspace["per_day"], workspace["per_minute"]) == (2000, 9)
    assert (await admin.delete(f"{URL}/{workspace['provider_id']}")).status_code == 204
    warm_up = [50, 100, 500]
    told = {"priority": 7, "per_day": None, "per_second": 3, "classes": ["bulk"], "domains": ["Example.ORG"]}
    other = await made(admin, GMAIL, name="other", warm_up=warm_up, **told)
    assert {name: other[name] for name in told} == told | {"domains": ["example.org"]}
    assert other["warm_up"] == warm_up
    preferences = [{"message_class": "bulk", "domain": "news.example.org", "priority": 2, "weight": None}]
    path = f"{URL}/{other['provider_id']}"
    assert (await admin.patch(path, json={"preferences": preferences})).json()["preferences"] == preferences
    [route] = [one for one in (await admin.get("/api/v1/routes")).json()["items"] if one["name"] == "other"]
    assert route["preferences"] == preferences
    for change in ({"classes": ["transactional"]}, {"domains": ["example.com"]}):  # the preference would never hold
        refused = await admin.patch(path, json=change)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_provider_settings")
    assert [row["name"] for row in (await admin.get(URL)).json()["items"]] == ["ses-ireland", "gmail", "other"]
    assert (await admin.get(URL, params={"channel": "sms"})).json()["items"] == []


async def test_no_answer_row_or_audit_entry_holds_a_secret(api: Api, admin: httpx.AsyncClient) -> None:
    new = await made(admin, SES)
    path = f"{URL}/{new['provider_id']}"
    answers = [
        await admin.get(path),
        await admin.get(URL),
        await admin.patch(path, json={"secrets": {"secret_access_key": f"{KEY}-2"}}),
        await admin.post(URL, json=SES),  # the name is taken
        await admin.post(URL, json=SES | {"name": "Not A Name"}),
        await admin.post(URL, json=SES | {"name": "x", "secrets": {"api_key": KEY}}),
        await admin.post(URL, json=SES | {"name": "x", "settings": SES["settings"] | {"secret_access_key": KEY}}),
        await admin.post(URL, json=SES | {"name": "x", "secrets": {"secret_access_key": f"{KEY}\r\n"}}),
        await admin.post(URL, json=SES | {"name": "x", "secrets": {"secret_access_key": [KEY]}}),
        await admin.post(URL, json=SES | {"name": "x", "secrets": KEY}),
        await admin.post(f"{path}/test"),
        await admin.post(f"{URL}/rotate-secrets"),
        await admin.delete(path, params={"last": True}),
        await admin.get("/api/v1/audit-log"),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 409, *[422] * 6, 200, 200, 204, 200]
    assert not any(KEY in answer.text for answer in answers)
    rows = await api.database.pool.fetch("SELECT a::text FROM audit_log a UNION ALL SELECT p::text FROM providers p")
    assert KEY not in str(rows)
    actions = {entry["action"] for entry in answers[-1].json()["items"]}
    assert {
        "provider.create",
        "provider.update",
        "provider.test",
        "provider.rotate_secrets",
        "provider.delete",
    } <= actions


async def test_settings_and_secrets_are_merged_and_a_null_goes_back_to_the_default(admin: httpx.AsyncClient) -> None:
    smtp = {"name": "relay", "kind": "smtp", "settings": {"host": "a.example.org", "username": "u", "port": 25}}
    new = await made(admin, smtp, secrets={"password": KEY})
    path = f"{URL}/{new['provider_id']}"
    changed = (await admin.patch(path, json={"settings": {"host": "b.example.org", "port": None}, "weight": 3})).json()
    assert changed["settings"] == {"host": "b.example.org", "username": "u"}
    assert (changed["secrets_set"], changed["weight"]) == (["password"], 3)
    changed = (await admin.patch(path, json={"secrets": {"password": None}, "settings": {"username": None}})).json()
    assert (changed["secrets_set"], changed["settings"]) == ([], {"host": "b.example.org"})
    answer = await admin.patch(path, json={"settings": {"host": None}})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_provider_settings")
    renamed = (await admin.patch(path, json={"name": "relay-2", "enabled": False, "per_minute": 60})).json()
    assert (renamed["name"], renamed["enabled"], renamed["per_minute"]) == ("relay-2", False, 60)
    assert (await admin.patch(path, json={"per_minute": None})).json()["per_minute"] is None
    answer = await admin.delete(path)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_provider")
    assert (await admin.delete(path, params={"last": True})).status_code == 204
    for answer in (await admin.get(path), await admin.patch(path, json={}), await admin.post(f"{path}/test")):
        assert (answer.status_code, answer.json()["code"]) == (404, "provider_not_found")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "fax"}, "unknown_provider_kind"),
        ({"name": "UPPER"}, "invalid_input"),
        ({"name": "x" * 51}, "invalid_input"),
        ({"settings": {}}, "invalid_provider_settings"),
        ({"secrets": {}}, "invalid_provider_settings"),
        ({"settings": {"region": "eu-west-1", "access_key_id": "A\x00"}}, "invalid_provider_settings"),
        ({"priority": 0}, "invalid_input"),
        ({"per_day": 2**31}, "invalid_input"),
        ({"classes": ["spam"]}, "invalid_input"),
        ({"domains": ["not a domain"]}, "invalid_input"),
        ({"warm_up": [0]}, "invalid_input"),
        ({"colour": "red"}, "invalid_input"),
        ({"preferences": [{"priority": 1}]}, "invalid_input"),
        ({"preferences": [{"message_class": "bulk"}]}, "invalid_input"),
        (
            {"preferences": [{"domain": "a.example", "priority": 1}, {"domain": "A.example", "weight": 2}]},
            "invalid_input",
        ),
        (
            {
                "kind": "sms-sandbox",
                "settings": {},
                "secrets": {},
                "preferences": [{"domain": "a.example", "priority": 1}],
            },
            "invalid_provider_settings",
        ),
        ({"price": 0.1}, "invalid_provider_settings"),
        ({"currency": "USD"}, "invalid_provider_settings"),
        ({"price": -1, "currency": "USD"}, "invalid_input"),
        ({"price": 1, "currency": "dollars"}, "invalid_input"),
    ],
)
async def test_what_does_not_fit_is_told(admin: httpx.AsyncClient, change: dict[str, Any], code: str) -> None:
    answer = await admin.post(URL, json=SES | change)
    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_price_comes_and_goes_with_its_currency(admin: httpx.AsyncClient) -> None:
    ses = await made(admin, SES, price=0.0001, currency="USD")
    assert (ses["price"], ses["currency"]) == (0.0001, "USD")
    path = f"{URL}/{ses['provider_id']}"
    assert (await admin.patch(path, json={"price": 0.2})).json()["price"] == 0.2
    half = await admin.patch(path, json={"price": None})
    assert (half.status_code, half.json()["code"]) == (422, "invalid_provider_settings")
    gone = (await admin.patch(path, json={"price": None, "currency": None})).json()
    assert (gone["price"], gone["currency"]) == (None, None)
    refused = await admin.patch(path, json={"prices": {"+91": 0.002}, "currency": "USD"})
    assert "of texts" in refused.json()["detail"]


@pytest.fixture
def _loopback_is_allowed(settings: Settings) -> None:
    settings.provider.allow_networks = [ip_network("127.0.0.0/8")]


@pytest.mark.usefixtures("_loopback_is_allowed")
async def test_a_test_of_the_connection_is_one_sentence_either_way(admin: httpx.AsyncClient) -> None:
    sendgrid = {"name": "sg", "kind": "sendgrid", "secrets": {"api_key": KEY}}
    async with receiving() as server:
        server.answer = SendGrid()
        path = f"{URL}/{(await made(admin, sendgrid, settings={'endpoint': server.url}))['provider_id']}/test"
        told = (await admin.post(path)).json()
        found = "Signed in to SendGrid: the key may send mail."
        assert told == {"works": True, "found": found, "suggested_budgets": {}}
        server.answer = lambda message: plain(401, body=f"what is {message.headers['authorization']}?".encode())
        told = (await admin.post(path)).json()
        assert (told["works"], KEY in told["found"], "[redacted]" in told["found"]) == (False, False, True)
    told = (await admin.post(path)).json()
    assert (told["works"], "cannot be reached" in told["found"]) == (False, True)


async def test_a_provider_inside_the_house_is_not_reached(admin: httpx.AsyncClient) -> None:
    sendgrid = {"name": "sg", "kind": "sendgrid", "secrets": {"api_key": KEY}}
    async with receiving() as server:
        path = f"{URL}/{(await made(admin, sendgrid, settings={'endpoint': server.url}))['provider_id']}/test"
        told = (await admin.post(path)).json()
        assert told["works"] is False
        assert "TASKFLOW_PROVIDER_ALLOW_NETWORKS" in told["found"]
        assert server.connections == 0


async def test_operators_look_and_test_only_administrators_change(
    admin: httpx.AsyncClient, operator: httpx.AsyncClient, marketer: httpx.AsyncClient
) -> None:
    path = f"{URL}/{(await made(admin, SES))['provider_id']}"
    for allowed in (await operator.get(URL), await operator.get(path), await operator.get("/api/v1/provider-kinds")):
        assert allowed.status_code == 200
    for refused in (
        await operator.post(URL, json=GMAIL),
        await operator.patch(path, json={"enabled": False}),
        await operator.delete(path),
        await operator.post(f"{URL}/rotate-secrets"),
        await marketer.get(URL),
        await marketer.get(path),
        await marketer.get("/api/v1/provider-kinds"),
        await marketer.post(f"{path}/test"),
    ):
        assert refused.status_code == 403


async def test_kinds_tell_their_fields(operator: httpx.AsyncClient) -> None:
    told = (await operator.get("/api/v1/provider-kinds")).json()
    kinds = {kind["name"]: kind for kind in told["items"]}
    assert {"smtp", "gmail", "ses", "sendgrid", "mailgun", "postmark", "http", "sandbox"} <= kinds.keys()
    assert (kinds["ses"]["priority"], kinds["gmail"]["priority"], kinds["gmail"]["budgets"]) == (
        1,
        2,
        {"per_day": 2000},
    )
    fields = {field["name"]: field for field in kinds["smtp"]["fields"]}
    assert (fields["host"]["is_required"], fields["password"]["is_secret"]) == (True, True)
    assert fields["security"]["choices"] == ["starttls", "tls", "none"]
    assert told["broken_plugins"] == []


async def test_an_id_of_nothing_is_not_found(admin: httpx.AsyncClient) -> None:
    assert (await admin.get(f"{URL}/{uuid7()}")).status_code == 404
