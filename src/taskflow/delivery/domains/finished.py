"""Signs finished mails, as applications hand them over by SMTP: their fields are not ours, so only some are covered.

Covered is what RFC 6376, section 5.4.1, recommends, as far as the mail has it once: one that is there twice could not
be told apart. A mail that its own domain has signed already stays as it is; signatures of others stay beside ours.
"""

import re
from collections import Counter

from taskflow.delivery.dkim import Signer, relaxed_body

_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r\n]|\r\n[ \t])*)\r\n")
_SIGNED_BY = re.compile(rb"(?:^|;)\s*d\s*=\s*([^;\s]+)")
_COVERED = frozenset({
    b"from", b"sender", b"reply-to", b"to", b"cc", b"subject", b"date", b"message-id", b"in-reply-to", b"references",
    b"mime-version", b"content-type", b"content-transfer-encoding", b"content-id", b"content-description",
    b"resent-date", b"resent-from", b"resent-to", b"resent-cc", b"resent-message-id", b"list-id", b"list-help",
    b"list-unsubscribe", b"list-unsubscribe-post", b"list-subscribe", b"list-post", b"list-owner", b"list-archive",
    b"auto-submitted", b"feedback-id",
})  # fmt: skip


class FinishedMail:
    """A mail with its header fields taken apart; it was looked at when it was taken (`submission.mail`)."""

    def __init__(self, raw: bytes) -> None:
        """Take apart what stands before the empty line."""
        end = 0 if raw.startswith(b"\r\n") else raw.find(b"\r\n\r\n") + 2
        self._raw = raw
        self._body = raw[end + 2 :]
        self._fields = [(match[1].lower(), match[0], match[2]) for match in _FIELD.finditer(raw[:end])]

    def is_signed_by(self, *domains: str) -> bool:
        """Tell whether it has a DKIM signature of one of these domains."""
        wanted = {domain.lower() for domain in domains}
        signed = (_SIGNED_BY.search(value) for name, _, value in self._fields if name == b"dkim-signature")
        return any(match is not None and match[1].decode("ascii", "replace").lower() in wanted for match in signed)

    def signed(self, signer: Signer, at: float) -> bytes:
        """Return it with a signature of each key before all else. `at`: Unix seconds."""
        times = Counter(name for name, _, _ in self._fields)
        once = [field for name, field, _ in self._fields if name in _COVERED and times[name] == 1]
        covered = [field.removesuffix(b"\r\n") for field in once]
        return signer.over(covered).sign([], relaxed_body(self._body), at) + self._raw
