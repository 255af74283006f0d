"""What every provider behind an HTTP API does when the network or the server misbehaves: each fault has one outcome."""

import asyncio
import time
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from support.mail_apis import KEY, Mailgun, Postmark, SendGrid, Ses
from support.mail_providers import Providers, mail, send, send_one
from support.receiver import (
    Message,
    Reply,
    begun,
    endless_after,
    endless_head,
    half_close,
    hang,
    plain,
    receiving,
    saying,
)
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.answers import accepted
from taskflow.delivery.providers.contract import Mail, MailProvider, ProviderUnusableError
from taskflow.delivery.providers.http import Answer, HttpClient, Request
from taskflow.delivery.providers.posting import HttpMailProvider

KINDS: dict[str, tuple[Callable[[], Any], dict[str, Any], dict[str, str]]] = {
    "ses": (Ses, {"region": "eu-west-1", "access_key_id": "AKIACANARY"}, {"secret_access_key": KEY}),
    "sendgrid": (SendGrid, {}, {"api_key": KEY}),
    "mailgun": (Mailgun, {"domain": "mg.example.org"}, {"api_key": KEY}),
    "postmark": (Postmark, {}, {"server_token": KEY}),
    "http": (
        lambda: lambda _message: plain(200),
        {"headers": {"Authorization": "Bearer {{ token }}"}, "json_template": {"to": "{{ to }}"}},
        {"token": KEY},
    ),
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def opened(client: HttpClient, kind: str, url: str, **changes: Any) -> MailProvider:
    _, settings, secrets = KINDS[kind]
    place = {"url": f"{url}/send"} if kind == "http" else {"endpoint": url}
    return Providers(client).open(kind, settings | place | changes, secrets)


@every_kind
async def test_a_window_is_taken_each_with_an_outcome_and_an_id(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        server.answer = KINDS[kind][0]()
        provider = opened(client, kind, server.url)
        outcomes = await send(provider, *(mail(rcpt_to=f"p{number}@example.com") for number in range(3)))
        assert [outcome.kind for outcome in outcomes] == [OutcomeKind.ACCEPTED] * 3
        if kind != "http":
            assert len({outcome.provider_id for outcome in outcomes} - {None}) == 3
        bodies = b"".join(message.body for message in server.messages)
        assert [bodies.count(f"p{number}@example.com".encode()) > 0 for number in range(3)] == [True] * 3
        assert len(server.messages) == 3


class FaultyService:
    """A service with a bug: it cannot tell of one mail, and cannot read the answer about another."""

    def __init__(self, url: str) -> None:
        self._url = url

    def request(self, mail: Mail) -> Request:
        if "untold" in mail.rcpt_to:
            raise TypeError("str is not valid UTF-8: surrogates not allowed")
        return Request("POST", self._url, body=mail.rcpt_to.encode())

    def outcome(self, answer: Answer) -> Outcome:
        if answer.json["to"].startswith("unread"):
            raise OverflowError("a year of eleven digits")
        return accepted(answer, answer.json["to"])

    def probe(self) -> None:
        return None

    def found(self, answer: Answer) -> str:
        return str(answer)


async def test_whatever_goes_wrong_with_one_mail_is_told_of_it_alone(client: HttpClient) -> None:
    async with receiving() as server:
        server.answer = lambda message: plain(200, body=b'{"to": "%s"}' % message.body)
        provider = HttpMailProvider(FaultyService(server.url), client)
        names = ("anna", "untold", "unread", "bob")
        outcomes = await send(provider, *(mail(rcpt_to=f"{name}@example.com") for name in names))
        assert [(one.kind, one.verb) for one in outcomes] == [
            (OutcomeKind.ACCEPTED, "POST"),
            (OutcomeKind.REJECTED, "CHECK"),
            (OutcomeKind.UNCERTAIN, "POST"),
            (OutcomeKind.ACCEPTED, "POST"),
        ]
        assert len(server.messages) == 3


async def test_after_the_first_the_rest_of_a_window_goes_together_over_as_many_connections_as_there_may_be() -> None:
    together = asyncio.Barrier(3)
    client = HttpClient(AddressGuard([ip_network("127.0.0.0/8")]), seconds=5.0, connections=3)

    under_way: list[int] = [0]

    def answer(message: Message) -> Reply:
        async def reply(writer: asyncio.StreamWriter) -> None:
            under_way.append(under_way[-1] + 1)
            if message.body != b"p0@example.com":
                await together.wait()
            under_way.append(under_way[-1] - 1)
            await plain(200, body=b'{"to": "%s"}' % message.body)(writer)

        return reply

    async with receiving() as server:
        server.answer = answer
        provider = HttpMailProvider(FaultyService(server.url), client)
        names = [f"p{number}@example.com" for number in range(10)]
        outcomes = await send(provider, *(mail(rcpt_to=name) for name in names))
        assert [(one.kind, one.provider_id) for one in outcomes] == [(OutcomeKind.ACCEPTED, name) for name in names]
        assert server.messages[0].body == b"p0@example.com"
        assert max(under_way) == 3
    await client.close()


CUTS: dict[str, Reply] = {
    "closed without a word": saying(),
    "its half closed": half_close,
    "cut in the status line": saying(b"HTTP/1.1 20"),
    "cut in the headers": saying(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "no HTTP at all": saying(b"220 mail.example.org ESMTP\r\n"),
    "headers without end": endless_head,
}


@every_kind
@pytest.mark.parametrize("cut", CUTS)
async def test_a_connection_that_breaks_after_the_request_leaves_it_uncertain(
    client: HttpClient, kind: str, cut: str
) -> None:
    async with receiving(CUTS[cut]) as server:
        outcome = await send_one(opened(client, kind, server.url))
        assert (outcome.kind, outcome.cause) == (OutcomeKind.UNCERTAIN, Cause.OUTAGE)
        assert len(server.messages) == 1


@every_kind
async def test_silence_after_the_request_leaves_it_uncertain(hasty: HttpClient, kind: str) -> None:
    async with receiving(hang) as server:
        outcome = await send_one(opened(hasty, kind, server.url))
        assert outcome.kind is OutcomeKind.UNCERTAIN
        assert "No complete answer within 0.3 s" in outcome.text


@every_kind
async def test_nobody_there_is_the_providers_fault_and_ends_the_window(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        url = server.url
    outcomes = await send(opened(client, kind, url), mail(), mail())
    assert [(one.kind, one.cause, one.verb) for one in outcomes] == [
        (OutcomeKind.PROVIDER_FAULT, Cause.OUTAGE, "CONNECT")
    ] * 2
    assert outcomes[0].retry_after


@every_kind
@pytest.mark.parametrize(
    ("status", "expected", "cause"),
    [
        (301, OutcomeKind.PROVIDER_FAULT, Cause.INVALID),
        (401, OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS),
        (404, OutcomeKind.PROVIDER_FAULT, Cause.INVALID),
        (408, OutcomeKind.DEFERRED, Cause.OUTAGE),
        (413, OutcomeKind.REJECTED, Cause.SIZE),
        (500, OutcomeKind.UNCERTAIN, Cause.OUTAGE),
        (502, OutcomeKind.UNCERTAIN, Cause.OUTAGE),
        (503, OutcomeKind.PROVIDER_FAULT, Cause.OUTAGE),
        (504, OutcomeKind.UNCERTAIN, Cause.OUTAGE),
    ],
)
async def test_a_status_that_says_the_same_everywhere_means_the_same(
    client: HttpClient, kind: str, status: int, expected: OutcomeKind, cause: Cause
) -> None:
    async with receiving(plain(status, "Location: http://127.0.0.1:1/", body=b"<html>oops</html>")) as server:
        outcome = await send_one(opened(client, kind, server.url))
        assert (outcome.kind, outcome.cause, outcome.code) == (expected, cause, status)
        assert outcome.text == f"HTTP {status}: <html>oops</html>"
        assert server.connections == 1


@every_kind
async def test_a_throttle_says_when_to_come_back_and_the_rest_of_the_window_is_not_tried(
    client: HttpClient, kind: str
) -> None:
    async with receiving(plain(429, "Retry-After: 17")) as server:
        outcomes = await send(opened(client, kind, server.url), mail(), mail(), mail())
        assert [(one.kind, one.cause, one.retry_after) for one in outcomes] == [
            (OutcomeKind.PROVIDER_FAULT, Cause.THROTTLED, 17.0)
        ] * 3
        assert len(server.messages) == 1


@every_kind
async def test_a_body_without_end_is_read_to_64_kib_and_a_refusal_stays_one(client: HttpClient, kind: str) -> None:
    async with receiving(endless_after(b"HTTP/1.1 413 Too Large")) as server:
        outcome = await send_one(opened(client, kind, server.url))
        assert (outcome.kind, outcome.cause) == (OutcomeKind.REJECTED, Cause.SIZE)
        assert len(outcome.text) <= 500


@every_kind
async def test_a_refusal_whose_body_never_comes_stays_one(hasty: HttpClient, kind: str) -> None:
    async with receiving(begun(b"HTTP/1.1 413 Too Large\r\nContent-Length: 90\r\n\r\nslow")) as server:
        outcome = await send_one(opened(hasty, kind, server.url))
        assert (outcome.kind, outcome.cause, outcome.text) == (OutcomeKind.REJECTED, Cause.SIZE, "HTTP 413: slow")


@pytest.mark.parametrize("kind", ["ses", "mailgun", "postmark"])
async def test_an_acceptance_whose_body_never_comes_is_uncertain(hasty: HttpClient, kind: str) -> None:
    async with receiving(begun(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{")) as server:
        assert (await send_one(opened(hasty, kind, server.url))).kind is OutcomeKind.UNCERTAIN


@pytest.mark.parametrize("kind", ["ses", "mailgun", "postmark"])
async def test_an_acceptance_whose_body_does_not_end_is_uncertain(client: HttpClient, kind: str) -> None:
    async with receiving(endless_after(b"HTTP/1.1 200 OK")) as server:
        assert (await send_one(opened(client, kind, server.url))).kind is OutcomeKind.UNCERTAIN


@pytest.mark.parametrize("kind", ["ses", "mailgun", "postmark"])
async def test_an_acceptance_whose_body_is_cut_is_uncertain(client: HttpClient, kind: str) -> None:
    cut = saying(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"MessageId": "x", "id": "x", "ErrorCode": 0')
    async with receiving(cut) as server:
        assert (await send_one(opened(client, kind, server.url))).kind is OutcomeKind.UNCERTAIN


@every_kind
async def test_hostile_addresses_are_refused_before_a_byte_is_sent(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        provider = opened(client, kind, server.url)
        for address in ("a@x\r\nBcc: b@y", "-x@example.com", "a b@example.com", "<a@b>", "a@b\0", "", "a@" + "b" * 300):
            for changes in ({"rcpt_to": address}, {"mail_from": address}):
                outcome = await send_one(provider, **changes)
                assert (outcome.kind, outcome.verb) == (OutcomeKind.REJECTED, "CHECK")
        assert server.connections == 0


@every_kind
async def test_after_the_deadline_nothing_is_begun(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        outcomes = await opened(client, kind, server.url).send([mail(), mail()], time.monotonic() - 1)
        assert [one.kind for one in outcomes] == [OutcomeKind.NOT_STARTED] * 2
        assert server.connections == 0


@every_kind
async def test_a_server_that_repeats_our_headers_does_not_make_the_ledger_tell_the_secret(
    client: HttpClient, kind: str
) -> None:
    async with receiving() as server:
        server.answer = lambda message: plain(400, body=f"you sent {message.headers} {KEY}".encode())
        outcome = await send_one(opened(client, kind, server.url))
        sent = server.messages[0].headers
        authorization = sent.get("authorization") or sent["x-postmark-server-token"]
        assert KEY not in outcome.text
        assert authorization not in outcome.text
        assert "[redacted]" in outcome.text


@pytest.mark.parametrize("kind", ["ses", "sendgrid", "mailgun", "postmark"])
async def test_testing_the_connection_signs_in_and_sends_nothing(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        server.answer = api = KINDS[kind][0]()
        assert (await opened(client, kind, server.url).check()).startswith("Signed in to ")
        assert api.taken == []


@pytest.mark.parametrize("kind", ["ses", "sendgrid", "mailgun", "postmark"])
async def test_testing_the_connection_tells_of_wrong_credentials(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        server.answer = KINDS[kind][0]()
        wrong = Providers(client).open(
            kind, KINDS[kind][1] | {"endpoint": server.url}, dict.fromkeys(KINDS[kind][2], "not-the-key")
        )
        with pytest.raises(ProviderUnusableError, match="does not take the credentials"):
            await wrong.check()
        assert (await send_one(wrong)).cause is Cause.CREDENTIALS


@pytest.mark.parametrize("kind", ["ses", "sendgrid", "mailgun", "postmark"])
async def test_testing_the_connection_tells_that_nobody_is_there(client: HttpClient, kind: str) -> None:
    async with receiving() as server:
        url = server.url
    with pytest.raises(ProviderUnusableError, match=r"127\.0\.0\.1 cannot be reached"):
        await opened(client, kind, url).check()
