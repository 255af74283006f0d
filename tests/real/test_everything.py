"""The whole way: API, coordinator, worker, router, our SMTP client, Postfix; and bounces back to us."""

import re

import pytest

from real.conftest import Installation
from support.scripted_smtp import Message
from support.signatures import valid
from support.waiting import eventually

pytestmark = pytest.mark.real
HTML = '<p>Dear {{ first_name }},</p><p><a href="{{ unsubscribe_url }}">No more of this</a></p>'


def undotted(message: Message) -> bytes:
    return re.sub(rb"(?m)^\.\.", b".", message.body)


async def test_a_campaign_arrives_signed_and_what_bounces_names_its_message(installation: Installation) -> None:
    sink = installation.hop.sink
    people = [{"email": f"p{number}@example.com", "first_name": f"Änne {number}"} for number in range(30)]
    refused = [{"email": f"{name}@example.com", "first_name": "X"} for name in ("nobody", "gone")]
    padding = "<!-- a line of a mail that is as long as lines are -->\n" * 180
    done = await installation.campaign(
        template_subject="Grüße, {{ first_name }}", template_body=HTML + padding, recipients=people + refused
    )
    assert (done["progress"]["sent"], done["progress"]["failed"]) == (31, 1), (
        "one was refused at once, one took its time"
    )
    await eventually(lambda: len(sink.messages) == 31, seconds=60, what="30 mails and a bounce")
    mails = {one.rcpt_to.decode(): one for one in sink.messages if one.mail_from}
    assert set(mails) == {one["email"] for one in people}
    for mail in mails.values():
        assert valid(undotted(mail), installation.zone) == [True, True]
        assert len(mail.body) > 10_000
        assert b"with ESMTPSA id" in mail.body
    [bounce] = [one for one in sink.messages if not one.mail_from]
    assert b"The mailbox is gone" in bounce.body
    whose = await installation.domains.whose(bounce.rcpt_to.decode())
    assert (str(whose.campaign_id), whose.email, whose.status) == (done["campaign_id"], "gone@example.com", "SENT")


async def test_messages_of_every_shape_arrive_signed(installation: Installation) -> None:
    sink = installation.hop.sink
    upload = {"file": ("terms.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 14_000, "application/pdf")}
    media = (await installation.admin.post("/api/v1/media", files=upload)).json()
    words = {
        "subject": "Order {{ order }} 🎉",
        "text": "From\n.\n..\n{{ order }}" + " é" * 600,
        "variables": {"order": 7},
    }
    [large] = await installation.message(
        "ann@example.com", **words, attachments=[{"media_id": media["media_id"], "filename": "größe.pdf"}]
    )
    ends = await installation.message("jürgen@bücher.example", "nobody@example.com", "bob@example.com", **words)
    assert [one["status"] for one in [large, *ends]] == ["SENT", "SENT", "FAILED", "SENT"]
    assert "No such user here" in ends[1]["reply"]
    assert large["size_bytes"] > 4_800_000
    await eventually(lambda: len(sink.messages) == 3, seconds=60, what="the mails")
    assert {one.rcpt_to.decode() for one in sink.messages} == {
        "ann@example.com", "jürgen@xn--bcher-kva.example", "bob@example.com",
    }  # fmt: skip
    for mail in sink.messages:
        assert valid(undotted(mail), installation.zone) == [True, True]
