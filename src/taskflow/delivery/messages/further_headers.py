"""Headers that a caller may add to a message: those that change neither who it is from and for, nor how it is read.

Everything else is made by us (From, To, Date, Message-ID, MIME), or would make a message lie (Received, DKIM-Signature,
Return-Path), or would send it to somebody else (Cc, Bcc, Resent-To). So do headers by which providers take orders: at
SendGrid `X-SMTPAPI` replaces the recipients, past ledger and suppressions. Those are refused wherever they come from.
"""

import re
from collections.abc import Mapping

from taskflow.base.errors import InvalidInputError
from taskflow.delivery import headers

MOST = 20
_MOST_CHARS = 998
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,59}")
_ALLOWED = frozenset(
    {
        "comments", "feedback-id", "importance", "in-reply-to", "keywords", "list-help", "list-id", "list-unsubscribe",
        "list-unsubscribe-post", "organization", "priority", "references",
    }
)  # fmt: skip
_UNSUBSCRIBING = frozenset({"list-unsubscribe", "list-unsubscribe-post"})
_OURS = "x-taskflow-"
_ORDERS = (
    "x-smtpapi",  # SendGrid
    "x-ses-",  # Amazon SES
    "x-mailgun-",
    "x-pm-",  # Postmark
    "x-mc-",  # Mandrill
    "x-msys-",  # SparkPost
    "x-mj-", "x-mailjet-",
    "x-mailin-", "x-sib-",  # Brevo
)  # fmt: skip


class HeaderNotAllowedError(InvalidInputError):
    """This header cannot be set on a message."""

    code = "header_not_allowed"


def gives_orders(name: str) -> bool:
    """Tell whether a provider would take this header for an order: other recipients, another account, tracking."""
    return name.lower().startswith(_ORDERS)


def check(given: Mapping[str, str], *, promotional: bool = False) -> None:
    """Look at further headers before a message is taken; a promotional one has an unsubscribe link of ours.

    Raises:
        HeaderNotAllowedError: one is not among those that may be set, comes twice, or is no plain text.
        HeaderInjectionError: a value holds a line break or another control character.
    """
    if len(given) > MOST:
        raise HeaderNotAllowedError(f"A message may have {MOST} further headers; these are {len(given)}.")
    seen: set[str] = set()
    for name, value in given.items():
        lower = name.lower()
        if gives_orders(name):
            raise HeaderNotAllowedError(f"The header {name[:60]} cannot be set: a provider takes it for an order.")
        is_free = lower.startswith("x-") and not lower.startswith(_OURS)
        if _NAME.fullmatch(name) is None or not (lower in _ALLOWED or is_free):
            raise HeaderNotAllowedError(
                f"The header {name[:60]!r} cannot be set: X-… can, and {', '.join(sorted(_ALLOWED))}."
            )
        if promotional and lower in _UNSUBSCRIBING:
            raise HeaderNotAllowedError(f"The header {name} cannot be set: a promotional mail has one of ours.")
        if lower in seen:
            raise HeaderNotAllowedError(f"The header {name} is there twice.")
        seen.add(lower)
        headers.check(name, value)
        if not 0 < len(value) <= _MOST_CHARS:
            raise HeaderNotAllowedError(f"The header {name} has 1 to {_MOST_CHARS} characters.")
        if not is_free and not value.isascii():
            raise HeaderNotAllowedError(f"The header {name} is ASCII.")
