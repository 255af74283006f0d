"""Mails taken apart: what a mail holds is found again, and whatever is no mail is refused in one way."""

from contextlib import suppress
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.delivery.mime import Skeleton
from taskflow.delivery.providers.parsed import UnreadableMailError, parse

HEADS = st.lists(
    st.sampled_from([b"From: a@x.example", b"From: =?utf-8?q?=FF?= <>", b"Subject: \xff", b"Reply-To: ,,;<>@",
                     b"Content-Type: multipart/mixed", b"Content-ID: <", b"X-A: \r\n b",
                     b"Content-Type: multipart/mixed; boundary=x", b"Content-Type: text/html; charset=\x00",
                     b"Content-Transfer-Encoding: base64", b"Content-Type: message/rfc822",
                     b"Content-Disposition: attachment; filename*=utf-8''%FF"]),
    max_size=6,
)  # fmt: skip


@given(head=HEADS, body=st.binary(max_size=200))
def test_anything_is_either_read_or_refused(head: list[bytes], body: bytes) -> None:
    with suppress(UnreadableMailError):
        found = parse(b"\r\n".join(head) + b"\r\n\r\n--x\r\n" + body)
        assert found.text is not None or found.html is not None
        assert not any("\r" in value or "\n" in value for _, value in found.headers)


def test_a_thousand_parts_in_each_other_are_refused() -> None:
    body = b"From: a@x.example\r\n"
    for depth in range(1_500):
        body += b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (depth, depth)
    with pytest.raises(UnreadableMailError):
        parse(body + b"Content-Type: text/plain\r\n\r\nx\r\n")


def test_a_mail_of_ours_is_read_as_it_was_written() -> None:
    skeleton = Skeleton(from_email="news@example.org", purpose="transactional", eight_bit=True)
    found = parse(
        skeleton.build(
            to="anna@example.com",
            subject="Grüße 👋",
            message_id="<1@example.org>",
            text="Hällo\n",
            html="<p>Hällo</p>\n",
        )
    )
    assert (found.sender.addr_spec, found.subject) == ("news@example.org", "Grüße 👋")
    assert (found.text, found.html) == ("Hällo\n", "<p>Hällo</p>\n")
    assert dict(found.headers)["Message-ID"] == "<1@example.org>"
    assert found.attachments == []


def test_a_mail_inside_a_mail_is_an_attachment() -> None:
    inner = EmailMessage(policy=SMTP)
    inner["Subject"] = "inner"
    inner.set_content("inside\n")
    outer = EmailMessage(policy=SMTP)
    outer["From"] = "a@x.example"
    outer.set_content("outside\n")
    outer.add_attachment(inner)
    [attachment] = parse(outer.as_bytes()).attachments
    assert attachment.content_type == "message/rfc822"
    assert b"Subject: inner" in attachment.content
    assert b"inside" in attachment.content


def test_a_text_that_is_attached_is_a_file_and_not_the_body() -> None:
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "a@x.example"
    mail.set_content("the body\n")
    mail.add_attachment("a,b\n", filename="rows.txt")
    found = parse(mail.as_bytes())
    assert found.text == "the body\n"
    assert [(one.filename, one.content.strip()) for one in found.attachments] == [("rows.txt", b"a,b")]
