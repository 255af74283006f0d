"""Mail over SMTP as a provider: passwords and tokens, causes, and what a test of the connection finds."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest

from support.certificates import server_context
from support.mail_apis import KEY
from support.mail_providers import Providers, mail, send, send_one
from support.receiver import Message, Reply, plain, receiving
from support.scripted_smtp import FEATURES, ScriptedSmtp, hang_up
from support.waiting import eventually
from taskflow.delivery.outcome import Cause, OutcomeKind
from taskflow.delivery.providers import fields
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.fields import InvalidSettingsError
from taskflow.delivery.providers.registry import Registry

AUTH = (*FEATURES, "AUTH PLAIN XOAUTH2")
REFRESH = "canary-refresh-token"


def opened(providers: Providers, server: ScriptedSmtp, secrets: dict[str, str] | None = None, **changes: Any) -> Any:
    settings = {"host": "127.0.0.1", "port": server.port, "security": "none"}
    return providers.open("smtp", settings | changes, secrets or {})


async def test_a_window_goes_over_one_connection(providers: Providers) -> None:
    async with ScriptedSmtp() as server:
        provider = opened(providers, server)
        outcomes = await send(provider, *(mail() for _ in range(10)))
        assert [one.kind for one in outcomes] == [OutcomeKind.ACCEPTED] * 10
        assert len(server.sessions) == 1
        await provider.close()


@pytest.mark.parametrize(
    ("verb", "reply", "kind", "cause"),
    [
        ("RCPT", "550 5.1.1 no such user", OutcomeKind.REJECTED, Cause.ADDRESS),
        ("RCPT", "550 no such user", OutcomeKind.REJECTED, Cause.ADDRESS),
        ("RCPT", "550 Requested action not taken: mailbox not found", OutcomeKind.REJECTED, Cause.ADDRESS),
        ("RCPT", "550 relaying denied", OutcomeKind.REJECTED, Cause.UNKNOWN),
        ("RCPT", "550 your server is on a block list", OutcomeKind.REJECTED, Cause.UNKNOWN),
        ("RCPT", "550 5.1.0 sender rejected", OutcomeKind.REJECTED, Cause.UNKNOWN),
        ("RCPT", "552 5.2.2 mailbox full", OutcomeKind.REJECTED, Cause.MAILBOX_FULL),
        ("RCPT", "452 4.2.2 mailbox full", OutcomeKind.DEFERRED, Cause.MAILBOX_FULL),
        ("RCPT", "550 5.7.1 user unknown, blocked by reputation", OutcomeKind.REJECTED, Cause.REPUTATION),
        ("RCPT", "451 4.7.1 greylisted", OutcomeKind.DEFERRED, Cause.GREYLISTED),
        ("RCPT", "450 try later", OutcomeKind.DEFERRED, Cause.THROTTLED),
        ("MAIL", "421 4.7.0 too many", OutcomeKind.DEFERRED, Cause.THROTTLED),
        ("MAIL", "530 5.7.0 sign in first", OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS),
        ("MAIL", "550 5.1.8 bad sender", OutcomeKind.PROVIDER_FAULT, Cause.SENDER),
        ("MAIL", "550 5.7.60 may not send as this sender", OutcomeKind.PROVIDER_FAULT, Cause.SENDER),
        ("MAIL", "553 not yours", OutcomeKind.PROVIDER_FAULT, Cause.SENDER),
        ("MAIL", "552 5.3.4 too big", OutcomeKind.REJECTED, Cause.SIZE),
        (
            "RCPT",
            "553 5.7.1 <a@x.example>: Sender address rejected: not owned by user a",
            OutcomeKind.PROVIDER_FAULT,
            Cause.SENDER,
        ),
        ("DOT", "550 5.6.0 bad content", OutcomeKind.REJECTED, Cause.CONTENT),
        ("DOT", "554 looks like spam", OutcomeKind.REJECTED, Cause.CONTENT),
        ("DOT", "552 5.3.4 too big", OutcomeKind.REJECTED, Cause.SIZE),
        ("DOT", "454 Throttling failure: Maximum sending rate exceeded.", OutcomeKind.PROVIDER_FAULT, Cause.THROTTLED),
        ("DOT", "454 Throttling failure: Daily message quota exceeded.", OutcomeKind.PROVIDER_FAULT, Cause.QUOTA),
        ("RCPT", "550 5.4.5 Daily user sending limit exceeded.", OutcomeKind.PROVIDER_FAULT, Cause.QUOTA),
    ],
)
async def test_a_refusal_has_its_kind_and_its_cause(
    providers: Providers, verb: str, reply: str, kind: OutcomeKind, cause: Cause
) -> None:
    async with ScriptedSmtp() as server:
        server.script(verb, reply)
        outcome = await send_one(opened(providers, server))
        assert (outcome.kind, outcome.cause, outcome.text) == (kind, cause, reply)
        assert server.unused == {}
        if cause in (Cause.QUOTA, Cause.THROTTLED) and kind is OutcomeKind.PROVIDER_FAULT:
            assert outcome.retry_after


async def test_a_connection_cut_after_the_final_dot_stays_uncertain(providers: Providers) -> None:
    async with ScriptedSmtp() as server:
        server.script("DOT", hang_up)
        outcome = await send_one(opened(providers, server))
        assert (outcome.kind, outcome.cause) == (OutcomeKind.UNCERTAIN, Cause.OUTAGE)


async def test_testing_the_connection_says_what_the_server_offers(providers: Providers) -> None:
    async with ScriptedSmtp(AUTH) as server:
        found = await opened(providers, server, {"password": KEY}, username="me").check()
        assert found == (
            f"Connected and signed in to 127.0.0.1:{server.port}; it offers PIPELINING, 8BITMIME, SMTPUTF8, and takes"
            " messages of up to 10,485,760 bytes."
        )
        assert not any(line.startswith(b"MAIL") for line in server.commands)


async def test_testing_the_connection_tells_what_the_server_said(providers: Providers) -> None:
    async with ScriptedSmtp(AUTH) as server:
        server.script("AUTH", "535 5.7.8 no")
        with pytest.raises(ProviderUnusableError, match=r"AUTH: 535 5\.7\.8 no"):
            await opened(providers, server, {"password": KEY}, username="me").check()
    with pytest.raises(ProviderUnusableError, match="CONNECT"):
        await opened(providers, server).check()


async def test_a_private_authority_is_trusted_when_its_certificate_is_given(
    providers: Providers, tmp_path: Path
) -> None:
    context, pem = server_context(tmp_path)
    async with ScriptedSmtp((*FEATURES, "STARTTLS"), tls=context) as server:
        told = {"host": "localhost", "security": "starttls"}
        with pytest.raises(ProviderUnusableError, match="CERTIFICATE_VERIFY_FAILED"):
            await opened(providers, server, **told).check()
        assert await opened(providers, server, **told, ca_certificates=pem.read_text()).check()


# -- XOAUTH2


class Tokens:
    """An authorisation server that turns the refresh token into access tokens."""

    def __init__(self, life: Any = 3600) -> None:
        self.made = 0
        self.life = life

    def __call__(self, message: Message) -> Reply:
        if f"refresh_token={REFRESH}".encode() not in message.body:
            return plain(400, body=b'{"error": "invalid_grant", "error_description": "Bad Request"}')
        self.made += 1
        return plain(200, body=b'{"access_token": "token-%d", "expires_in": %d}' % (self.made, self.life))


def with_tokens(providers: Providers, server: ScriptedSmtp, url: str, token: str = REFRESH) -> Any:
    told = {"username": "me@example.org", "oauth_client_id": "app", "oauth_token_url": url, "connections": 2}
    return opened(providers, server, {"oauth_refresh_token": token, "oauth_client_secret": KEY}, **told)


def said(server: ScriptedSmtp) -> list[bytes]:
    lines = [line for line in server.commands if line.startswith(b"AUTH XOAUTH2 ")]
    return [base64.b64decode(line.split()[2]) for line in lines]


async def test_an_access_token_is_made_once_and_signs_every_connection_in(providers: Providers) -> None:
    async with receiving() as authority, ScriptedSmtp(AUTH) as server:
        authority.answer = tokens = Tokens()
        provider = with_tokens(providers, server, authority.url)
        await asyncio.gather(*(send_one(provider) for _ in range(2)))
        assert tokens.made == 1
        assert set(said(server)) == {b"user=me@example.org\x01auth=Bearer token-1\x01\x01"}
        assert b"grant_type=refresh_token&client_id=app" in authority.messages[0].body


async def test_a_token_that_is_refused_is_replaced_and_the_refusal_is_heard_to_its_end(providers: Providers) -> None:
    async with receiving() as authority, ScriptedSmtp(AUTH) as server:
        authority.answer = tokens = Tokens()
        server.script("AUTH", "334 " + base64.b64encode(b'{"status":"401"}').decode())
        server.script("", "535 5.7.8 Username and Password not accepted")
        provider = with_tokens(providers, server, authority.url)
        first = await send_one(provider)
        assert (first.kind, first.cause) == (OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS)
        assert first.code == 535
        assert server.unused == {}

        async def is_accepted() -> bool:
            return (await send_one(provider)).kind is OutcomeKind.ACCEPTED

        await eventually(is_accepted, what="the server is tried again")
        assert tokens.made == 2
        assert said(server)[-1] == b"user=me@example.org\x01auth=Bearer token-2\x01\x01"


async def test_without_a_token_nothing_is_sent_and_no_secret_is_told(providers: Providers) -> None:
    async with receiving() as authority, ScriptedSmtp(AUTH) as server:
        authority.answer = Tokens()
        outcome = await send_one(with_tokens(providers, server, authority.url, token="revoked-canary"))
        assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "AUTH")
        assert "HTTP 400 invalid_grant" in outcome.text
        assert not any(secret in outcome.text for secret in ("revoked-canary", KEY))
        assert said(server) == []


@pytest.mark.parametrize("body", [b"", b"[]", b'{"access_token": 5}', b'{"access_token": "a\\r\\nMAIL FROM:<x>"}'])
async def test_a_hostile_authority_gives_no_token(providers: Providers, body: bytes) -> None:
    async with receiving(plain(200, body=body)) as authority, ScriptedSmtp(AUTH) as server:
        assert (await send_one(with_tokens(providers, server, authority.url))).kind is OutcomeKind.PROVIDER_FAULT
        assert said(server) == []


async def test_a_server_without_xoauth2_gets_no_token(providers: Providers) -> None:
    async with receiving() as authority, ScriptedSmtp((*FEATURES, "AUTH PLAIN")) as server:
        authority.answer = tokens = Tokens()
        outcome = await send_one(with_tokens(providers, server, authority.url))
        assert "does not offer AUTH XOAUTH2" in outcome.text
        assert tokens.made == 0


# -- presets and settings


def test_gmail_is_a_preset_with_its_server_quota_and_place() -> None:
    gmail = Registry().kind("gmail")
    assert (gmail.priority, gmail.defaults) == (2, {"per_day": 2000})
    assert Registry().kind("ses").priority == 1
    for secrets in ({"password": "app password"}, {"oauth_refresh_token": REFRESH}):
        told = {"username": "me@gmail.com"} | ({"oauth_client_id": "a"} if "password" not in secrets else {})
        provider: Any = gmail.open(fields.read(gmail, told, secrets), Providers(None).surroundings)  # type: ignore[arg-type]  # nobody is asked
        smtp = provider.pool._settings
        assert (smtp.host, smtp.port, smtp.security) == ("smtp.gmail.com", 587, "starttls")


async def test_the_sandbox_is_where_its_settings_say(providers: Providers) -> None:
    async with ScriptedSmtp() as server:
        here = Providers(providers.surroundings.http, ("127.0.0.1", server.port))
        assert (await send_one(here.open("sandbox", {}, {}))).kind is OutcomeKind.ACCEPTED


@pytest.mark.parametrize(
    ("kind", "settings", "secrets", "told"),
    [
        ("smtp", {}, {}, "host"),
        ("smtp", {"host": "a b"}, {}, "host"),
        ("smtp", {"host": "-x"}, {}, "host"),
        ("smtp", {"host": "mail.example.org", "security": "none", "username": "u"}, {"password": "x"}, "in the clear"),
        ("smtp", {"host": "mail.example.org"}, {"password": "x"}, "needs a username"),
        ("smtp", {"host": "mail.example.org", "username": "u\r\nx"}, {}, "line ends"),
        ("smtp", {"host": "mail.example.org", "helo_name": "a b"}, {}, "no host name"),
        ("smtp", {"host": "mail.example.org", "ca_certificates": "x"}, {}, "no certificates"),
        ("smtp", {"host": "m.example.org", "username": "u", "oauth_client_id": "a"}, {"oauth_refresh_token": "r"},
         "needs oauth_token_url"),
        ("gmail", {"username": "me@gmail.com"}, {}, "app password"),
        ("gmail", {"username": "u", "oauth_client_id": "a"}, {"password": "x", "oauth_refresh_token": "r"}, "not both"),
        ("gmail", {"username": "u"}, {"oauth_refresh_token": "r"}, "needs oauth_client_id"),
        ("ses", {"region": "eu/../x", "access_key_id": "a"}, {"secret_access_key": "s"}, "region"),
        ("mailgun", {"domain": "a/b"}, {"api_key": "k"}, "domain"),
        ("sendgrid", {"region": "mars"}, {"api_key": "k"}, "region"),
        ("postmark", {}, {}, "server_token"),
        ("sandbox", {"host": "x"}, {}, "host"),
    ],
)  # fmt: skip
def test_settings_that_do_not_fit_their_kind_are_told(
    kind: str, settings: dict[str, Any], secrets: dict[str, str], told: str
) -> None:
    with pytest.raises(InvalidSettingsError, match=told):
        fields.read(Registry().kind(kind), settings, secrets)
