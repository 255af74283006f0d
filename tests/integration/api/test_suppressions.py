"""Suppressions over HTTP: added once, found, checked, lifted, taken in from files of others and given out again."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.api import Api
from support.contacts import add_list
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.identity.models import Role

URL = "/api/v1/suppressions"


@pytest.fixture
async def marketer(api: Api) -> Any:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


async def upload(client: httpx.AsyncClient, content: bytes, **form: str) -> dict[str, Any]:
    answer = await client.post(f"{URL}/import", files={"file": ("list.csv", content, "text/csv")}, data=form)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_address_is_suppressed_once_and_may_be_let_in_again(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    answer = await marketer.post(URL, json={"address": " Ada@Example.COM ", "note": "asked by phone"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["address"], made["reason"], made["source"], made["note"]) == (
        "ada@example.com", "manual", "api", "asked by phone",
    )  # fmt: skip
    again = (await marketer.post(URL, json={"address": "ADA@example.com", "reason": "complained"})).json()
    assert again == made
    assert (await viewer.get(f"{URL}/{made['suppression_id']}")).json() == made
    assert (await marketer.delete(f"{URL}/{made['suppression_id']}")).status_code == 204
    assert (await viewer.get(f"{URL}/{made['suppression_id']}")).json()["code"] == "suppression_not_found"


async def test_who_has_unsubscribed_is_still_suppressed_for_a_complaint_and_each_is_lifted_alone(
    marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    async def reasons() -> list[str]:
        found = (await viewer.get(f"{URL}/check", params={"address": "ada@example.com"})).json()
        return [one["reason"] for one in found["suppressions"]]

    await marketer.post(URL, json={"address": "ada@example.com", "reason": "unsubscribed"})
    answer = await marketer.post(URL, json={"address": "ada@example.com", "reason": "complained"})
    assert answer.json()["reason"] == "complained"
    again = (await marketer.post(URL, json={"address": "ada@example.com", "reason": "bounced"})).json()
    assert again == answer.json(), "one of them is enough"
    assert await reasons() == ["unsubscribed", "complained"]
    await marketer.delete(f"{URL}/{again['suppression_id']}")
    assert await reasons() == ["unsubscribed"]
    files = {"file": ("bounces.csv", b"ada@example.com\nbob@example.com\n")}
    report = (await marketer.post(f"{URL}/import", data={"reason": "bounced"}, files=files)).json()
    assert (report["added"], report["known"]) == (2, 0)
    assert await reasons() == ["unsubscribed", "bounced"]


async def test_an_address_is_checked_with_its_domain_its_lists_and_erasures(
    api: Api, marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    newsletter = await add_list(api.database, "Newsletter")

    async def check(address: str) -> tuple[bool, list[str]]:
        found = (await viewer.get(f"{URL}/check", params={"address": address})).json()
        return found["suppressed"], [one["address"][:16] for one in found["suppressions"]]

    await marketer.post(URL, json={"address": "ada@example.com", "list_id": str(newsletter)})
    assert await check("ada@example.com") == (False, ["ada@example.com"])
    await marketer.post(URL, json={"address": "@Example.com"})
    assert await check("Ada@example.com") == (True, ["ada@example.com", "@example.com"])
    assert await check("ada@sub.example.com") == (False, [])
    assert api.settings.secret_key is not None
    erased = ErasureKey(api.settings.secret_key).of("gone@example.org")
    await api.database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', $1, 'erased')", erased
    )
    assert await check("Gone@example.org") == (True, [erased[:16]])
    [row] = (await viewer.get(URL, params={"reason": "erased"})).json()["items"]
    refused = await marketer.delete(f"{URL}/{row['suppression_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "suppression_of_erased")


async def test_what_is_no_address_is_refused(marketer: httpx.AsyncClient) -> None:
    for body in (
        {"address": "ada"},
        {"address": "@"},
        {"address": "@localhost@x"},
        {"address": "hmac:0123"},
        {"address": "a@b\r\n.example"},
        {"address": "12", "channel": "sms"},
        {"address": "a@example.com", "reason": "erased"},
        {"address": "a@example.com", "list_id": str(uuid4())},
    ):
        answer = await marketer.post(URL, json=body)
        assert answer.status_code == 422, body
    made = await marketer.post(URL, json={"address": "+49 171 1234567", "channel": "sms"})
    assert made.json()["address"] == "+491711234567"


async def test_lists_of_others_are_taken_in(api: Api, marketer: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    bare = b"ada@example.com\r\nADA@example.com\r\n@bad.example\r\nnot an address\r\n"
    report = await upload(marketer, bare)
    assert {name: report[name] for name in ("rows", "added", "known", "rejected")} == {
        "rows": 4, "added": 2, "known": 1, "rejected": 1,
    }  # fmt: skip
    assert (report["rejections"][0]["row_number"], report["rejections"][0]["raw"]) == (4, "not an address")
    latin = "Name;E-Mail;Grund\r\nMüller;müller.b@example.com;alt\r\nBär;baer@example.com;\r\n".encode("cp1252")
    newsletter = await add_list(api.database, "Newsletter")
    report = await upload(marketer, latin, list_id=str(newsletter), reason="unsubscribed")
    assert (report["rows"], report["added"] + report["rejected"]) == (2, 2)
    items = (await viewer.get(URL, params={"list_id": str(newsletter)})).json()["items"]
    assert {item["reason"] for item in items} == {"unsubscribed"}
    phones = await upload(marketer, b"phone\n+49 171 1234567\n", channel="sms")
    assert phones["added"] == 1
    for content, code in ((b"", "csv_empty"), (b"a,b\nc,d\n", "csv_no_address_column")):
        answer = await marketer.post(f"{URL}/import", files={"file": ("x.csv", content, "text/csv")})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    nothing = await marketer.post(f"{URL}/import", files={"other": ("x.csv", b"a@example.com", "text/csv")})
    assert (nothing.status_code, nothing.json()["code"]) == (422, "no_file")
    wrong = await marketer.post(f"{URL}/import", files={"file": ("x.csv", b"a@b.example")}, data={"reason": "erased"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_input")


async def test_what_is_given_out_can_be_taken_in_again(api: Api, marketer: httpx.AsyncClient) -> None:
    given = {"@bad.example", "=x@example.com", "+y@example.com", "ada@example.com"}
    for address in given:
        assert (await marketer.post(URL, json={"address": address})).status_code == 201
    await api.database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason) VALUES ('email', 'hmac:00', 'erased')"
    )
    file = (await marketer.get(f"{URL}/export.csv")).content
    assert b"hmac:" not in file
    assert b'"\'=x@example.com"' in file  # no spreadsheet calculates it
    await api.database.pool.execute("DELETE FROM suppressions")
    report = await upload(marketer, file)
    assert (report["added"], report["rejected"]) == (4, 0)
    assert {row[0] for row in await api.database.pool.fetch("SELECT address FROM suppressions")} == given
