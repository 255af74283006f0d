"""The kinds `sms-http` and `sms-http-dlt`: requests from configuration, and what is posted back read as it says."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qsl

import pytest

from support.receiver import Receiver, Reply, plain, receiving
from support.texts import DLT_TEXT, FACTS, dlt_text, says, text
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers import fields
from taskflow.delivery.providers.contract import Kind, Sms, SmsProvider, Surroundings
from taskflow.delivery.providers.fields import InvalidSettingsError
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sms.hooks import Reply as Answered
from taskflow.delivery.providers.sms.hooks import Report, ReportStatus, Told
from taskflow.delivery.providers.sms.http_api.provider import DLT_KIND, KIND

KEY = "the key of the account"
TO = {"to": "{{ to }}"}
API = {"url": "https://api.example.com/sms", "json_template": TO}


@asynccontextmanager
async def opened(
    kind: Kind, settings: dict[str, Any], *replies: Reply, secrets: dict[str, str] | None = None
) -> AsyncIterator[tuple[SmsProvider, Receiver]]:
    """A provider whose API is here: {url} in its settings."""
    async with receiving(*replies) as receiver:
        client = HttpClient(AddressGuard([ip_network("127.0.0.0/8")]))
        here = {"url": receiver.url} | settings
        here["url"] = here["url"].replace("{url}", receiver.url)
        made = kind.open(fields.read(kind, here, secrets or {}), Surroundings(client, ("127.0.0.1", 1)))
        try:
            yield made, receiver
        finally:
            await client.close()


async def send(provider: SmsProvider, sms: Sms) -> Outcome:
    [outcome] = await provider.send([sms], float("inf"))
    return outcome


async def test_json_is_filled_in_and_the_answer_names_the_text() -> None:
    template = {"messages": [{"to": "{{ to }}", "from": "{{ from }}", "body": "{{ text }}", "coding": "{{encoding}}"}]}
    settings = {"json_template": template, "headers": {"X-Api-Key": "{{ token }}"}, "id_path": "0.id", "sender": "Shop"}
    async with opened(KIND, settings, says(201, [{"id": 77}]), secrets={"token": KEY}) as (provider, receiver):
        outcome = await send(provider, text(body='{{ token }} "quoted" 🛑'))
    assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "77")
    [message] = receiver.messages
    assert message.headers["x-api-key"] == KEY
    assert message.json["messages"] == [
        {"to": "+491711234567", "from": "Shop", "body": '{{ token }} "quoted" 🛑', "coding": "ucs2"}
    ]


async def test_an_api_that_wants_all_in_its_address_gets_it_there_and_calls_the_text_by_our_id() -> None:
    url = "{url}/send?to={{ to_digits }}&text={{ text }}&ref={{ message_id }}&key={{ token }}"
    settings = {"url": url, "method": "GET", "body": "none"}
    async with opened(KIND, settings, says(200, {}), secrets={"token": KEY}) as (provider, receiver):
        outcome = await send(provider, sms := text(body="a&b=c"))
    assert outcome.provider_id == str(sms.message_id)
    assert receiver.messages[0].path == f"/send?to=491711234567&text=a%26b%3Dc&ref={sms.message_id}&key=" + KEY.replace(
        " ", "%20"
    )
    assert receiver.messages[0].body == b""


async def test_a_text_that_makes_the_address_too_long_is_rejected_and_never_sent() -> None:
    settings = {"url": "{url}/send?to={{ to_digits }}&text={{ text }}", "method": "GET", "body": "none"}
    async with opened(KIND, settings) as (provider, receiver):
        outcome = await send(provider, text(body="Щ" * 400))
    assert (outcome.kind, outcome.cause, outcome.verb) == (OutcomeKind.REJECTED, Cause.SIZE, "CHECK")
    assert receiver.messages == []


async def test_a_text_under_dlt_takes_its_ids_along() -> None:
    form = {name: f"{{{{ {name} }}}}" for name in ("to", "from", "text", "template_id", "entity_id", "values")}
    async with opened(DLT_KIND, {"body": "form", "form_template": form}, plain(200)) as (provider, receiver):
        assert (await send(provider, dlt_text())).kind is OutcomeKind.ACCEPTED
    told = dict(parse_qsl(receiver.messages[0].body.decode()))
    assert (told["from"], told["text"], told["values"]) == ("TSKFLW", DLT_TEXT, "|".join(FACTS.values))
    assert (told["template_id"], told["entity_id"]) == (FACTS.template_id, FACTS.entity_id)


async def test_a_text_under_dlt_never_goes_to_an_api_that_is_told_nothing_of_it() -> None:
    async with opened(KIND, {"json_template": TO}, says(200, {})) as (provider, receiver):
        assert (await send(provider, dlt_text())).kind is OutcomeKind.REJECTED
    assert receiver.messages == []


@pytest.mark.parametrize(
    ("rules", "reply", "kind"),
    [
        ({}, says(422, {}), OutcomeKind.REJECTED),
        ({}, says(401, {}), OutcomeKind.PROVIDER_FAULT),
        ({}, says(500, {}), OutcomeKind.UNCERTAIN),
        ({"deferred": ["429"]}, says(429, {}), OutcomeKind.DEFERRED),
        ({"id_path": "id"}, plain(200, "Content-Length: 5", body=b"{"), OutcomeKind.UNCERTAIN),
    ],
)
async def test_statuses_mean_what_rules_say(rules: dict[str, Any], reply: Reply, kind: OutcomeKind) -> None:
    async with opened(KIND, {"json_template": TO} | rules, reply) as (provider, _):
        assert (await send(provider, text())).kind is kind


async def test_a_probe_asks_and_sends_nothing() -> None:
    async with opened(KIND, {"json_template": TO}) as (provider, receiver):
        assert "send a message to try it" in await provider.check()
        assert receiver.messages == []
    probe = {"json_template": TO, "headers": {"Authorization": "Bearer {{ token }}"}}
    async with receiving(says(200, {"balance": 4})) as other:
        probe["probe_url"] = f"{other.url}/balance"
        async with opened(KIND, probe, secrets={"token": KEY}) as (provider, _):
            assert "balance" in await provider.check()
        assert (other.messages[0].path, other.messages[0].headers["authorization"]) == ("/balance", f"Bearer {KEY}")


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (KIND, {"json_template": {"text": "{{ text }}"}}, "whom a text is for"),
        (KIND, {"json_template": TO | {"t": "{{ template_id }}"}}, "no placeholder is called template_id"),
        (DLT_KIND, {"json_template": TO}, "which template"),
        (KIND, {"json_template": TO, "method": "GET"}, "GET has no body"),
        (KIND, {"json_template": TO, "body": "raw"}, "body"),
        (KIND, {"json_template": TO, "headers": {"Authorization": "Bearer abc"}}, "holds a secret"),
        (KIND, {"json_template": TO, "report_id": "id"}, "reports need"),
        (KIND, {"json_template": TO, "report_delivered": ["ok"]}, "reports need"),
        (KIND, {"json_template": TO, "reply_from": "from"}, "replies need"),
        (KIND, {"json_template": TO, "told_path": "a..b"}, "a path is written"),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: Kind, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSettingsError, match=said):
        fields.read(kind, API | settings, {})


HOOK = {
    "report_id": "sms.id", "report_status": "sms.state", "report_code": "sms.error", "report_to": "sms.to",
    "report_delivered": ["DELIVRD"], "report_failed": ["UNDELIV"], "report_no_number": ["11"],
    "report_opted_out": ["BLOCKED"], "reply_from": "from", "reply_text": "text", "reply_id": "id", "reply_to": "to",
}  # fmt: skip


def told(body: bytes, **changes: Any) -> list[Told]:
    assert KIND.read_hook is not None
    return KIND.read_hook(fields.read(KIND, API | HOOK | changes, {}), body)


@pytest.mark.parametrize(
    ("state", "error", "status", "cause"),
    [
        ("delivrd", None, ReportStatus.DELIVERED, None),
        ("UNDELIV", 4, ReportStatus.FAILED, Cause.UNKNOWN),
        ("UNDELIV", 11, ReportStatus.FAILED, Cause.ADDRESS),
        ("BLOCKED", None, ReportStatus.FAILED, Cause.OPTED_OUT),
        ("ENROUTE", None, ReportStatus.SENT, None),
    ],
)
def test_words_of_a_report_mean_what_settings_say(
    state: str, error: int | None, status: ReportStatus, cause: Cause | None
) -> None:
    item = {"sms": {"id": 7, "state": state, "error": error, "to": "491711234567"}}
    code = str(error) if error is not None else state
    assert told(json.dumps(item).encode()) == [Report("7", status, cause, code, "", "491711234567")]


def test_lists_and_forms_are_read_and_what_makes_no_sense_is_left() -> None:
    reply = Answered("r1", "+491711234567", "4930", "Stop!")
    item = {"id": "r1", "from": "+491711234567", "to": 4930, "text": "Stop!"}
    assert told(json.dumps({"data": [item, 1, {}]}).encode(), told_path="data") == [reply]
    assert told(b"id=r1&from=%2B491711234567&to=4930&text=Stop%21") == [reply]
    for body in (b"", b"{", b"null", b"\xff", b'{"sms": 7}', b'{"from": "x"}'):
        assert told(body) == []
