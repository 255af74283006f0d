"""DKIM: byte by byte as the RFCs write it, and good in the eyes of somebody else's verifier."""

import base64
import hashlib
import re

import dkim.canonicalization
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from support.signatures import signatures, signer, valid
from taskflow.delivery.dkim import Algorithm, Signer, SigningKey, relaxed_body, relaxed_field
from taskflow.delivery.mime import File, Skeleton

# RFC 8463, appendix A: key, message and signature.
RFC_KEY = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RFC_BODY = b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
RFC_FIELDS = [
    b"From: Joe SixPack <joe@football.example.com>",
    b"To: Suzie Q <suzie@shopping.example.net>",
    b"Subject: Is dinner ready?",
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)",
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>",
]
RFC_SIGNATURE = (
    b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
    b" d=football.example.com; i=@football.example.com;\r\n"
    b" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
    b" subject : date : message-id : from : subject : date;\r\n"
    b" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
    b" b="
)
RFC_VALUE = b"/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw=="
ED_KEY = Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC_KEY))
AT = 1_700_000_000

lines = st.lists(
    st.text(st.sampled_from(" \tab."), max_size=12).map(lambda text: text.encode() + b"\r\n"), max_size=8
).map(b"".join)


def build(skeleton: Skeleton, **values: str | bytes | None) -> bytes:
    given_values = {
        "to": "bob@example.com",
        "subject": "Hello",
        "message_id": "<k7c2@example.org>",
        "html": "<p>Hi</p>",
        "text": "Hi",
        "unsubscribe_url": "https://example.org/u/1",
    } | values
    return skeleton.build(date=AT, **given_values)  # type: ignore[arg-type]


def covered(message: bytes) -> list[str]:
    found = re.search(rb"h=([^;]*);", message)
    assert found is not None
    return re.sub(r"\s", "", found[1].decode()).split(":")


# ── the RFCs' own words


def test_the_example_of_rfc_8463_comes_out_as_printed() -> None:
    assert base64.b64encode(hashlib.sha256(relaxed_body(RFC_BODY)).digest()) in RFC_SIGNATURE
    hashed = b"".join(map(relaxed_field, RFC_FIELDS)) + relaxed_field(RFC_SIGNATURE)[:-2]
    # The example's h= ends with names that are not there once more: they add nothing.
    key = SigningKey("brisbane", Algorithm.ED25519, ED_KEY)
    assert base64.b64encode(key.sign(hashlib.sha256(hashed).digest())) == RFC_VALUE


@pytest.mark.parametrize(
    ("field", "relaxed"),
    [
        (b"A: X", b"a:X\r\n"),
        (b"B : Y\t\r\n\tZ  ", b"b:Y Z\r\n"),
        (b"SubJect:   a \t  b ", b"subject:a b\r\n"),
        (b"X:", b"x:\r\n"),
        (b"X: a:b", b"x:a:b\r\n"),
    ],
)
def test_fields_are_relaxed_as_rfc_6376_says(field: bytes, relaxed: bytes) -> None:
    assert relaxed_field(field) == relaxed


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),
        (b"\r\n", b""),
        (b" \t \r\n\r\n", b""),
        (b"", b""),
        (b"a\r\n" + b" " * 5000 + b"b\r\n", b"a\r\n b\r\n"),
    ],
)
def test_bodies_are_relaxed_as_rfc_6376_says(body: bytes, relaxed: bytes) -> None:
    assert relaxed_body(body) == relaxed


@given(lines)
def test_bodies_are_relaxed_as_another_implementation_does(body: bytes) -> None:
    assert relaxed_body(body) == dkim.canonicalization.Relaxed.canonicalize_body(body)


# ── our signatures


def test_the_signature_is_this_one_byte_by_byte() -> None:
    found = Signer("example.org", (SigningKey("s1", Algorithm.ED25519, ED_KEY),))
    message = build(Skeleton(from_email="news@example.org", boundary="b1", signer=found))
    field = message[: message.index(b"From: ")]
    assert field == (
        b"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=example.org;\r\n"
        b" s=s1; t=1700000000;\r\n"
        b" h=From:From:MIME-Version:To:Subject:Date:Message-ID:List-Unsubscribe:\r\n"
        b"  List-Unsubscribe-Post:Content-Type;\r\n"
        b" bh=RN+rcEtap7rbY6b9s0oUR93AYt05QFqS4DV4kXnkraM=;\r\n"
        b" b=P+b3b7K046zMvLUInftvTn4gp8P5k0Dds4tTizWk5JjDkHPKG4IuWtbpM80DiSBA9GOqlys4\r\n"
        b"  FeomnhYXHVhcBg==\r\n"
    )


def test_everything_that_readers_and_receivers_go_by_is_covered_and_from_twice() -> None:
    found, _ = signer()
    skeleton = Skeleton(from_email="news@example.org", reply_to="a@example.org", feedback_id="a:b:c", signer=found)
    names = covered(build(skeleton))
    assert sorted(names) == sorted(
        [
            "From",
            "From",
            "To",
            "Subject",
            "Date",
            "Message-ID",
            "Reply-To",
            "MIME-Version",
            "Content-Type",
            "List-Unsubscribe",
            "List-Unsubscribe-Post",
            "Feedback-ID",
        ]
    )


def test_both_keys_sign_and_the_other_verifier_says_that_both_are_good() -> None:
    found, zone = signer()
    message = build(Skeleton(from_email="news@example.org", from_name="Änne", signer=found))
    assert signatures(message) == ["s0", "s1"]
    assert valid(message, zone) == [True, True]


words = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"]), min_size=1, max_size=80)
contents = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
    | st.sampled_from(["\n", "\r\n", "  \n", "\t", ".", "\n.\n", " " * 40, "x" * 1200]),
    max_size=12,
).map("".join)
ED, ED_ZONE = signer(algorithms=[Algorithm.ED25519])


@settings(max_examples=150, deadline=None)
@given(words, words, contents, contents, st.booleans(), st.sampled_from(["both", "html", "text"]))
def test_whatever_is_written_its_signature_is_good(
    name: str, subject: str, html: str, text: str, eight_bit: bool, parts: str
) -> None:
    skeleton = Skeleton(from_email="news@example.org", from_name=name, eight_bit=eight_bit, signer=ED)
    message = build(
        skeleton,
        subject=subject,
        html=html if parts != "text" else None,
        text=text if parts != "html" else None,
    )
    assert valid(message, ED_ZONE) == [True]
    assert message.split(b"\r\n\r\n", 1)[1].isascii()  # nobody on the way has to encode it anew


def test_with_files_it_is_good_too() -> None:
    picture, terms = (
        File("a.png", "image/png", b"\x89PNG", "logo@example.org"),
        File("terms  of use.pdf", "application/pdf", b"%PDF" * 99),
    )
    message = build(Skeleton(from_email="news@example.org", files=[picture, terms], signer=ED))
    assert valid(message, ED_ZONE) == [True]


@pytest.mark.parametrize(
    "change",
    [
        lambda message: message.replace(b"Hello", b"Hullo"),
        lambda message: message.replace(b"<p>Hi</p>", b"<p>Ho</p>"),
        lambda message: message.replace(b"From: news@", b"From: mews@"),
        lambda message: message.replace(b"/u/1>", b"/u/2>"),
        lambda message: message.replace(b"Post: List-Unsubscribe=One-Click", b"Post: nothing"),
        lambda message: message.replace(b"From: news@", b"From: evil@example.net\r\nFrom: news@"),
    ],
    ids=["subject", "body", "sender", "link", "one click", "a second From"],
)
def test_what_is_changed_on_the_way_breaks_it(change: object) -> None:
    message = build(Skeleton(from_email="news@example.org", signer=ED))
    changed = change(message)  # type: ignore[operator]
    assert changed != message
    assert valid(message, ED_ZONE) == [True]
    assert valid(changed, ED_ZONE) == [False]


def test_the_shared_part_is_hashed_once_and_stays_as_it_is() -> None:
    skeleton = Skeleton(from_email="news@example.org", signer=ED)
    first, second = build(skeleton, to="a@example.com"), build(skeleton, to="b@example.com")
    assert valid(first, ED_ZONE) == valid(second, ED_ZONE) == [True]
    assert build(skeleton, to="a@example.com") == first


def test_a_skeleton_can_be_given_other_keys_or_none() -> None:
    found, zone = signer("other.example.org", [Algorithm.ED25519])
    skeleton = Skeleton(from_email="news@example.org", eight_bit=True, signer=ED)
    skeleton.sign_with(found)
    assert valid(build(skeleton), zone) == [True]
    skeleton.sign_with(None)
    plain = build(skeleton, html="<p>é</p>")
    assert signatures(plain) == []
    assert "é".encode() in plain
