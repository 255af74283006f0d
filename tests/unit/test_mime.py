"""The MIME skeleton against Python's own parser: what goes in comes out, and nothing else gets in."""

import email
import email.policy
import re
from email.header import decode_header, make_header
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskflow.delivery.addresses import UnsafeAddressError
from taskflow.delivery.headers import HeaderInjectionError
from taskflow.delivery.mime import MAX_LINE_BYTES, EmptyMessageError, File, Skeleton
from taskflow.delivery.smtp.envelope import CanonicalBody

DATE = 1_700_000_000.0
MESSAGE_ID = "<k7c2@example.org>"

characters = st.characters(min_codepoint=0x20, exclude_categories=["Cc", "Cs", "Zl", "Zp", "Cn"])


def tidy(text: str) -> str:
    return re.sub(" +", " ", text).strip() or "x"


header_text = st.text(characters, max_size=120).map(tidy)
short_name = st.text(characters, max_size=9).map(
    tidy
)  # one encoded word: Python 3.11 sees a space between two in a name
subject_text = header_text.map(lambda text: text.replace(" ", "  "))
content = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
    | st.sampled_from(["\n", "\r\n", "\r", ".", "\n.\n", "--", "x" * 998, "é" * 499]),
    max_size=20,
).map("".join)


def read(message: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def part(parsed: EmailMessage, subtype: str) -> str:
    found = parsed.get_body((subtype,))
    assert found is not None
    return str(found.get_content())


def lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def build(skeleton: Skeleton | None = None, **values: str | None) -> bytes:
    given_values: dict[str, str | None] = {
        "to": "bob@example.com", "subject": "Hello", "message_id": MESSAGE_ID, "html": "<p>Hi</p>", "text": "Hi",
    }  # fmt: skip
    return (skeleton or Skeleton(from_email="news@example.org")).build(date=DATE, **(given_values | values))  # type: ignore[arg-type]


@settings(max_examples=150, deadline=None)
@given(short_name, short_name, header_text | subject_text, content, content, st.booleans())
def test_what_goes_in_comes_out(
    from_name: str, to_name: str, subject: str, html: str, text: str, eight_bit: bool
) -> None:
    skeleton = Skeleton(
        from_email="news@example.org", from_name=from_name, reply_to="answers@example.org", eight_bit=eight_bit
    )
    message = build(skeleton, to_name=to_name, subject=subject, html=html, text=text)
    parsed = read(message)
    assert not parsed.defects
    assert parsed["Subject"] == subject
    assert parsed["From"].addresses[0].display_name.split() == from_name.split()
    assert parsed["From"].addresses[0].addr_spec == "news@example.org"
    assert parsed["To"].addresses[0].display_name.split() == to_name.split()
    assert parsed["To"].addresses[0].addr_spec == "bob@example.com"
    assert parsed["Reply-To"].addresses[0].addr_spec == "answers@example.org"
    assert parsed["Message-ID"] == MESSAGE_ID
    assert parsed["Date"].datetime.timestamp() == DATE
    assert lines(part(parsed, "html")) == lines(html)
    assert lines(part(parsed, "plain")) == lines(text)
    assert len(parsed.keys()) == len(set(parsed.keys())) == 9


@given(header_text)
def test_a_long_name_comes_out_too(name: str) -> None:
    message = build(to_name=name)
    found = re.search(rb"\r\nTo: (.*?) <bob@example.com>\r\n", message, re.DOTALL)
    assert found is not None
    phrase = found[1].decode("ascii")
    if "=?utf-8?b?" in phrase:
        assert str(make_header(decode_header(phrase))) == name
    else:
        assert re.sub(r"\\(.)", r"\1", phrase.removeprefix('"').removesuffix('"')) == name


@settings(deadline=None)
@given(header_text, content, content, st.booleans())
def test_the_bytes_are_fit_for_any_mail_server(subject: str, html: str, text: str, eight_bit: bool) -> None:
    message = build(Skeleton(from_email="news@example.org", eight_bit=eight_bit), subject=subject, html=html, text=text)
    assert isinstance(message, CanonicalBody)
    assert message.endswith(b"\r\n")
    rows = message.split(b"\r\n")
    assert not any(b"\r" in row or b"\n" in row or b"\0" in row for row in rows)
    assert max(map(len, rows)) <= MAX_LINE_BYTES
    assert eight_bit or message.isascii()
    head = message.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    assert all(row.isascii() and len(row) <= 78 for row in head if not row.startswith(b"Content-Type"))


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_no_text_can_add_a_header(subject: str, name: str, reply_to: str) -> None:
    try:
        skeleton = Skeleton(from_email="news@example.org", from_name=name, reply_to=f"a{reply_to}@example.org")
        message = build(skeleton, subject=subject, to_name=name)
    except (HeaderInjectionError, UnsafeAddressError):
        return
    assert read(message).keys() == [
        "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Precedence", "Content-Type",
    ]  # fmt: skip


@pytest.mark.parametrize("character", ["\r", "\n", "\r\n", "\0", "\t", "\x0b", "\x7f", "\x85", "\u2028", "\ud800"])
@pytest.mark.parametrize("field", ["subject", "to_name", "to", "message_id", "unsubscribe_url"])
def test_a_control_character_in_a_header_is_an_error(field: str, character: str) -> None:
    values = {"to": "bob@example.com", "message_id": "<a@b>", "unsubscribe_url": "https://example.org/u"}
    value = values.get(field, "Hello")
    for hostile in (value + character + "Bcc: eve@example.org", character + value, value + character):
        with pytest.raises((HeaderInjectionError, UnsafeAddressError)):
            build(**{field: hostile})


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://example.org/a>,<b", "https://example.org/ü", "https://a b", "mailto:a@b"]
)
def test_only_a_plain_web_address_becomes_a_list_unsubscribe(url: str) -> None:
    with pytest.raises(HeaderInjectionError):
        build(unsubscribe_url=url)


def test_one_click_unsubscribe_headers_go_together() -> None:
    parsed = read(build(unsubscribe_url="https://example.org/unsubscribe/t0ken"))
    assert parsed["List-Unsubscribe"] == "<https://example.org/unsubscribe/t0ken>"
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert read(build())["List-Unsubscribe"] is None


def test_a_campaign_is_bulk_and_a_transactional_message_is_not() -> None:
    campaign = read(build(Skeleton(from_email="news@example.org", feedback_id="c7:news")))
    assert (campaign["Precedence"], campaign["Auto-Submitted"]) == ("bulk", None)
    assert campaign["Feedback-ID"] == "c7:news"
    transactional = read(build(Skeleton(from_email="news@example.org", purpose="transactional")))
    assert (transactional["Precedence"], transactional["Auto-Submitted"]) == (None, "auto-generated")


@pytest.mark.parametrize(
    ("text", "eight_bit", "encoding"),
    [
        ("plain", False, "7bit"),
        ("plain", True, "7bit"),
        ("café", True, "8bit"),
        ("café", False, "base64"),
        ("x" * 998, False, "7bit"),
        ("x" * 999, False, "base64"),
        ("ok\n" + "é" * 500, True, "base64"),
        ("nul\0", True, "base64"),
    ],
)
def test_the_encoding_is_the_plainest_that_fits(text: str, eight_bit: bool, encoding: str) -> None:
    skeleton = Skeleton(from_email="news@example.org", eight_bit=eight_bit)
    parsed = read(build(skeleton, html=None, text=text))
    assert parsed["Content-Transfer-Encoding"] == encoding
    assert parsed.get_content().rstrip("\r\n") == text or encoding == "base64"
    assert parsed.get_content_type() == "text/plain"


def test_html_alone_is_no_multipart() -> None:
    assert read(build(text=None)).get_content_type() == "text/html"


def test_a_message_needs_content() -> None:
    with pytest.raises(EmptyMessageError):
        build(text=None, html=None)


def test_an_international_address_keeps_its_local_part_and_gets_an_ascii_domain() -> None:
    assert "\r\nTo: jürgen@xn--bcher-kva.example\r\n".encode() in build(to="jürgen@bücher.example")


def test_a_message_byte_for_byte() -> None:
    skeleton = Skeleton(
        from_email="news@example.org", from_name="Änne, Shop", reply_to="help@example.org", eight_bit=True,
        boundary="b1",
    )  # fmt: skip
    message = skeleton.build(
        to="bob@example.com", to_name='Bob "B"', subject="Grüße", message_id=MESSAGE_ID, date=DATE,
        html="<p>Grüße\n.\n", text="Hi", unsubscribe_url="https://example.org/u/1",
    )  # fmt: skip
    assert message.decode() == (
        "From: =?utf-8?b?w4RubmUsIFNob3A=?= <news@example.org>\r\n"
        "Reply-To: help@example.org\r\n"
        'To: "Bob \\"B\\"" <bob@example.com>\r\n'
        "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n"
        "Date: Tue, 14 Nov 2023 22:13:20 -0000\r\n"
        "Message-ID: <k7c2@example.org>\r\n"
        "List-Unsubscribe: <https://example.org/u/1>\r\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        "MIME-Version: 1.0\r\n"
        "Precedence: bulk\r\n"
        'Content-Type: multipart/alternative; boundary="b1"\r\n'
        "\r\n"
        "--b1\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hi\r\n"
        "--b1\r\n"
        "Content-Type: text/html; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 8bit\r\n"
        "\r\n"
        "<p>Grüße\r\n"
        ".\r\n"
        "\r\n"
        "--b1--\r\n"
    )


@pytest.mark.parametrize(
    "filename", ["plan.pdf", "Überblick für Zoë.pdf", 'a "quoted" \\ name.txt', "x" * 200 + ".pdf"]
)
@pytest.mark.parametrize("parts", [{"html": "<p>h</p>", "text": "t"}, {"html": "<p>h</p>"}, {"text": "t"}], ids=list)
def test_files_go_along_and_pictures_belong_to_the_words(filename: str, parts: dict[str, str]) -> None:
    files = [File(filename, "application/pdf", b"%PDF" * 100), File("logo.png", "image/png", b"\x89PNG", "a@taskflow")]
    skeleton = Skeleton(from_email="shop@example.org", files=files)
    message = read(skeleton.build(to="a@example.com", subject="s", message_id=MESSAGE_ID, **parts))
    found = list(message.walk())
    kinds = [part.get_content_type() for part in found]
    words = {"html": "text/html", "text": "text/plain"}
    expected = ["multipart/alternative"] * (len(parts) == 2) + [words[name] for name in sorted(parts, reverse=True)]
    assert kinds == ["multipart/mixed", "multipart/related", *expected, "image/png", "application/pdf"]
    assert not any(part.defects for part in found)
    assert (found[-1].get_filename(), found[-1].get_content_disposition()) == (filename, "attachment")
    assert found[-1].get_content() == b"%PDF" * 100
    assert (found[-2]["Content-ID"], found[-2].get_content_disposition()) == ("<a@taskflow>", "inline")
