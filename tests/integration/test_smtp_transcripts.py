"""What the sender says, byte for byte, whatever names, subjects, addresses and host names it is given."""

import re

import pytest

from support.scripted_smtp import ScriptedSmtp
from taskflow.delivery.addresses import UnsafeAddressError
from taskflow.delivery.headers import HeaderInjectionError
from taskflow.delivery.mime import Skeleton
from taskflow.delivery.outcome import OutcomeKind
from taskflow.delivery.smtp import Envelope, SmtpPool
from taskflow.settings import SmtpSettings

SMUGGLED = (
    "\r\n.\r\nMAIL FROM:<eve@example.org>\r\nRCPT TO:<mallory@example.org>\r\nDATA\r\nSubject: no\r\n\r\nx\r\n.\r\n"
)
DATE = 1_700_000_000.0

# What may stand in a header: it is carried along, encoded.
HARMLESS = [
    "", " ", "Bob", 'Bob "the" <b@example.org>', "Bob\\", "a, b; c: d", "<script>", "=?utf-8?q?Bcc=3A_x?=",
    "Ünïcödé 名前 🎉", "\u202egnp.exe", "x" * 2000, "é" * 2000, ". ", ".", "..", "RCPT TO:<b@example.org>",
    "QUIT", "%0d%0aBcc: x@example.org", "\\r\\nBcc: x", "\ufeffBcc: x", "a\u00a0b", "\u200bBcc: x",
]  # fmt: skip

# What must never stand in one.
HOSTILE = [
    SMUGGLED, "Bob\r\nBcc: eve@example.org", "Bob\nBcc: eve@example.org", "Bob\rBcc: eve@example.org", "B\r\n\r\nbody",
    "Bob\0", "\0", "Bob\x0bBcc: x", "Bob\x0cBcc: x", "Bob\x1b[31m", "Bob\x7f", "Bob\x85Bcc: x", "Bob\u2028Bcc: x",
    "Bob\u2029Bcc: x", "Bob\ud800", "\nBob", "Bob\n", "Bob\r\n Bcc: folded", "Bob\tTab",
]  # fmt: skip

HOSTILE_ADDRESSES = [
    "a@example.org" + SMUGGLED, "a@example.org\r\nDATA", "a@example.org\n", "a@example.org\r", "a@example.org\0",
    "a@example.org> SIZE=1", "a@example.org>\r\nRSET\r\n", "<a@example.org>", "-oQ/tmp@example.org", "a b@example.org",
    '"a\r\nb"@example.org', '"a b"@example.org', "a@example.org,b@example.org", "a@example.org b@example.org",
    "@relay:a@example.org", "a%b@example.org@c", "a@[127.0.0.1]", "a@", "@b", "", " ", "a@exa\x00mple.org", "a@b\u2028",
    "a@example.org\x85", "a\ud800@example.org", "a" * 300 + "@example.org", "a@" + "b." * 200 + "org",
]  # fmt: skip

HOSTILE_BODIES = [
    b".", b".\r\n", b"..", b"\r\n.\r\n", b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"x\n.\nQUIT\n",
    b"x\r.\rRSET\r", b"\r\r\n.\r\r\n", SMUGGLED.encode(), SMUGGLED.replace("\r\n", "\n").encode(),
    SMUGGLED.replace("\r\n", "\r").encode(), b"x" * 3000, b"", b"no line end", b"\r\n" * 50,
]  # fmt: skip


def settings(server: ScriptedSmtp, **changes: str) -> SmtpSettings:
    return SmtpSettings.model_validate({"host": "127.0.0.1", "port": server.port, "security": "none"} | changes)


async def say(server: ScriptedSmtp, *envelopes: Envelope) -> list[OutcomeKind]:
    pool = SmtpPool(settings(server, helo_name="sender.example.org"))
    async with pool.session() as session:
        outcomes = await session.send_window(envelopes)
    await pool.close()
    return [outcome.kind for outcome in outcomes]


def expected(*bodies: tuple[str, bytes]) -> bytes:
    """The one transcript that is right."""
    said = [b"EHLO sender.example.org\r\n"]
    for recipient, body in bodies:
        parameters = b" SIZE=%d" % len(body) + (b"" if body.isascii() else b" BODY=8BITMIME")
        said.append(b"MAIL FROM:<news@example.org>%b\r\nRCPT TO:<%b>\r\nDATA\r\n" % (parameters, recipient.encode()))
        said.append(re.sub(rb"(?m)^\.", b"..", body) + b".\r\n")
    return b"".join([*said, b"QUIT\r\n"])


@pytest.mark.parametrize("value", HARMLESS)
@pytest.mark.parametrize("field", ["subject", "to_name", "from_name"])
async def test_a_strange_but_harmless_value_is_carried_inside_its_own_message(field: str, value: str) -> None:
    values = {"subject": "Hello", "to_name": "Bob", "from_name": "News"} | {field: value}
    skeleton = Skeleton(from_email="news@example.org", from_name=values["from_name"], eight_bit=True)
    body = skeleton.build(
        to="bob@example.com", to_name=values["to_name"], subject=values["subject"], html=value, text=value,
        message_id="<a@example.org>", date=DATE,
    )  # fmt: skip
    async with ScriptedSmtp() as server:
        kinds = await say(server, *[Envelope("news@example.org", "bob@example.com", body)] * 2)
        assert kinds == [OutcomeKind.ACCEPTED] * 2
        assert server.received == [expected(("bob@example.com", body), ("bob@example.com", body))]
        assert len(server.messages) == server.dots == 2


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_never_becomes_a_header(value: str) -> None:
    skeleton = Skeleton(from_email="news@example.org")
    valid = {"to": "bob@example.com", "subject": "Hello", "message_id": "<a@example.org>", "text": "Hi"}
    for field in ("subject", "to_name", "to", "message_id", "unsubscribe_url"):
        with pytest.raises((HeaderInjectionError, UnsafeAddressError)):
            skeleton.build(**(valid | {field: value}))  # type: ignore[arg-type]
    for field in ("from_email", "from_name", "reply_to", "feedback_id"):
        with pytest.raises((HeaderInjectionError, UnsafeAddressError)):
            Skeleton(**({"from_email": "news@example.org"} | {field: value}))  # type: ignore[arg-type]


@pytest.mark.parametrize("address", HOSTILE_ADDRESSES)
async def test_a_hostile_address_is_refused_before_a_byte_of_it_is_said(address: str) -> None:
    body = b"Subject: hello\r\n\r\nHello.\r\n"
    async with ScriptedSmtp() as server:
        kinds = await say(
            server,
            Envelope("news@example.org", "ann@example.com", body),
            Envelope("news@example.org", address, body),
            Envelope(address, "bob@example.com", body),
            Envelope("news@example.org", "cid@example.com", body),
        )
        accepted, rejected = OutcomeKind.ACCEPTED, OutcomeKind.REJECTED
        assert kinds == [accepted, rejected, rejected, accepted]
        assert server.received == [expected(("ann@example.com", body), ("cid@example.com", body))]


@pytest.mark.parametrize("content", HOSTILE_BODIES)
@pytest.mark.parametrize("raw", [True, False], ids=["raw", "built"])
async def test_no_content_ends_its_message_early(content: bytes, raw: bool) -> None:
    if raw:
        body = b"Subject: hello\r\n\r\n" + content
    else:
        body = Skeleton(from_email="news@example.org").build(
            to="bob@example.com", subject="Hello", text=content.decode(), message_id="<a@example.org>", date=DATE
        )
    async with ScriptedSmtp() as server:
        kinds = await say(server, *[Envelope("news@example.org", "bob@example.com", body)] * 2)
        assert kinds == [OutcomeKind.ACCEPTED] * 2
        canonical = re.sub(rb"\r\n|\r|\n", b"\r\n", body)
        canonical += b"" if canonical.endswith(b"\r\n") else b"\r\n"
        assert server.received == [expected(("bob@example.com", canonical), ("bob@example.com", canonical))]
        assert [line for line in server.commands if line == b"DATA\r\n"] == [b"DATA\r\n"] * 2


@pytest.mark.parametrize(
    "name", [SMUGGLED, "a\r\nMAIL FROM:<b@c>", "a b", "a\0", "", "-x", "ü.de", "a\n", "[x]\r\n", "a" * 300]
)
async def test_a_hostile_ehlo_name_is_refused_before_anything_is_said(name: str) -> None:
    async with ScriptedSmtp() as server:
        with pytest.raises(UnsafeAddressError):
            SmtpPool(settings(server, helo_name=name))
        assert server.sessions == []


async def test_a_server_that_refuses_gets_no_body_to_read_as_commands() -> None:
    body = b"Subject: hello\r\n\r\n" + SMUGGLED.encode()
    async with ScriptedSmtp() as server:
        server.script("RCPT", "550 5.1.1 no", None)
        kinds = await say(server, *[Envelope("news@example.org", f"user{n}@example.com", body) for n in range(2)])
        assert kinds == [OutcomeKind.REJECTED, OutcomeKind.ACCEPTED]
        verbs = [line.split()[0] for line in server.commands]
        assert verbs == [b"EHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"MAIL", b"RCPT", b"DATA", b"QUIT"]
        assert len(server.messages) == 1
