"""Providers that can be asked whether they have a mail, each in its documented words."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support import mail_apis as apis
from support.mail_apis import KEY, answer
from support.mail_providers import Providers, mail
from support.receiver import half_close, plain, receiving
from taskflow.base.ids import uuid7
from taskflow.delivery.providers.contract import Mail, ProviderUnusableError, Searchable, Sought
from taskflow.delivery.providers.email.mailgun_answers import MOST_EVENTS

NOW = datetime.now(UTC)


def mailgun(providers: Providers, url: str) -> Any:
    return providers.open("mailgun", {"domain": "mg.example.org", "endpoint": url}, {"api_key": KEY})


def postmark(providers: Providers, url: str) -> Any:
    return providers.open("postmark", {"endpoint": url}, {"server_token": KEY})


KINDS = [pytest.param(mailgun, apis.Mailgun, id="mailgun"), pytest.param(postmark, apis.Postmark, id="postmark")]


def sought(one: Mail) -> Sought:
    return Sought(one.message_id, "<m@example.org>", one.rcpt_to, NOW - timedelta(minutes=1))


@pytest.mark.parametrize(("kind", "api"), KINDS)
async def test_what_a_provider_took_is_found_under_its_id_and_nothing_else_is(
    providers: Providers, kind: Any, api: Any
) -> None:
    async with receiving() as server:
        server.answer = api()
        provider = kind(providers, server.url)
        taken, other = mail(), mail()
        [outcome] = await provider.send([taken], float("inf"))
        found = await provider.find(sought(taken))
        assert found is not None
        assert found.provider_id == outcome.provider_id
        assert await provider.find(sought(other)) is None, "to the same person, and another mail"
        assert await provider.find(replace(sought(taken), message_id=uuid7())) is None


@pytest.mark.parametrize(("kind", "api"), KINDS)
@pytest.mark.parametrize(
    "reply",
    [
        plain(500),
        plain(401),
        plain(429),
        plain(200, body=b"<html>"),
        answer(200, {"items": None, "Messages": None}),
        half_close,
        plain(200, body=b"{" + b" " * 70_000 + b"}"),
    ],
)
async def test_an_answer_that_says_nothing_is_never_taken_for_a_no(
    providers: Providers, kind: Any, api: Any, reply: Any
) -> None:
    async with receiving(reply) as server:
        server.answer = api()
        with pytest.raises(ProviderUnusableError):
            await kind(providers, server.url).find(sought(mail()))


async def test_mailgun_has_told_of_too_many_mails_to_say_no(providers: Providers) -> None:
    async with receiving() as server:
        server.answer = apis.Mailgun()
        provider = mailgun(providers, server.url)
        mails = [mail() for _ in range(MOST_EVENTS)]
        await provider.send(mails, float("inf"))
        assert await provider.find(sought(mails[-1])) is not None
        with pytest.raises(ProviderUnusableError, match="too many"):
            await provider.find(sought(mail()))


async def test_postmark_answers_with_a_mail_that_was_not_asked_for(providers: Providers) -> None:
    odd = answer(200, {"TotalCount": 1, "Messages": [{"MessageID": "pm-1", "Metadata": {}}]})
    async with receiving(odd) as server:
        with pytest.raises(ProviderUnusableError, match="not asked for"):
            await postmark(providers, server.url).find(sought(mail()))


@pytest.mark.parametrize(
    ("kind", "settings", "secrets"),
    [
        ("smtp", {"host": "127.0.0.1"}, {}),
        ("ses", {"region": "eu-west-1", "access_key_id": "A"}, {"secret_access_key": KEY}),
        ("sendgrid", {}, {"api_key": KEY}),
        ("twilio", {"account_sid": "AC" + "0" * 32, "sender": "+15005550006"}, {"auth_token": KEY}),
    ],
)
async def test_who_cannot_be_asked_does_not_say_so(
    providers: Providers, kind: str, settings: dict[str, Any], secrets: dict[str, str]
) -> None:
    provider = providers.open(kind, settings, secrets)
    assert not isinstance(provider, Searchable)
    await provider.close()
