"""The kind `http`: requests from configuration, and what its rules make of answers."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.mail_apis import KEY
from support.mail_providers import Providers, mail, send_one
from support.receiver import plain, receiving
from taskflow.delivery.outcome import OutcomeKind
from taskflow.delivery.providers import fields
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.email.http_api import HTTP
from taskflow.delivery.providers.fields import InvalidSettingsError
from taskflow.delivery.providers.filling import fill, fill_json, fill_url

URL = "https://api.example.com/send"


async def test_json_is_filled_in_and_the_secret_goes_into_a_header(providers: Providers) -> None:
    template = {"to": [{"email": "{{ to }}"}], "subject": "{{subject}}", "n": 1, "both": "{{ text }}|{{ from_name }}"}
    async with receiving(plain(201, body=b'{"data": [{"id": 77}]}')) as server:
        provider = providers.open(
            "http",
            {"url": f"{server.url}/v1/{{{{ message_id }}}}?to={{{{ to }}}}", "json_template": template,
             "headers": {"X-Api-Key": "Key {{ token }}"}, "id_path": "data.0.id"},
            {"token": KEY},
        )  # fmt: skip
        one = mail(rcpt_to="a+b@example.com")
        [outcome] = await provider.send([one], float("inf"))
        assert (outcome.kind, outcome.provider_id) == (OutcomeKind.ACCEPTED, "77")
        [message] = server.messages
        assert message.path == f"/v1/{one.message_id}?to=a%2Bb%40example.com"
        assert message.headers["x-api-key"] == f"Key {KEY}"
        assert message.json == {
            "to": [{"email": "a+b@example.com"}],
            "subject": "Schöne Grüße aus München",
            "n": 1,
            "both": "Hallo Anna,\nschöne Grüße.\n|Grüße",
        }


async def test_a_form_is_encoded_and_basic_signs_in(providers: Providers) -> None:
    async with receiving(plain(200)) as server:
        provider = providers.open(
            "http",
            {
                "url": server.url,
                "body": "form",
                "form_template": {"to": "{{ to }}", "s": "{{ subject }}"},
                "username": "u",
            },
            {"password": KEY},
        )
        assert (await send_one(provider)).kind is OutcomeKind.ACCEPTED
        assert server.messages[0].body == b"to=anna%40example.com&s=Sch%C3%B6ne+Gr%C3%BC%C3%9Fe+aus+M%C3%BCnchen"
        assert server.messages[0].headers["authorization"].startswith("Basic ")


async def test_raw_hands_over_the_mail_itself(providers: Providers) -> None:
    async with receiving(plain(200)) as server:
        one = mail()
        await providers.open("http", {"url": server.url, "body": "raw"}, {}).send([one], float("inf"))
        assert server.messages[0].body == one.body
        assert server.messages[0].headers["content-type"] == "message/rfc822"


@pytest.mark.parametrize(
    ("rules", "status", "kind"),
    [
        ({}, 200, OutcomeKind.ACCEPTED),
        ({}, 422, OutcomeKind.REJECTED),
        ({}, 500, OutcomeKind.UNCERTAIN),
        ({"success": ["202"]}, 200, OutcomeKind.UNCERTAIN),
        ({"deferred": ["420-429"]}, 429, OutcomeKind.DEFERRED),
        ({"provider_fault": ["5xx"]}, 500, OutcomeKind.PROVIDER_FAULT),
        ({"rejected": ["550-559"]}, 550, OutcomeKind.REJECTED),
        ({"deferred": ["4xx"], "rejected": ["4xx"]}, 400, OutcomeKind.DEFERRED),
        ({"success": ["4xx"], "rejected": ["4xx"]}, 400, OutcomeKind.ACCEPTED),
    ],
)
async def test_rules_say_what_a_status_means(
    providers: Providers, rules: dict[str, Any], status: int, kind: OutcomeKind
) -> None:
    async with receiving(plain(status)) as server:
        provider = providers.open("http", {"url": server.url, "body": "raw"} | rules, {})
        assert (await send_one(provider)).kind is kind


async def test_a_value_with_a_line_end_never_reaches_a_header(providers: Providers) -> None:
    async with receiving(plain(200)) as server:
        provider = providers.open("http", {"url": server.url, "body": "raw", "headers": {"X-Text": "{{ text }}"}}, {})
        outcome = await send_one(provider)
        assert (outcome.kind, outcome.verb) == (OutcomeKind.REJECTED, "CHECK")
        assert server.connections == 0


async def test_a_probe_is_asked_when_there_is_one(providers: Providers) -> None:
    async with receiving(plain(200, body=b"pong"), plain(401, body=b"who?")) as server:
        told = {"url": server.url, "body": "raw", "probe_url": f"{server.url}/ping?key={{{{ token }}}}"}
        provider = providers.open("http", told, {"token": KEY})
        assert await provider.check() == "The API answers: HTTP 200: pong"
        assert (server.messages[0].method, server.messages[0].path) == ("GET", f"/ping?key={KEY}")
        with pytest.raises(ProviderUnusableError, match="does not take the credentials"):
            await provider.check()
        without = providers.open("http", {"url": server.url, "body": "raw"}, {})
        assert "no way to ask" in await without.check()
        assert len(server.messages) == 2


@pytest.mark.parametrize(
    ("settings", "secrets", "told"),
    [
        ({"url": "https://{{ to }}/x", "body": "raw"}, {}, "for the path and the query"),
        ({"url": "https://x{{ to }}.example.com/", "body": "raw"}, {}, "for the path and the query"),
        ({"url": "{{ token }}", "body": "raw"}, {"token": "t0ken"}, "begins with https"),
        ({"url": "https://u:p@x.example/", "body": "raw"}, {}, "names no user"),
        ({"url": URL}, {}, "json needs json_template"),
        ({"url": URL, "body": "form"}, {}, "form needs form_template"),
        ({"url": URL, "json_template": {"a": "{{ nonsense }}"}}, {}, "no placeholder is called nonsense"),
        ({"url": URL, "json_template": {"a": "{{ token }}"}}, {}, "there is no token"),
        ({"url": URL, "body": "raw", "headers": {"Authorization": "Bearer abc"}}, {}, "holds a secret"),
        ({"url": URL, "body": "raw", "headers": {"X-API-Key": "abc"}}, {}, "holds a secret"),
        ({"url": URL, "body": "raw", "headers": {"X Y": "abc"}}, {}, "headers"),
        ({"url": URL, "body": "raw", "headers": {"X": "a\r\nb"}}, {}, "line ends"),
        ({"url": URL, "body": "raw", "success": ["20"]}, {}, "200, 4xx or 500-599"),
        ({"url": URL, "body": "raw", "id_path": "a..b"}, {}, "data.0.id"),
        ({"url": URL, "body": "raw", "username": "u"}, {}, "belong together"),
        ({"url": URL, "body": "raw", "token": "t0ken"}, {}, "give it in `secrets`"),
        ({"url": URL, "body": "raw"}, {"api_key": "t0ken"}, "has no secret 'api_key'"),
        ({"url": URL, "body": "raw"}, {"token": "a\nb"}, "one line"),
        ({"url": URL, "body": "raw", "colour": "red"}, {}, "colour"),
    ],
)
def test_settings_that_do_not_fit_are_told_without_what_they_held(
    settings: dict[str, Any], secrets: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidSettingsError, match=told) as caught:
        fields.read(HTTP, settings, secrets)
    assert "t0ken" not in str(caught.value)
    assert caught.value.__cause__ is None


TEXT = st.text(max_size=50)


@given(value=TEXT, other=TEXT)
def test_what_a_value_holds_is_never_filled_in_again(value: str, other: str) -> None:
    values = {"to": "{{ token }}" + value, "token": other}
    assert fill("<{{ to }}>", values) == f"<{{{{ token }}}}{value}>"
    assert json.loads(json.dumps(fill_json({"a": ["{{ to }}"]}, values))) == {"a": [values["to"]]}


@given(value=TEXT)
def test_a_value_in_an_address_stays_one_part_of_it(value: str) -> None:
    filled = fill_url("https://api.example.com/{{ to }}/end?x=1", {"to": value})
    assert filled.isascii()
    assert filled.count("/") == 4
    assert filled.count("?") == 1
    assert "#" not in filled
