"""Finished mails are signed as they are, and judged by somebody else's verifier (dkimpy)."""

import time

import pytest

from support.signatures import signatures, signer, valid
from taskflow.delivery.domains.finished import FinishedMail

PLAIN = (
    b"Received: from a by b\r\n\tfor c; now\r\nReceived: again\r\n"
    b"From: Ann <ann@Example.org>\r\nTo: bob@example.com,\r\n eve@example.com\r\n"
    b"Subject:  Hello   there \r\nX-Own: 1\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain;\r\n\tcharset=utf-8\r\n\r\nGr\xc3\xbc\xc3\x9fe  \r\n\r\n\r\n"
)


@pytest.mark.parametrize(
    "raw",
    [
        PLAIN,
        PLAIN.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
        PLAIN.replace(b"Hello   there", "Grüße".encode()),
        PLAIN.replace(b"X-Own: 1", b"Resent-To: a@example.net\r\nResent-To: b@example.net"),
        PLAIN.replace(b"Subject:  Hello   there \r\n", b"Subject:\r\n"),
    ],
)
def test_a_mail_is_signed_by_each_key_and_stays_byte_for_byte(raw: bytes) -> None:
    whose, zone = signer()
    signed = FinishedMail(raw).signed(whose, time.time())
    assert signed.endswith(raw)
    assert valid(signed, zone) == [True, True]
    assert valid(signed.replace(b"bob@", b"rob@"), zone) == [False, False], "To is covered"
    assert valid(b"From: mallory@example.net\r\n" + signed, zone) == [False, False]


def test_a_signature_of_the_domain_is_seen_and_that_of_another_is_none() -> None:
    whose, _ = signer("example.org")
    signed = FinishedMail(FinishedMail(PLAIN).signed(whose, time.time()))
    assert signed.is_signed_by("Example.org")
    assert not signed.is_signed_by("example.com")
    assert not FinishedMail(PLAIN).is_signed_by("example.org")
    folded = b"DKIM-Signature: v=1; a=rsa-sha256;\r\n\td=mail.example.org;\r\n s=x; bh=d=example.org; b=\r\n" + PLAIN
    assert FinishedMail(folded).is_signed_by("mail.example.org")
    assert not FinishedMail(folded).is_signed_by("example.org")
    assert len(signatures(folded)) == 1
