# ruff: noqa: RUF001 - characters that look like others are what this is about
"""What providers post: believed when it is theirs, heeded once and in its order; refused without a word otherwise."""

import asyncio
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID

import httpx
import pytest
from pydantic import SecretStr

from support.api import Api
from support.contacts import add_contact
from support.receiver import Receiver
from support.text_providers import ACCOUNT, add_provider
from taskflow.base.signing import sign
from taskflow.delivery.providers.sms.twilio.hooks import signature_of
from taskflow.delivery.sms.inbound.hooks import SmsHooks
from taskflow.delivery.sms.inbound.keywords import normalise
from taskflow.identity.models import Role

URL = "/api/v1/sms"
STOP = {"keyword": "stop", "action": "stop"}
TOKEN = "twilio's token"
ANN, BOB = "+491711234567", "+491711234568"
PUBLIC = "https://mail.example.com"


@pytest.fixture(autouse=True)
def _known(api: Api) -> None:
    api.settings.sms.twilio_auth_tokens = [SecretStr("an older one"), SecretStr(TOKEN)]
    api.settings.http.public_url = PUBLIC


@pytest.fixture
def bulksms(api: Api) -> str:
    """The path that BulkSMS was told."""
    return urlsplit(SmsHooks(api.settings).addresses()["bulksms"]).path


async def twilio(api: Api, query: str = "", *, token: str = TOKEN, **form: str) -> httpx.Response:
    path = "/hooks/sms/twilio" + query
    headers = {
        "X-Twilio-Signature": signature_of(token, PUBLIC + path, list(form.items())),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    return await api.anonymous.post(path, content=urlencode(form), headers=headers)


async def test_twilio_is_believed_under_the_token_of_a_provider(api: Api) -> None:
    api.settings.sms.twilio_auth_tokens = []
    form = {"MessageSid": "SM1", "From": ANN, "Body": "STOP", "SmsStatus": "received"}
    async with await api.as_role(Role.ADMIN) as admin:

        async def ready() -> bool:
            hooks = (await admin.get(f"{URL}/hooks")).json()
            return next(hook["is_ready"] for hook in hooks if hook["kind"] == "twilio")

        assert not await ready()
        assert (await twilio(api, **form)).status_code == 403
        keyed = {"account_sid": ACCOUNT, "api_key_sid": "SK" + "0" * 32}
        await add_provider(admin, "twilio", Receiver(), name="keyed", settings=keyed)
        assert (await twilio(api, token="the token", **form)).status_code == 403, "an API key's secret signs nothing"
        assert not await ready()
        await add_provider(admin, "twilio", Receiver())
        assert await ready()
        assert (await twilio(api, token="the token", **form)).status_code == 204
        assert (await twilio(api, token="another", **form)).status_code == 403
        assert [one["action"] for one in (await admin.get(f"{URL}/replies")).json()["items"]] == ["stop"]


async def says(api: Api, words: str, reference: str, sender: str = ANN) -> httpx.Response:
    """Let somebody send a text."""
    return await twilio(api, MessageSid=reference, From=sender, To="+4930123456", Body=words, SmsStatus="received")


def received(reference: str, words: str, at: str, sender: str = ANN) -> dict[str, Any]:
    return {
        "id": reference, "type": "RECEIVED", "from": sender.lstrip("+"), "to": "4930123456", "body": words,
        "submission": {"id": "0", "date": at},
    }  # fmt: skip


def report(reference: str, kind: str, subtype: str | None = None, to: str = ANN) -> dict[str, Any]:
    return {
        "id": reference, "type": "SENT", "to": to.lstrip("+"), "body": "Hello",
        "status": {"id": f"{kind}.{subtype or 'null'}", "type": kind, "subtype": subtype},
    }  # fmt: skip


async def is_suppressed(client: httpx.AsyncClient, number: str = ANN) -> bool:
    answer = await client.get("/api/v1/suppressions/check", params={"channel": "sms", "address": number})
    found: bool = answer.json()["suppressed"]
    return found


async def replies(client: httpx.AsyncClient, **filters: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get(f"{URL}/replies", params=filters)).json()["items"]
    return found


async def test_stop_stops_and_start_starts_again(api: Api, viewer: httpx.AsyncClient) -> None:
    assert (await says(api, "Stop.", "SM1")).status_code == 204
    assert await is_suppressed(viewer)
    [row] = (await viewer.get("/api/v1/suppressions", params={"channel": "sms"})).json()["items"]
    assert (row["address"], row["reason"], row["source"]) == (ANN, "unsubscribed", "sms")
    assert not await is_suppressed(viewer, BOB)
    assert (await says(api, "start", "SM2")).status_code == 204
    assert not await is_suppressed(viewer)
    assert [(one["sender"], one["action"], one["body"]) for one in await replies(viewer)] == [
        (ANN, "start", "start"), (ANN, "stop", "Stop."),
    ]  # fmt: skip


async def test_other_words_are_kept_and_change_nothing(api: Api, viewer: httpx.AsyncClient) -> None:
    await says(api, "Help", "SM1")
    await says(api, "Please do not stop", "SM2")
    assert not await is_suppressed(viewer)
    assert [one["action"] for one in await replies(viewer)] == [None, "help"]
    assert [one["body"] for one in await replies(viewer, action="help")] == ["Help"]
    assert await replies(viewer, sender=BOB) == []


async def test_the_history_of_a_known_person_says_what_they_wrote(api: Api, viewer: httpx.AsyncClient) -> None:
    contact_id = await add_contact(api.database, "ann@example.com", phone=ANN)
    await says(api, "STOPP", "SM1")
    await says(api, "ANMELDEN", "SM2")
    items = (await viewer.get(f"/api/v1/contacts/{contact_id}/consents")).json()["items"]
    assert [(one["action"], one["channel"], one["source"], one["wording"]) for one in items] == [
        ("granted", "sms", "sms", "ANMELDEN"), ("withdrawn", "sms", "sms", "STOPP"),
    ]  # fmt: skip
    assert {UUID(one["contact_id"]) for one in await replies(viewer)} == {contact_id}
    assert (await viewer.get(f"/api/v1/contacts/{contact_id}")).json()["status"] == "ACTIVE"  # mail is another matter


async def test_start_lifts_only_what_the_person_asked_for(
    api: Api, marketer: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    await marketer.post("/api/v1/suppressions", json={"channel": "sms", "address": ANN, "reason": "manual"})
    await says(api, "STOP", "SM1")
    await says(api, "START", "SM2")
    assert await is_suppressed(viewer)


async def test_a_text_that_is_told_twice_counts_once(api: Api, viewer: httpx.AsyncClient) -> None:
    await says(api, "STOP", "SM1")
    await says(api, "START", "SM2")
    assert (await says(api, "STOP", "SM1")).status_code == 204
    assert not await is_suppressed(viewer)
    assert len(await replies(viewer)) == 2


async def test_the_order_of_writing_counts_not_that_of_telling(
    api: Api, viewer: httpx.AsyncClient, bulksms: str
) -> None:
    later = received("8", "START", "2026-01-31T10:00:05Z")
    earlier = received("7", "STOP", "2026-01-31T10:00:00Z")
    for message in (later, earlier):
        assert (await api.anonymous.post(bulksms, json=[message])).status_code == 204
    assert not await is_suppressed(viewer)
    await api.anonymous.post(bulksms, json=[received("9", "STOP", "2026-01-31T10:00:09Z")])
    assert await is_suppressed(viewer)


async def test_a_clock_that_runs_ahead_does_not_silence_a_later_stop(
    api: Api, viewer: httpx.AsyncClient, bulksms: str
) -> None:
    await api.anonymous.post(bulksms, json=[received("7", "START", "2099-01-01T00:00:00Z")])
    await says(api, "STOP", "SM1")
    assert await is_suppressed(viewer)


async def test_many_at_once_from_one_number_end_as_the_last_one_says(
    api: Api, viewer: httpx.AsyncClient, bulksms: str
) -> None:
    await add_contact(api.database, "ann@example.com", phone=ANN)
    words = [received(str(n), "STOP" if n % 2 else "START", f"2026-01-31T10:00:{n:02}Z") for n in range(20)]
    shuffled = [words[n * 7 % 20] for n in range(20)] * 2
    answers = await asyncio.gather(*(api.anonymous.post(bulksms, json=[one]) for one in shuffled))
    assert {answer.status_code for answer in answers} == {204}
    assert await is_suppressed(viewer)  # the nineteenth stops
    assert len(await replies(viewer, limit="100")) == 20


async def test_reports_are_kept_and_the_first_end_stays(api: Api, viewer: httpx.AsyncClient, bulksms: str) -> None:
    told = [
        report("1", "DELIVERED"), report("1", "SENT"), report("1", "DELIVERED"), report("1", "FAILED", "EXPIRED"),
        report("2", "SENT"), report("3", "FAILED", "HANDSET_ERROR"), report("3", "ACCEPTED"),
    ]  # fmt: skip
    assert (await api.anonymous.post(bulksms, json=told)).status_code == 204
    standings = [(await viewer.get(f"{URL}/standings/bulksms/{number}")).json() for number in "123"]
    assert [(one["status"], one["cause"]) for one in standings] == [
        ("delivered", None), ("sent", None), ("failed", "mailbox_full"),
    ]  # fmt: skip
    for unknown in ("bulksms/4", "twilio/1", "bulksms/%00"):
        assert (await viewer.get(f"{URL}/standings/{unknown}")).json()["code"] == "no_sms_report"
    items = (await viewer.get(f"{URL}/reports", params={"provider_id": "1"})).json()["items"]
    assert [one["status"] for one in items] == ["failed", "sent", "delivered"]
    failed = (await viewer.get(f"{URL}/reports", params={"status": "failed"})).json()["items"]
    assert {(one["provider_id"], one["recipient"]) for one in failed} == {("1", ANN), ("3", ANN)}
    assert not await is_suppressed(viewer)


@pytest.mark.parametrize(
    ("code", "reason"), [("30005", "bounced"), ("21610", "unsubscribed"), ("30007", None), ("30004", None)]
)
async def test_a_number_that_is_none_or_wants_nothing_is_written_to_no_more(
    api: Api, viewer: httpx.AsyncClient, code: str, reason: str | None
) -> None:
    for _ in range(2):
        await twilio(api, MessageSid="SM1", MessageStatus="undelivered", ErrorCode=code, To=ANN)
    rows = (await viewer.get("/api/v1/suppressions", params={"channel": "sms"})).json()["items"]
    assert [(row["address"], row["reason"], row["source"]) for row in rows] == (
        [(ANN, reason, "report")] if reason else []
    )


async def test_fast2sms_tells_of_numbers_as_india_writes_them(api: Api, viewer: httpx.AsyncClient) -> None:
    path = urlsplit(SmsHooks(api.settings).addresses()["fast2sms"]).path
    told = {"request_id": "abc", "number": "9876543210", "status": "Failed", "reason": "DND number"}
    assert (await api.anonymous.post(path, json=told)).status_code == 204
    assert await is_suppressed(viewer, "+919876543210")


# -- whom we believe


async def test_whoever_is_not_the_provider_hears_nothing_and_changes_nothing(
    api: Api, viewer: httpx.AsyncClient, bulksms: str
) -> None:
    form = {"MessageSid": "SM1", "From": ANN, "Body": "STOP"}
    signature = signature_of(TOKEN, f"{PUBLIC}/hooks/sms/twilio", list(form.items()))
    good = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    secret = api.settings.secret_key
    assert secret is not None
    key = secret.get_secret_value().encode()
    foreign = sign(b"another secret key of 32 letters", "sms-hook", b"bulksms")
    other = sign(key, "unsubscribe", b"bulksms")
    calls: list[tuple[str, str, dict[str, str]]] = [
        ("/hooks/sms/twilio", urlencode(form), good | {"X-Twilio-Signature": "x"}),
        ("/hooks/sms/twilio", urlencode(form), {}),
        ("/hooks/sms/twilio", urlencode(form | {"Body": "START"}), good),
        ("/hooks/sms/twilio", urlencode(form) + "&a=b", good),
        ("/hooks/sms/twilio?a=b", urlencode(form), good),
        ("/hooks/sms/twilio", "", good),
        ("/hooks/sms/twilio", "%ff=%ff", good),
        ("/hooks/sms/Twilio", urlencode(form), good),
        ("/hooks/sms/bulksms", "[]", {}),
        ("/hooks/sms/" + bulksms.rpartition("/")[2][:-1], "[]", {}),
        ("/hooks/sms/" + bulksms.rpartition("/")[2][:-2] + "AA", "[]", {}),
        (f"/hooks/sms/{foreign}", "[]", {}),
        (f"/hooks/sms/{other}", "[]", {}),
        ("/hooks/sms/%00", "[]", {}),
        ("/hooks/sms/..%2f..", "[]", {}),
        ("/hooks/sms/" + "A" * 4_000, "[]", {}),
    ]
    bodies = set()
    for path, body, headers in calls:
        answer = await api.anonymous.post(path, content=body, headers=headers)
        if answer.status_code == 404:  # no such path at all
            assert "%2f" in path
            continue
        assert answer.status_code == 403, path
        problem = answer.json()
        problem.pop("instance", None), problem.pop("request_id", None)
        bodies.add(str(sorted(problem.items())))
    assert len(bodies) == 1
    assert not await is_suppressed(viewer)
    assert await replies(viewer) == []


async def test_an_address_for_providers_is_no_page(api: Api, bulksms: str) -> None:
    for path in (bulksms, "/hooks/sms/twilio"):
        answer = await api.anonymous.get(path)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert (await api.anonymous.get("/hooks/nothing")).status_code == 404


async def test_without_a_token_nobody_is_twilio(api: Api) -> None:
    api.settings.sms.twilio_auth_tokens = []
    assert (await twilio(api, MessageSid="SM1", From=ANN, Body="STOP", token="")).status_code == 403


async def test_a_query_is_part_of_what_twilio_signs(api: Api) -> None:
    assert (await twilio(api, "?campaign=1&x=%20", MessageSid="SM1", From=ANN, Body="hi")).status_code == 204


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"null", b"[1, [], {}]", b'[{"id": {}}]', b"\xff\xfe", b'{"id": "\\ud800"}']
)
async def test_what_makes_no_sense_is_taken_and_left(
    api: Api, viewer: httpx.AsyncClient, bulksms: str, body: bytes
) -> None:
    assert (await api.anonymous.post(bulksms, content=body)).status_code == 204
    assert await replies(viewer) == []


HOSTILE = [
    "STOP\x00", "' OR 1=1; --", "<script>alert(1)</script>", "\u202ePOTS", "{{7*7}}", "🛑" * 300, "%s%n", "\r\nSTOP: x",
    "x" * 4_000, "٠" * 50,
]  # fmt: skip


async def test_hostile_texts_and_senders_are_kept_as_they_are(
    api: Api, viewer: httpx.AsyncClient, bulksms: str
) -> None:
    told = [received(f"r{n}", words, "2026-01-31T10:00:00Z") for n, words in enumerate(HOSTILE)]
    told += [received(f"s{n}", "STOP", "2026-01-31T10:00:00Z", sender=words[:60]) for n, words in enumerate(HOSTILE)]
    assert (await api.anonymous.post(bulksms, json=told)).status_code == 204
    found = await replies(viewer, limit="100")
    assert len(found) == 2 * len(HOSTILE)
    assert {one["body"] for one in found} >= {words.replace("\x00", "").strip() for words in HOSTILE}
    rows = (await viewer.get("/api/v1/suppressions", params={"channel": "sms"})).json()["items"]
    assert [row["address"] for row in rows] == [ANN]  # the one that wrote STOP, with a NUL behind it


async def test_only_what_changes_something_leaves_an_audit_row_and_none_names_the_number(
    api: Api, admin: httpx.AsyncClient, bulksms: str
) -> None:
    await api.anonymous.post(bulksms, json=[])
    await api.anonymous.post(bulksms, json=[report("1", "DELIVERED")])
    await says(api, "hello", "SM1")
    await says(api, "STOP", "SM2")
    await says(api, "STOP", "SM3")
    rows = (await admin.get("/api/v1/audit-log", params={"action": "sms.told"})).json()["items"]
    assert [(row["actor"], row["target_id"]) for row in rows] == [("anonymous", "twilio")]
    assert rows[0]["detail"]["changes"][0]["action"] == "stop"
    assert ANN not in str(rows)


# -- what people may read and change


async def test_an_administrator_sees_the_addresses_and_nobody_else_does(
    api: Api, admin: httpx.AsyncClient, marketer: httpx.AsyncClient, bulksms: str
) -> None:
    found = {one["kind"]: one for one in (await admin.get(f"{URL}/hooks")).json()}
    assert found["bulksms"]["url"] == PUBLIC + bulksms
    url = f"{PUBLIC}/hooks/sms/twilio"
    assert found["twilio"] == {"kind": "twilio", "provider": None, "url": url, "is_ready": True}
    assert (await marketer.get(f"{URL}/hooks")).status_code == 403


async def test_keywords_are_replaced_together(api: Api, admin: httpx.AsyncClient, viewer: httpx.AsyncClient) -> None:
    before = (await viewer.get(f"{URL}/keywords")).json()
    assert len(before) > 30
    assert all(normalise(one["keyword"]) == one["keyword"] for one in before)
    assert {one["action"] for one in before} == {"stop", "start", "help"}
    wanted = [
        {"keyword": "Ne más!", "action": "stop", "language": "xx"},
        {"keyword": "SI", "action": "start", "language": "xx"},
    ]  # fmt: skip
    after = (await admin.put(f"{URL}/keywords", json=wanted)).json()
    assert [one["keyword"] for one in after] == ["si", "nemás"]
    both = await asyncio.gather(*(admin.put(f"{URL}/keywords", json=wanted) for _ in range(4)))
    assert {answer.status_code for answer in both} == {200}
    await says(api, "ne más", "SM1")
    assert await is_suppressed(viewer)
    await says(api, "stop", "SM2", sender=BOB)
    assert not await is_suppressed(viewer, BOB)


@pytest.mark.parametrize(
    "wanted",
    [
        [], [{"keyword": "go", "action": "start"}], [STOP, {"keyword": "STOP!", "action": "help"}],
        [STOP, {"keyword": "?!", "action": "help"}], [{"keyword": "", "action": "stop"}],
        [{"keyword": "stop", "action": "explode"}],
        [STOP, {"keyword": "\ufdfa" * 40, "action": "help"}],
    ],
)  # fmt: skip
async def test_keywords_that_would_let_nobody_stop_are_refused(
    admin: httpx.AsyncClient, viewer: httpx.AsyncClient, wanted: list[dict[str, str]]
) -> None:
    before = (await viewer.get(f"{URL}/keywords")).json()
    assert (await admin.put(f"{URL}/keywords", json=wanted)).status_code == 422
    assert (await viewer.get(f"{URL}/keywords")).json() == before


async def test_one_provider_has_an_address_of_its_own_that_ends_with_it(
    api: Api, admin: httpx.AsyncClient, viewer: httpx.AsyncClient
) -> None:
    settings = {
        "url": "https://sms.example.com", "json_template": {"to": "{{ to }}"}, "reply_from": "from",
        "reply_text": "text", "report_id": "id", "report_status": "state", "report_delivered": ["ok"],
    }  # fmt: skip
    body = {"name": "gateway", "kind": "sms-http", "settings": settings}
    provider_id = (await admin.post("/api/v1/providers", json=body)).json()["provider_id"]
    [hook] = [one for one in (await admin.get(f"{URL}/hooks")).json() if one["provider"] == "gateway"]
    assert (hook["kind"], hook["is_ready"], hook["url"].startswith(PUBLIC)) == ("sms-http", True, True)
    path = urlsplit(hook["url"]).path
    told = [{"from": ANN, "text": "STOP"}, {"id": "g-1", "state": "OK"}]
    assert (await api.anonymous.post(path, json=told)).status_code == 204
    assert await is_suppressed(viewer)
    standing = (await viewer.get(f"{URL}/standings/sms-http/g-1")).json()
    assert standing["status"] == "delivered"
    assert (await api.anonymous.post(path[:-2] + "AA", json=told)).status_code == 403
    assert (await admin.delete(f"/api/v1/providers/{provider_id}?last=true")).status_code == 204
    assert (await api.anonymous.post(path, json=told)).status_code == 403
