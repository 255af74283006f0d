"""Whom a mail is from that an SMTP client hands over: its From says so, not its envelope."""

import pytest

from taskflow.delivery.submission.mail import MailRefusedError, finish


def from_of(field: bytes) -> str:
    found = finish(field + b"\r\n\r\nHello\r\n", utf8=True, message_id=lambda _: "<x@example.org>")
    return found.from_email


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (b"From: Ann <ann@Example.org>", "ann@Example.org"),
        (b'From: "Ann, of A" <ann@b\xc3\xbccher.example>', "ann@xn--bcher-kva.example"),
        (b"From:\r\n ann@example.org (Ann)", "ann@example.org"),
    ],
)
def test_who_is_in_from_is_found(field: bytes, found: str) -> None:
    assert from_of(field) == found


def test_a_from_without_an_address_is_refused() -> None:
    with pytest.raises(MailRefusedError):
        from_of(b"From: nobody")
