"""Sending domains over HTTP: who may, what is answered, and that no private key ever is."""

from collections.abc import AsyncIterator

import httpx
import pytest

from support.api import Api
from support.dns_server import DnsServer
from taskflow.base.ids import uuid7
from taskflow.delivery.return_paths import ReturnPaths
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

DOMAINS = "/api/v1/domains"


@pytest.fixture
async def zone(api: Api, settings: Settings) -> AsyncIterator[DnsServer]:
    async with DnsServer() as server:
        settings.domain.nameservers = [server.address]
        settings.domain.dns_timeout = 1.0
        yield server


async def test_a_domain_is_added_checked_rotated_and_removed(
    admin: httpx.AsyncClient, marketer: httpx.AsyncClient, viewer: httpx.AsyncClient, zone: DnsServer
) -> None:
    answer = await admin.post(DOMAINS, json={"domain": "Example.ORG", "return_path_domain": "bounces.example.org"})
    assert answer.status_code == 201, answer.text
    added = answer.json()
    assert (added["domain"], added["return_path_domain"], added["status"]) == (
        "example.org", "bounces.example.org", None,
    )  # fmt: skip
    assert {key["state"] for key in added["keys"]} == {"next"}
    path = f"{DOMAINS}/example.org"
    answer = await admin.post(f"{path}/rotate")
    assert (answer.status_code, answer.json()["code"]) == (409, "dkim_not_published")
    for record in added["records"]:
        zone.add_line(record["line"])
    checked = (await marketer.post(f"{path}/check")).json()
    assert {key["state"] for key in checked["keys"]} == {"active"}
    assert checked["status"] == "fail"  # no MX, for one
    assert {finding["status"] for finding in checked["findings"] if finding["check"] == "dkim"} == {"ok"}
    rotated = (await admin.post(f"{path}/rotate")).json()
    assert sorted(key["state"] for key in rotated["keys"]) == ["active", "active", "next", "next"]
    forced = (await admin.post(f"{path}/rotate", json={"force": True})).json()
    assert sorted(key["state"] for key in forced["keys"]) == ["active", "active", "retired", "retired"]
    shown = (await viewer.get(path)).json()
    assert shown["gmail"] == {
        "primary_domain": "example.org", "last_day": 0, "most_in_a_day": 0, "bulk_at": 5000, "bulk_since": None,
    }  # fmt: skip
    assert shown["findings"] == checked["findings"]
    changed = (await admin.patch(path, json={"return_path_domain": None})).json()
    assert changed["return_path_domain"] is None
    assert (await admin.delete(path)).status_code == 204
    assert (await viewer.get(path)).json()["code"] == "domain_not_found"


async def test_domains_are_listed_by_name_page_by_page(admin: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    for name in ("c.example", "a.example", "b.example"):
        assert (await admin.post(DOMAINS, json={"domain": name})).status_code == 201
    first = (await viewer.get(DOMAINS, params={"limit": 2})).json()
    assert [item["domain"] for item in first["items"]] == ["a.example", "b.example"]
    second = (await viewer.get(DOMAINS, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert ([item["domain"] for item in second["items"]], second["next_cursor"]) == (["c.example"], None)


@pytest.mark.parametrize(
    "body",
    [{}, {"domain": ""}, {"domain": "com"}, {"domain": "a b.org"}, {"domain": "x\u0000.org"}, {"domain": "a@b.org"},
     {"domain": 7}, {"domain": "a.example", "return_path_domain": "co.uk"}, {"domain": "a.example", "more": 1}],
)  # fmt: skip
async def test_what_is_no_domain_is_refused(admin: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await admin.post(DOMAINS, json=body)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("name", ["nobody.example", "%00", "..%2f..", "a" * 300, "co.uk", "%F0%9F%98%80"])
async def test_a_domain_that_is_not_there_is_a_clear_answer(admin: httpx.AsyncClient, name: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/check"), ("POST", "/rotate")):
        answer = await admin.request(method, f"{DOMAINS}/{name}{path}")
        assert answer.status_code in (404, 422), (method, answer.text)


async def test_a_second_one_of_the_same_name_is_a_conflict(admin: httpx.AsyncClient) -> None:
    assert (await admin.post(DOMAINS, json={"domain": "example.org"})).status_code == 201
    answer = await admin.post(DOMAINS, json={"domain": "EXAMPLE.org"})
    assert (answer.status_code, answer.json()["code"]) == (409, "domain_exists")


async def test_a_return_path_leads_to_its_message_and_one_that_is_not_ours_to_nothing(
    viewer: httpx.AsyncClient, settings: Settings
) -> None:
    message_id = uuid7()
    path = ReturnPaths(signing_key(settings).get_secret_value().encode(), "bounces.example.org").of(message_id)
    answer = await viewer.get(f"/api/v1/return-paths/{path}")
    assert answer.json() == {"campaign_id": None, "message_id": str(message_id), "email": None, "status": None}
    for hostile in (path.replace("b+", "b+a"), "a@example.org", "%00", "b+" + "a" * 26 + "-aaaaaaaa@x.org"):
        answer = await viewer.get(f"/api/v1/return-paths/{hostile}")
        assert (answer.status_code, answer.json()["code"]) == (404, "invalid_signature")


async def test_only_administrators_change_domains(
    admin: httpx.AsyncClient, marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    assert (await admin.post(DOMAINS, json={"domain": "example.org"})).status_code == 201
    assert (await marketer.post(DOMAINS, json={"domain": "example.net"})).status_code == 403
    assert (await marketer.post(f"{DOMAINS}/example.org/rotate", json={"force": True})).status_code == 403
    assert (await marketer.delete(f"{DOMAINS}/example.org")).status_code == 403
    assert (await viewer.post(f"{DOMAINS}/example.org/check")).status_code == 403


async def test_no_answer_holds_a_private_key(admin: httpx.AsyncClient, api: Api) -> None:
    answer = await admin.post(DOMAINS, json={"domain": "example.org"})
    assert "private" not in answer.text.lower()
    rows = await api.database.pool.fetch("SELECT private_key FROM dkim_keys")
    assert len(rows) == 2
    assert not any(row["private_key"].hex() in answer.text for row in rows)
