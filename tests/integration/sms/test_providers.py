# ruff: noqa: RUF001 - characters that look like others are what this is about
"""Each SMS provider against a server that speaks its protocol: success, every documented error, and every way to break.

What was not sent is proved not taken; what was sent and not answered is uncertain, but where BulkSMS recognises it.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from support.receiver import Receiver, Reply, endless, hang, plain, receiving
from support.texts import BODY, DLT_TEXT, FACTS, cut, cut_in_the_body, dlt_text, half_closed, says, text
from taskflow.audience.channels import Channel
from taskflow.base.ids import uuid7
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.dlt import INDIA, Facts, match
from taskflow.delivery.outcome import NOT_STARTED, Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError, Sms, SmsProvider
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sms.bulksms.provider import (
    BulkSms,
    BulkSmsSettings,
    deduplication_id,
    supplied_id,
)
from taskflow.delivery.providers.sms.fast2sms.provider import Fast2Sms, Fast2SmsSettings
from taskflow.delivery.providers.sms.kinds import KINDS
from taskflow.delivery.providers.sms.twilio.provider import Twilio, TwilioSettings

ACCOUNT = "AC" + "0" * 32
NOON, NIGHT = (datetime(2026, 1, 31, hour, tzinfo=INDIA) for hour in (12, 22))
SECRET = "a secret of the account"
SHORT = 0.3  # seconds; of providers whose server never answers

Open = Callable[..., SmsProvider]


def client_of(**more: Any) -> HttpClient:
    """A client that may talk to this machine."""
    return HttpClient(AddressGuard([ip_network("127.0.0.0/8")]), **more)


def fast2sms(url: str, client: HttpClient, *, now: datetime = NOON, **more: Any) -> Fast2Sms:
    settings = Fast2SmsSettings(api_key=SecretStr(SECRET), api_url=url, **{"route": "dlt_manual"} | more)
    return Fast2Sms(settings, client, lambda: now)


def bulksms(url: str, client: HttpClient, **more: Any) -> BulkSms:
    return BulkSms(BulkSmsSettings(token_id="me", token_secret=SecretStr(SECRET), api_url=url, **more), client)


def twilio(url: str, client: HttpClient, *, hooks: str | None = None, **more: Any) -> Twilio:
    fields = {"account_sid": ACCOUNT, "auth_token": SecretStr(SECRET), "sender": "+4930123456", "api_url": url}
    return Twilio(TwilioSettings(**fields | more), client, hooks)


PROVIDERS = [(fast2sms, dlt_text), (bulksms, text), (twilio, text)]
EVERY = pytest.mark.parametrize(("opened", "written"), PROVIDERS, ids=["fast2sms", "bulksms", "twilio"])
CREATED = says(201, {"sid": "SM1", "status": "queued", "error_code": None})


@asynccontextmanager
async def provider(opened: Open, *replies: Reply, **more: Any) -> AsyncIterator[tuple[SmsProvider, Receiver]]:
    async with receiving(*replies) as receiver:
        client = client_of()
        made = opened(f"http://127.0.0.1:{receiver.port}", client, **more)
        try:
            yield made, receiver
        finally:
            await made.close()
            await client.close()


async def send(made: SmsProvider, *texts: Sms) -> list[Outcome]:
    return await made.send(texts, time.monotonic() + 60)


async def answered(opened: Open, reply: Reply, sms: Sms, **more: Any) -> Outcome:
    async with provider(opened, reply, **more) as (made, _):
        [outcome] = await send(made, sms)
        return outcome


# -- what all of them share


@EVERY
async def test_after_a_fault_of_the_provider_the_rest_of_the_window_is_not_tried(opened: Open, written: Any) -> None:
    async with provider(opened, says(401, {}), says(200, {})) as (made, receiver):
        outcomes = await send(made, *(written() for _ in range(5)))
    assert {(outcome.kind, outcome.cause) for outcome in outcomes} == {(OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS)}
    assert len(receiver.messages) == 1


@EVERY
@pytest.mark.parametrize(
    "reply",
    [cut, half_closed, endless, plain(200, "Content-Length: 5"), plain(200, body=b"x" * (64 * 1024 + 1))],
    ids=["cut", "half closed", "endless", "two lengths", "too long"],
)
async def test_what_was_sent_and_not_answered_whole_is_uncertain(opened: Open, written: Any, reply: Reply) -> None:
    async with provider(opened, reply, reply) as (made, receiver):
        [outcome] = await send(made, written())
    assert (outcome.kind, outcome.verb, outcome.cause) == (OutcomeKind.UNCERTAIN, "POST", Cause.OUTAGE), outcome
    assert receiver.messages


@EVERY
async def test_an_answer_that_is_cut_in_the_middle_is_none(opened: Open, written: Any) -> None:
    async with provider(opened, cut_in_the_body, cut_in_the_body) as (made, _):
        [outcome] = await send(made, written())
    assert outcome.kind is OutcomeKind.UNCERTAIN


@EVERY
async def test_silence_is_uncertain_after_the_time_for_a_request(opened: Open, written: Any) -> None:
    async with provider(opened, hang, hang, timeout=SHORT) as (made, _):
        [outcome] = await send(made, written())
    assert outcome.kind is OutcomeKind.UNCERTAIN
    assert "No complete answer within 0.3 s" in outcome.reason


@EVERY
async def test_what_was_never_sent_is_proved_not_taken(opened: Open, written: Any) -> None:
    async with receiving() as receiver:
        port = receiver.port
    client = client_of()
    [outcome] = await send(opened(f"http://127.0.0.1:{port}", client), written())  # nobody listens there any more
    await client.close()
    assert (outcome.kind, outcome.verb, outcome.cause) == (OutcomeKind.PROVIDER_FAULT, "CONNECT", Cause.OUTAGE)


@EVERY
async def test_a_server_that_is_none_is_proved_not_to_have_taken_it(opened: Open, written: Any) -> None:
    """TLS to a server without it fails before a byte of the request is written."""
    async with receiving() as receiver:
        client = client_of()
        [outcome] = await send(opened(f"https://127.0.0.1:{receiver.port}", client, timeout=2), written())
        await client.close()
    assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "CONNECT")
    assert receiver.messages == []


@EVERY
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(opened: Open, written: Any, status: int) -> None:
    async with receiving() as elsewhere:
        reply = says(status, {}, f"Location: http://127.0.0.1:{elsewhere.port}/")
        outcome = await answered(opened, reply, written())
    assert (outcome.kind, outcome.cause) == (OutcomeKind.PROVIDER_FAULT, Cause.INVALID)
    assert elsewhere.messages == []


@EVERY
async def test_a_throttle_says_how_long_to_wait(opened: Open, written: Any) -> None:
    outcome = await answered(opened, says(429, {}, "Retry-After: 7"), written())
    assert (outcome.kind, outcome.cause, outcome.retry_after) == (
        OutcomeKind.PROVIDER_FAULT, Cause.THROTTLED, 7.0,
    )  # fmt: skip


@EVERY
@pytest.mark.parametrize(
    ("status", "kind", "cause"),
    [
        (402, OutcomeKind.PROVIDER_FAULT, Cause.QUOTA),
        (407, OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS),
        (408, OutcomeKind.DEFERRED, Cause.OUTAGE),
        (409, OutcomeKind.REJECTED, Cause.INVALID),
        (503, OutcomeKind.PROVIDER_FAULT, Cause.OUTAGE),
    ],
)
async def test_a_status_means_what_it_means_for_mail(
    opened: Open, written: Any, status: int, kind: OutcomeKind, cause: Cause
) -> None:
    outcome = await answered(opened, plain(status, "Connection: close", body=b"<h1>No"), written())
    assert (outcome.kind, outcome.cause) == (kind, cause)


@EVERY
async def test_after_a_fault_of_the_provider_the_rest_of_a_window_is_not_tried(opened: Open, written: Any) -> None:
    async with provider(opened, says(401, {})) as (made, receiver):
        outcomes = await send(made, written(), written(), written())
    assert [outcome.cause for outcome in outcomes] == [Cause.CREDENTIALS] * 3
    assert len(receiver.messages) == 1


async def test_whatever_goes_wrong_with_one_text_is_told_of_it_alone() -> None:
    class Faulty(Twilio):
        def refusal(self, text: Sms) -> Outcome | None:
            if "bug" in text.text:
                raise TypeError("str is not valid UTF-8: surrogates not allowed")
            return super().refusal(text)

    def faulty(url: str, client: HttpClient, **_: Any) -> Faulty:
        return Faulty(
            TwilioSettings(account_sid=ACCOUNT, auth_token=SecretStr(SECRET), sender="A", api_url=url), client
        )

    async with provider(faulty, CREATED, CREATED) as (made, receiver):
        outcomes = await send(made, text(), text(body="bug"), text())
    assert [outcome.kind for outcome in outcomes] == [
        OutcomeKind.ACCEPTED, OutcomeKind.UNCERTAIN, OutcomeKind.ACCEPTED,
    ]  # fmt: skip
    assert len(receiver.messages) == 2


@EVERY
@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_gateways_word_does_not_prove_that_nothing_was_taken(opened: Open, written: Any, status: int) -> None:
    async with provider(opened, *[plain(status, "Connection: close", body=b"<h1>Bad")] * 2) as (made, _):
        [outcome] = await send(made, written())
    assert outcome.kind is OutcomeKind.UNCERTAIN
    assert f"{status}: <h1>Bad" in outcome.text


@EVERY
@pytest.mark.parametrize(
    "body", [b"", b"OK", b"[]", b"{}", b"null", b'{"sid": 3}', b'[{"id": ""}]', b'{"return": true}']
)
async def test_a_success_in_no_words_of_the_provider_is_uncertain(opened: Open, written: Any, body: bytes) -> None:
    for status in (200, 201):
        outcome = await answered(opened, plain(status, "Connection: close", body=body), written())
        assert outcome.kind is OutcomeKind.UNCERTAIN, outcome


@EVERY
async def test_each_text_has_its_outcome_and_none_begins_after_the_deadline(opened: Open, written: Any) -> None:
    async with provider(opened, *[says(400, {})] * 3) as (made, receiver):
        assert await made.send([written(), written()], time.monotonic() - 1) == [NOT_STARTED, NOT_STARTED]
        assert receiver.connections == 0
        outcomes = await send(made, written(), written("not a number"), written())
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.REJECTED] * 3
    assert [outcome.verb for outcome in outcomes] == ["POST", "CHECK", "POST"]
    assert len(receiver.messages) == 2


@EVERY
@pytest.mark.parametrize(
    "changes",
    [
        {"to": "00491711234567"}, {"to": "+0491711234567"}, {"to": "+49171\r\nX: y"}, {"to": ""}, {"body": ""},
        {"body": "a\x00b"}, {"body": "half \ud83d"}, {"sender": "A\r\nB"}, {"sender": "much too long a name"},
        {"sender": ""},
    ],
    ids=repr,
)  # fmt: skip
async def test_what_no_provider_may_get_is_refused_before_it_is_sent(
    opened: Open, written: Any, changes: dict[str, Any]
) -> None:
    async with provider(opened) as (made, receiver):
        [outcome] = await send(made, written(**changes))
    assert (outcome.kind, outcome.verb) == (OutcomeKind.REJECTED, "CHECK")
    assert outcome.cause in (Cause.INVALID, Cause.CONTENT)
    assert receiver.connections == 0


@EVERY
async def test_no_answer_and_no_error_holds_the_secret(opened: Open, written: Any) -> None:
    outcome = await answered(opened, plain(401, "Connection: close", body=b"who \x1b[31mare\nyou?"), written())
    assert (outcome.kind, outcome.cause) == (OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS)
    assert outcome.text == "HTTP 401: who \\x1b[31mare you?"
    echo = plain(400, "Connection: close", body=f"You said {SECRET}".encode())
    assert (await answered(opened, echo, written())).text == "HTTP 400: You said [redacted]"
    async with provider(opened, says(401, {})) as (made, _):
        with pytest.raises(ProviderUnusableError) as raised:
            await made.check()
    assert SECRET not in str(raised.value) + repr(made.__dict__)


@pytest.mark.parametrize("url", ["http://api.example.com", "ftp://127.0.0.1", "https://", "//x", "http://10.0.0.1"])
def test_keys_go_over_tls_only(url: str) -> None:
    for opened in (fast2sms, bulksms, twilio):
        with pytest.raises(ValidationError):
            opened(url, client_of())


@pytest.mark.parametrize("key", ["", "short", "line\nbreak", "key\x00key", "schlüssel", " spaces "])
def test_a_key_that_no_header_can_hold_is_refused(key: str) -> None:
    with pytest.raises(ValidationError):
        Fast2SmsSettings(api_key=SecretStr(key))


# -- DLT


def test_a_text_under_dlt_is_carried_by_kinds_with_dlt_only() -> None:
    may = {kind.name: kind.may_carry(dlt_text()) for kind in KINDS}
    assert {name for name, carries in may.items() if carries} == {"fast2sms", "sms-http-dlt", "sms-sandbox"}
    may = {kind.name: kind.may_carry(text()) for kind in KINDS}
    assert {name for name, carries in may.items() if carries} == {"bulksms", "twilio", "sms-http", "sms-sandbox"}
    assert not any(kind.may_carry(Mail(uuid7(), "a@b.test", "c@d.test", b"")) for kind in KINDS)
    assert {kind.channel for kind in KINDS} == {Channel.SMS}
    assert [kind.priority for kind in KINDS if kind.name == "fast2sms"] == [1]


@pytest.mark.parametrize("opened", [bulksms, twilio])
async def test_a_text_under_dlt_that_comes_to_another_kind_all_the_same_is_refused(opened: Open) -> None:
    async with provider(opened) as (made, receiver):
        [outcome] = await send(made, dlt_text())
    assert (outcome.kind, outcome.verb, receiver.connections) == (OutcomeKind.REJECTED, "CHECK", 0)
    assert "DLT" in outcome.reason


# -- Fast2SMS

SENT = says(200, {"return": True, "request_id": "lwdtp7cjyqxvfe9", "message": ["SMS sent successfully."]})


async def test_fast2sms_gets_the_whole_text_with_its_ids() -> None:
    sms = dlt_text()
    async with provider(fast2sms, SENT) as (made, receiver):
        [outcome] = await send(made, sms)
    assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "lwdtp7cjyqxvfe9")
    [message] = receiver.messages
    assert (message.path, message.headers["authorization"]) == ("/dev/bulkV2", SECRET)
    assert message.json == {
        "route": "dlt_manual", "sender_id": "TSKFLW", "message": DLT_TEXT, "numbers": "9876543210",
        "template_id": FACTS.template_id, "entity_id": FACTS.entity_id, "sms_details": "1", "udf1": str(sms.message_id),
    }  # fmt: skip
    assert match(BODY, DLT_TEXT) == list(FACTS.values)


async def test_fast2sms_gets_its_number_of_the_template_and_the_values() -> None:
    async with provider(fast2sms, SENT, route="dlt") as (made, receiver):
        await send(made, dlt_text())
    body = receiver.messages[0].json
    assert (body["route"], body["message"], body["variables_values"]) == ("dlt", "171234", "123456|your sign-in")
    assert "template_id" not in body


@pytest.mark.parametrize(
    ("route", "changes", "said"),
    [
        ("dlt", {"to": "+491711234567"}, "India only"),
        ("dlt", {"to": "+9198765432101"}, "India only"),
        ("dlt", {"sender": "TOOLONG"}, "header"),
        ("dlt", {"sender": None}, "header"),
        ("dlt", {"facts": Facts("1107161234567890123", "1101234567890123456")}, "provider_template_id"),
        ("dlt", {"facts": Facts("1", "2", "3", ("a|b",))}, "holds |"),
        ("dlt_manual", {"facts": Facts("", "1101234567890123456")}, "DLT ids"),
        ("dlt_manual", {"facts": Facts("1107161234567890123")}, "DLT ids"),
    ],
)
async def test_fast2sms_gets_nothing_that_it_would_drop(route: str, changes: dict[str, Any], said: str) -> None:
    async with provider(fast2sms, route=route) as (made, receiver):
        [outcome] = await send(made, dlt_text(**changes))
    assert (outcome.kind, outcome.verb, receiver.connections) == (OutcomeKind.REJECTED, "CHECK", 0)
    assert said in outcome.reason


async def test_promotion_waits_for_the_morning_and_everything_else_goes_at_night() -> None:
    async with provider(fast2sms, SENT, SENT, now=NIGHT) as (made, receiver):
        outcomes = await send(made, dlt_text(promotional=True), dlt_text())
    assert [outcome.kind for outcome in outcomes] == [OutcomeKind.NOT_STARTED, OutcomeKind.ACCEPTED]
    assert outcomes[0].retry_after == 12 * 3600
    assert "2026-02-01T10:00:00+05:30" in outcomes[0].reason
    assert len(receiver.messages) == 1
    assert (await answered(fast2sms, SENT, dlt_text(promotional=True))).kind is OutcomeKind.ACCEPTED


FAST2SMS_CODES = (
    [(411, OutcomeKind.REJECTED, Cause.ADDRESS), (995, OutcomeKind.DEFERRED, Cause.REPUTATION)]
    + [(code, OutcomeKind.REJECTED, Cause.CONTENT) for code in (402, 406, 407, 417, 424, 425, 426, 500)]
    + [(code, OutcomeKind.PROVIDER_FAULT, Cause.INVALID) for code in (401, 403, 404, 405, 408, 409, 410, 990)]
    + [(code, OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS) for code in (412, 413, 414)]
    + [(code, OutcomeKind.PROVIDER_FAULT, Cause.SUSPENDED) for code in (415, 996, 998, 999)]
    + [(416, OutcomeKind.PROVIDER_FAULT, Cause.QUOTA), (777, OutcomeKind.REJECTED, Cause.UNKNOWN)]
)


@pytest.mark.parametrize("status", [200, 400, 401])
@pytest.mark.parametrize(("code", "kind", "cause"), FAST2SMS_CODES)
async def test_fast2sms_codes_mean_the_same_under_every_status(
    code: int, kind: OutcomeKind, cause: Cause, status: int
) -> None:
    reply = says(status, {"return": False, "status_code": code, "message": "No."})
    outcome = await answered(fast2sms, reply, dlt_text())
    assert (outcome.kind, outcome.cause) == (kind, cause)
    assert '"status_code": ' + str(code) in outcome.text


async def test_fast2sms_tells_its_balance() -> None:
    async with provider(fast2sms, says(200, {"return": True, "wallet": "52.30"})) as (made, receiver):
        assert "52.30" in await made.check()
    assert receiver.messages[0].path == "/dev/wallet"
    async with provider(fast2sms, says(401, {"return": False, "status_code": 412})) as (made, _):
        with pytest.raises(ProviderUnusableError, match="412"):
            await made.check()


# -- BulkSMS


def made_for(sms: Sms, number: str = "17") -> Reply:
    return says(201, [{"id": number, "type": "SENT", "userSuppliedId": supplied_id(sms.message_id), "to": sms.rcpt_to}])


def number_of(receiver: Receiver, which: int) -> int:
    return int(parse_qs(urlsplit(receiver.messages[which].path).query)["deduplication-id"][0])


async def test_bulksms_gets_a_text_with_its_number() -> None:
    sms = text(body="Grüße ’")
    async with provider(bulksms, made_for(sms)) as (made, receiver):
        [outcome] = await send(made, sms)
    assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "17")
    [message] = receiver.messages
    assert urlsplit(message.path).path == "/v1/messages"
    assert number_of(receiver, 0) == deduplication_id(sms.message_id)
    assert base64.b64decode(message.headers["authorization"].removeprefix("Basic ")).decode() == f"me:{SECRET}"
    [entry] = message.json
    assert (entry["to"], entry["body"], entry["encoding"]) == ("+491711234567", "Grüße ’", "UNICODE")
    assert (entry["from"], entry["longMessageMaxParts"]) == ({"type": "REPLIABLE"}, 10)


@pytest.mark.parametrize("lost", [cut, cut_in_the_body, plain(502, "Connection: close")])
async def test_bulksms_is_asked_again_for_a_lost_answer_under_the_same_number(lost: Reply) -> None:
    sms = text()
    async with provider(bulksms, lost, made_for(sms)) as (made, receiver):
        [outcome] = await send(made, sms)
    assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "17")
    assert number_of(receiver, 0) == number_of(receiver, 1)
    assert receiver.messages[0].body == receiver.messages[1].body


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500])
async def test_a_refusal_of_the_repetition_does_not_prove_that_the_first_was_not_taken(status: int) -> None:
    async with provider(bulksms, cut, says(status, {"type": "errors#insufficient-credits"})) as (made, receiver):
        [outcome] = await send(made, text())
    assert (outcome.kind, len(receiver.messages)) == (OutcomeKind.UNCERTAIN, 2)
    assert f"BulkSMS said HTTP {status}" in outcome.reason


async def test_a_text_that_was_cut_once_is_uncertain_even_if_bulksms_is_gone_then() -> None:
    async def cut_and_close(writer: asyncio.StreamWriter) -> None:
        server.close()

    sms = text()
    async with receiving(cut_and_close) as receiver:
        server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
        client = client_of()
        [outcome] = await send(bulksms(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", client), sms)
        await client.close()
    assert len(receiver.messages) == 1
    assert (outcome.kind, outcome.verb) == (OutcomeKind.UNCERTAIN, "POST")


async def test_two_texts_with_one_number_are_both_sent() -> None:
    """BulkSMS answers with the first one's message, as if the second had been taken."""
    sms = text()
    async with provider(bulksms, made_for(text(), "1"), made_for(sms, "2")) as (made, receiver):
        [outcome] = await send(made, sms)
    assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "2")
    assert [number_of(receiver, which) for which in (0, 1)] == [deduplication_id(sms.message_id, n) for n in (0, 1)]


@pytest.mark.parametrize(
    ("status", "kind_of_error", "kind", "cause"),
    [
        (400, "errors/#bad-request", OutcomeKind.REJECTED, Cause.INVALID),
        (403, "errors#insufficient-credits", OutcomeKind.PROVIDER_FAULT, Cause.QUOTA),
        (401, "errors#authentication-failed", OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS),
        (403, "errors#forbidden", OutcomeKind.PROVIDER_FAULT, Cause.SUSPENDED),
        (404, "errors#not-found", OutcomeKind.PROVIDER_FAULT, Cause.INVALID),
        (413, "errors#other", OutcomeKind.REJECTED, Cause.SIZE),
    ],
)
async def test_bulksms_errors(status: int, kind_of_error: str, kind: OutcomeKind, cause: Cause) -> None:
    url = f"https://developer.bulksms.com/json/v1/{kind_of_error}"
    outcome = await answered(bulksms, says(status, {"type": url, "title": "No", "status": status}), text())
    assert (outcome.kind, outcome.cause) == (kind, cause)


@pytest.mark.parametrize(
    ("body", "cause"),
    [("Hello {fn###}", Cause.CONTENT), ("{F0}", Cause.CONTENT), ("x" * 1_531, Cause.SIZE), ("ж" * 671, Cause.SIZE)],
)
async def test_bulksms_gets_nothing_that_it_would_change(body: str, cause: Cause) -> None:
    async with provider(bulksms) as (made, receiver):
        [outcome] = await send(made, text(body=body))
    assert (outcome.kind, outcome.cause, receiver.connections) == (OutcomeKind.REJECTED, cause, 0)
    assert (await answered(bulksms, says(400, {}), text(body="x" * 1_530))).verb == "POST"


async def test_bulksms_tells_its_credits() -> None:
    profile = {"username": "jo", "credits": {"balance": 12.5}}
    async with provider(bulksms, says(200, profile)) as (made, receiver):
        assert "12.5 credits" in await made.check()
    assert receiver.messages[0].path == "/v1/profile"


# -- Twilio


async def test_twilio_gets_a_form() -> None:
    sms = text(body="Grüße 😀", sender="ACME")
    callback = "https://mail.example.com/hooks/sms/twilio"
    async with provider(twilio, CREATED, CREATED, status_callback=callback) as (made, receiver):
        outcomes = await send(made, sms, text())
    assert [(one.kind, one.provider_id) for one in outcomes] == [(OutcomeKind.ACCEPTED, "SM1")] * 2
    message = receiver.messages[0]
    assert message.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
    assert base64.b64decode(message.headers["authorization"].removeprefix("Basic ")).decode() == f"{ACCOUNT}:{SECRET}"
    assert dict(parse_qsl(message.body.decode())) == {
        "To": "+491711234567", "From": "ACME", "Body": "Grüße 😀", "StatusCallback": callback,
    }  # fmt: skip
    assert dict(parse_qsl(receiver.messages[1].body.decode()))["From"] == "+4930123456"


async def test_reports_come_to_us_where_twilio_reaches_us_and_a_test_says_where_it_does_not() -> None:
    active = says(200, {"status": "active"})
    async with provider(twilio, CREATED, active, hooks="https://mail.example.com/hooks/sms/") as (made, receiver):
        await send(made, text())
        assert "reports" not in await made.check()
    form = dict(parse_qsl(receiver.messages[0].body.decode()))
    assert form["StatusCallback"] == "https://mail.example.com/hooks/sms/twilio"
    async with provider(twilio, active) as (made, _):
        assert "Delivery reports are off" in await made.check()
    with_key = {"hooks": "https://mail.example.com/hooks/sms/", "api_key_sid": "SK" + "2" * 32}
    async with provider(twilio, active, **with_key) as (made, _):
        assert "TASKFLOW_SMS_TWILIO_AUTH_TOKENS" in await made.check()


async def test_a_messaging_service_chooses_where_nobody_names_a_sender() -> None:
    more = {"sender": None, "messaging_service_sid": "MG" + "1" * 32, "api_key_sid": "SK" + "2" * 32}
    async with provider(twilio, CREATED, **more) as (made, receiver):
        await send(made, text())
    [message] = receiver.messages
    assert dict(parse_qsl(message.body.decode()))["MessagingServiceSid"] == "MG" + "1" * 32
    assert base64.b64decode(message.headers["authorization"].removeprefix("Basic ")).startswith(b"SK2")
    with pytest.raises(ValidationError):
        twilio("https://api.twilio.com", client_of(), sender=None)


TWILIO_CODES = (
    [
        (400, code, OutcomeKind.REJECTED, Cause.ADDRESS)
        for code in (21211, 21214, 21217, 21263, 21265, 21604, 21614, 21635)
    ]
    + [(400, 21610, OutcomeKind.REJECTED, Cause.OPTED_OUT)]
    + [(400, code, OutcomeKind.REJECTED, Cause.CONTENT) for code in (21602, 21619)]
    + [(400, code, OutcomeKind.REJECTED, Cause.SIZE) for code in (21605, 21617)]
    + [(400, code, OutcomeKind.REJECTED, Cause.INVALID) for code in (21408, 21608, 21612, 21266, 21267, 21656, 29999)]
    + [(429, 21611, OutcomeKind.DEFERRED, Cause.THROTTLED)]
    + [(401, code, OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS) for code in (20003, 20008, 70051)]
    + [(404, 20404, OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS)]
    + [(403, code, OutcomeKind.PROVIDER_FAULT, Cause.SUSPENDED) for code in (20005, 20006, 90010)]
    + [(429, code, OutcomeKind.PROVIDER_FAULT, Cause.THROTTLED) for code in (20429, 14107, 88001)]
    + [(429, 63038, OutcomeKind.PROVIDER_FAULT, Cause.QUOTA)]
    + [
        (400, code, OutcomeKind.PROVIDER_FAULT, Cause.SENDER)
        for code in (21212, 21603, 21606, 21609, 21659, 21660, 21705)
    ]
    + [(status, code, OutcomeKind.UNCERTAIN, Cause.OUTAGE) for status, code in ((500, 20500), (500, 21211))]
    + [(503, 20503, OutcomeKind.PROVIDER_FAULT, Cause.OUTAGE)]
)


@pytest.mark.parametrize(("status", "code", "kind", "cause"), TWILIO_CODES)
async def test_twilio_codes(status: int, code: int, kind: OutcomeKind, cause: Cause) -> None:
    said = {"code": code, "message": "No.", "more_info": f"https://www.twilio.com/docs/errors/{code}", "status": status}
    outcome = await answered(twilio, says(status, said), text())
    assert (outcome.kind, outcome.cause) == (kind, cause)


async def test_a_text_that_twilio_made_and_failed_at_once_is_refused() -> None:
    outcome = await answered(twilio, says(201, {"sid": "SM1", "status": "failed", "error_code": 30007}), text())
    assert (outcome.kind, outcome.cause) == (OutcomeKind.REJECTED, Cause.CONTENT)


async def test_twilio_takes_1600_characters() -> None:
    assert (await answered(twilio, CREATED, text(body="x" * 1600))).kind is OutcomeKind.ACCEPTED
    assert (await answered(twilio, CREATED, text(body="😀" * 801))).cause is Cause.SIZE


async def test_twilio_tells_whether_the_account_is_active() -> None:
    async with provider(twilio, says(200, {"status": "active"}), says(200, {"status": "suspended"})) as (
        made,
        receiver,
    ):
        assert "active" in await made.check()
        with pytest.raises(ProviderUnusableError, match="suspended"):
            await made.check()
    assert receiver.messages[0].path == f"/2010-04-01/Accounts/{ACCOUNT}.json"
