"""The state machine of a message: what may become of one recipient, mirrored by a CHECK in the schema.

```
                     SENDING committed            outcome committed
PENDING | DEFERRED ────────────────────▶ SENDING ───────────────────▶ SENT | FAILED | DEFERRED | UNCERTAIN
        │                                   │ nothing was sent
        │                                   └──────────────────────▶ PENDING | DEFERRED, as before
        └─▶ SUPPRESSED | CANCELLED | FAILED (cannot be rendered)
```

A row that is found SENDING under an older epoch was in flight when its sender died: it becomes UNCERTAIN, or, under
the policy `resend`, SENDING again. FAILED and CANCELLED rows start over only when somebody retries their task by hand,
or resends a failed message; UNCERTAIN ones only when somebody resolves them, or their provider was asked
(`delivery.reconciliation`).
"""

from enum import StrEnum


class RecipientStatus(StrEnum):
    """Where a recipient is."""

    PENDING = "PENDING"
    SENDING = "SENDING"
    SENT = "SENT"
    FAILED = "FAILED"
    DEFERRED = "DEFERRED"
    UNCERTAIN = "UNCERTAIN"
    SUPPRESSED = "SUPPRESSED"
    CANCELLED = "CANCELLED"
    BOUNCED = "BOUNCED"
    UNSUBSCRIBED = "UNSUBSCRIBED"


_S = RecipientStatus

WAITING = frozenset({_S.PENDING, _S.DEFERRED})
TERMINAL = frozenset(_S) - WAITING - {_S.SENDING}

TRANSITIONS: dict[RecipientStatus, frozenset[RecipientStatus]] = {
    _S.PENDING: frozenset({_S.SENDING, _S.FAILED, _S.SUPPRESSED, _S.CANCELLED}),
    _S.DEFERRED: frozenset({_S.SENDING, _S.FAILED, _S.SUPPRESSED, _S.CANCELLED}),
    _S.SENDING: frozenset({_S.SENT, _S.FAILED, _S.DEFERRED, _S.UNCERTAIN, _S.PENDING, _S.CANCELLED, _S.SENDING}),
    _S.SENT: frozenset({_S.BOUNCED, _S.UNSUBSCRIBED}),
    _S.FAILED: frozenset({_S.SENDING, _S.SUPPRESSED, _S.PENDING}),
    _S.UNCERTAIN: frozenset({_S.SENT, _S.FAILED, _S.PENDING}),
    _S.SUPPRESSED: frozenset(),
    _S.CANCELLED: frozenset({_S.SENDING, _S.SUPPRESSED}),
    _S.BOUNCED: frozenset(),
    _S.UNSUBSCRIBED: frozenset(),
}


def allowed(current: str, wanted: str) -> bool:
    """Tell whether a row may go from `current` to `wanted`."""
    return RecipientStatus(wanted) in TRANSITIONS[RecipientStatus(current)]
