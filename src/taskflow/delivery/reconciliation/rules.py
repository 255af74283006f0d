"""When a provider is asked about an uncertain message, and what follows from what it says.

| it says | age of the attempt | message | campaign's recipient |
|---|---|---|---|
| it has the message | any | SENT | SENT |
| it has not | under 45 minutes | asked again: a search shows what was taken with a delay | the same |
| it has not | over | sent again: nobody can have it | held: a person decides, and sees what was found |
| nothing | under a day | asked again | asked again |
| nothing | over | held | held |
| it cannot be asked | any | held | held |

A message is sent again so often at most; then it is held. The last look comes long after the attempt: a task that sends
lives five minutes, so that nobody is still at it.
"""

from dataclasses import dataclass
from typing import Literal

from taskflow.delivery.messages.models import DELAYS
from taskflow.delivery.providers.contract import Sighting

LOOKS = (60, 300, 900, 2_700, 7_200, 21_600, 86_400)
"""Ages of an attempt, in seconds, at which its provider is asked."""
SURE_AFTER = 2_700
"""Seconds after which a provider that has a message would say so. Mailgun and Postmark show them within minutes."""
LAST_AFTER = LOOKS[-1]
_MOST_ATTEMPTS = len(DELAYS) + 1

Next = Literal["sent", "again", "resend", "hold"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look has found. `is_known`: the provider has said whether it has it; `may_ask`: it can be asked at all."""

    text: str
    sighting: Sighting | None = None
    is_known: bool = False
    may_ask: bool = True


def next_step(finding: Finding, age: float, *, is_message: bool, attempts: int) -> Next:
    """Return what is to be done after a look at an attempt that began `age` seconds ago, the `attempts`th."""
    if finding.sighting is not None:
        return "sent"
    if not finding.may_ask:
        return "hold"
    if finding.is_known and age >= SURE_AFTER:
        return "resend" if is_message and attempts < _MOST_ATTEMPTS else "hold"
    return "hold" if age >= LAST_AFTER else "again"


def next_age(age: float) -> float:
    """Return the age at which the next look is due after one at `age`."""
    return next((float(look) for look in LOOKS if look > age), float(LAST_AFTER))
