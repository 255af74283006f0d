"""What a message is for, and which fields say so: one table for all mail that leaves.

| purpose | Precedence | Auto-Submitted | Feedback-ID | List-Unsubscribe and -Post (RFC 8058) |
|---|---|---|---|---|
| campaign | bulk: no vacation notice comes back | - : a person sends it | campaign:campaign:sender | always, signed |
| promotional: a message that nobody waits for | bulk | - | all:promotional:sender | always, signed |
| transactional | - : somebody waits for it | auto-generated (RFC 3834) | all:transactional:sender | with a link |
| confirmation | - | auto-generated | all:confirmation:sender | never: who does nothing gets no more |
"""

import base64
import hashlib
from typing import Literal
from uuid import UUID

from taskflow.delivery import headers

Purpose = Literal["campaign", "promotional", "transactional", "confirmation"]

_BULK = frozenset({"campaign", "promotional"})
_SENDER_CHARS = 12  # Gmail takes 5 to 15


def standing_fields(purpose: Purpose, feedback_id: str | None = None) -> tuple[bytes, ...]:
    """Return the fields, without line ends, that all messages of a purpose have.

    Raises:
        HeaderInjectionError: the Feedback-ID must not stand in a header.
    """
    feedback = () if feedback_id is None else (b"Feedback-ID: " + headers.unstructured("Feedback-ID", feedback_id),)
    return *feedback, b"Precedence: bulk" if purpose in _BULK else b"Auto-Submitted: auto-generated"


def feedback_id(purpose: Purpose, from_domain: str, campaign_id: UUID | None = None) -> str:
    """Return a Feedback-ID, `what:purpose:sender`: Gmail's complaint statistics are by its parts.

    The sender's part depends on the domain alone, so that it is the same in all mail of a domain, as Gmail asks.
    """
    digest = hashlib.sha256(from_domain.lower().encode()).digest()
    sender = base64.b32encode(digest).decode().lower()[:_SENDER_CHARS]
    return f"{campaign_id.hex if campaign_id is not None else 'all'}:{purpose}:{sender}"
