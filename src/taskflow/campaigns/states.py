"""The state machine of a campaign: the one table of legal transitions, mirrored by a CHECK in the schema.

```
DRAFT ──▶ SCHEDULED ──▶ RUNNING ◀──▶ PAUSED
   │          │           │  ▲          │
   └──────────┴───────────┤  │ reopened └──▶ CANCELLED
                          ▼  │
              CANCELLED | COMPLETED | FAILED
```

COMPLETED means that every recipient's row is terminal; `outcome` says whether all went well. It opens again only when
somebody resends an uncertain message or retries a failed one by hand.
"""

from enum import StrEnum
from typing import NamedTuple

from taskflow.base.errors import ConflictError


class CampaignStatus(StrEnum):
    """Where a campaign is in its life."""

    DRAFT = "DRAFT"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


_S = CampaignStatus

TERMINAL = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELLED})


class Move(NamedTuple):
    """A step that a campaign may take: from which states, to which one."""

    sources: frozenset[CampaignStatus]
    target: CampaignStatus
    done: str  # "cannot be …"


MOVES: dict[str, Move] = {
    "schedule": Move(frozenset({_S.DRAFT}), _S.SCHEDULED, "scheduled"),
    "start": Move(frozenset({_S.DRAFT, _S.SCHEDULED}), _S.RUNNING, "started"),
    "pause": Move(frozenset({_S.RUNNING}), _S.PAUSED, "paused"),
    "resume": Move(frozenset({_S.PAUSED}), _S.RUNNING, "resumed"),
    "cancel": Move(frozenset({_S.DRAFT, _S.SCHEDULED, _S.RUNNING, _S.PAUSED}), _S.CANCELLED, "cancelled"),
    "complete": Move(frozenset({_S.RUNNING}), _S.COMPLETED, "completed"),
    "fail": Move(frozenset({_S.SCHEDULED, _S.RUNNING}), _S.FAILED, "given up"),
    "reopen": Move(frozenset({_S.COMPLETED}), _S.RUNNING, "reopened"),
}


class IllegalCampaignTransitionError(ConflictError):
    """The campaign is not in a state that allows this."""

    code = "illegal_transition"


def sources(verb: str) -> list[str]:
    """Return the states that a move starts from: the guard of the statement that makes it."""
    return sorted(status.value for status in MOVES[verb].sources)


def refusal(current: str, verb: str) -> IllegalCampaignTransitionError:
    """Return the error for a campaign that is `current` and cannot make the move `verb`."""
    return IllegalCampaignTransitionError(f"A campaign that is {current} cannot be {MOVES[verb].done}.", status=current)
