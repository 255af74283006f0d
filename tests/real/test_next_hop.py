"""Postfix as the next hop: what it takes from us, what it refuses, and what it delivers."""

import email
import email.policy
import os
import re

import pytest

from real.conftest import Hop
from support.signatures import signer, valid
from support.waiting import eventually
from taskflow.delivery.mime import File, Skeleton
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.settings import SmtpSettings

pytestmark = pytest.mark.real
ACCEPTED, REJECTED, DEFERRED = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED, OutcomeKind.DEFERRED


def letter(to: str, *, size: int = 0, **more: object) -> Envelope:
    """Return a mail of about `size` bytes."""
    lines = "A line of the text, as long as lines of a text are.\n" * (size // 52)
    options = {"from_name": "Änne & Co.", "eight_bit": True} | more
    body = Skeleton(from_email="news@sender.example", **options).build(  # type: ignore[arg-type]
        to=to, subject="Grüße", html=f"<p>Hello</p>{lines}", text="Hällo\n.\n..dots\n" + lines,
        message_id="<one@sender.example>", unsubscribe_url="https://sender.example/u/1",
    )  # fmt: skip
    return Envelope("bounce@sender.example", to, body)


async def send(settings: SmtpSettings, *envelopes: Envelope) -> list[Outcome]:
    pool = SmtpPool(settings)
    try:
        async with pool.session() as session:
            return await session.send_window(envelopes)
    finally:
        await pool.close()


def without_trace(message: bytes) -> bytes:
    """Return a delivered message without the Received lines that came on the way, as it was composed."""
    undotted = re.sub(rb"(?m)^\.\.", b".", message)
    return re.sub(rb"\A(?:Received:[^\r]*\r\n(?:[ \t][^\r]*\r\n)*)+", b"", undotted)


async def test_a_window_goes_over_one_secured_connection_and_each_message_has_its_own_answer(hop: Hop) -> None:
    people = [f"p{number}@example.com" for number in range(10)]
    people[3], people[6] = "nobody@example.com", "later@example.com"
    envelopes = [letter(person) for person in people]
    outcomes = await send(hop.settings(), *envelopes)
    expected = [ACCEPTED] * 10
    expected[3], expected[6] = REJECTED, DEFERRED
    assert [one.kind for one in outcomes] == expected
    assert (outcomes[3].code, outcomes[6].code) == (550, 450)
    assert "No such user here" in outcomes[3].text
    await eventually(lambda: len(hop.sink.messages) == 8, seconds=30, what="what Postfix delivers")
    sent = {one.rcpt_to.encode(): one.body for one in envelopes}
    for message in hop.sink.messages:
        assert message.mail_from == b"bounce@sender.example"
        assert without_trace(message.body) == sent[message.rcpt_to]
        assert b"with ESMTPSA id" in message.body, "secured and signed in"
    said = hop.postfix.said()
    assert "sasl_method=PLAIN, sasl_username=taskflow" in said
    assert "ehlo=2 starttls=1 auth=1 mail=10 rcpt=8/10" in said, "all over one connection"
    assert "improper command pipelining" not in said


async def test_what_the_server_can_is_known_only_once_it_was_secured(hop: Hop) -> None:
    pool = SmtpPool(hop.settings())
    features = await pool.features()
    await pool.close()
    assert (features.pipelining, features.eight_bit, features.utf8, features.max_size) == (True, True, True, 8388608)
    assert features.auth == {"PLAIN", "LOGIN"}
    pool = SmtpPool(hop.bare())
    features = await pool.features()
    await pool.close()
    assert (features.pipelining, features.eight_bit, features.utf8, features.size) == (False, False, False, False)


async def test_a_certificate_that_nobody_vouches_for_gets_neither_password_nor_mail(hop: Hop) -> None:
    [outcome] = await send(hop.settings(ca_file=None), letter("ann@example.com"))
    assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "STARTTLS")
    [outcome] = await send(hop.settings(host="127.0.0.1"), letter("ann@example.com"))
    assert (outcome.kind, outcome.verb) == (OutcomeKind.PROVIDER_FAULT, "STARTTLS"), "it is not for this name"
    assert hop.sink.sessions == []


async def test_a_wrong_password_is_the_providers_fault_and_not_the_messages(hop: Hop) -> None:
    [outcome] = await send(hop.settings(password="wrong"), letter("ann@example.com"))
    assert (outcome.kind, outcome.verb, outcome.code) == (OutcomeKind.PROVIDER_FAULT, "AUTH", 535)


async def test_an_international_address_arrives_in_its_own_letters(hop: Hop) -> None:
    bare, full = letter("jürgen@bücher.example"), letter("jürgen@bücher.example")
    assert [one.kind for one in await send(hop.bare(), bare)] == [REJECTED]
    assert [one.kind for one in await send(hop.settings(), full)] == [ACCEPTED]
    await eventually(lambda: hop.sink.messages, seconds=30, what="the mail")
    assert hop.sink.messages[0].rcpt_to.decode() == "jürgen@xn--bcher-kva.example"
    assert any(b"SMTPUTF8" in line for line in hop.sink.commands if line.startswith(b"MAIL"))
    parsed = email.message_from_bytes(hop.sink.messages[0].body, policy=email.policy.SMTPUTF8)
    assert parsed["To"] == "jürgen@xn--bcher-kva.example"


@pytest.mark.parametrize("size", [10_000, 5_000_000])
async def test_signatures_are_good_on_what_was_delivered(hop: Hop, size: int) -> None:
    keys, zone = signer("sender.example")
    small = letter("ann@example.com", size=min(size, 10_000), signer=keys)
    attached = [File("größe.bin", "application/octet-stream", os.urandom(int(size * 0.73)))] if size > 100_000 else []
    large = letter("bob@example.com", signer=keys, files=attached, size=0 if attached else size)
    assert len(large.body) > 0.9 * size
    for settings in (hop.settings(), hop.bare()):
        assert [one.kind for one in await send(settings, small, large)] == [ACCEPTED] * 2
    await eventually(lambda: len(hop.sink.messages) == 4, seconds=60, what="what Postfix delivers")
    for message in hop.sink.messages:
        body = re.sub(rb"(?m)^\.\.", b".", message.body)
        assert valid(body, zone) == [True, True]
        assert valid(body.replace(b"List-Unsubscribe:", b"List-Unsubscribes:"), zone) == [False, False]


async def test_a_message_that_is_too_large_is_not_even_begun_and_refused_where_nobody_said_so(hop: Hop) -> None:
    large = letter("ann@example.com", files=[File("a.bin", "application/octet-stream", os.urandom(7_000_000))])
    first, second = await send(hop.settings(), large, letter("bob@example.com"))
    assert (first.kind, second.kind) == (REJECTED, ACCEPTED)
    assert "larger than the mail server's 8388608" in first.text
    assert "size limit" not in hop.postfix.said()
    signed, _ = signer("sender.example")
    large = letter("cid@example.com", signer=signed, files=[File("a.bin", "a/b", os.urandom(7_000_000))])
    first, second = await send(hop.bare(), large, letter("dan@example.com", signer=signed))
    assert (first.kind, first.code, second.kind) == (REJECTED, 552, ACCEPTED)
    await eventually(lambda: len(hop.sink.messages) == 2, seconds=30, what="the small ones")
    assert {message.rcpt_to for message in hop.sink.messages} == {b"bob@example.com", b"dan@example.com"}
