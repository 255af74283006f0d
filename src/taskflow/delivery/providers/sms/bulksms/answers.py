"""What BulkSMS answers: https://www.bulksms.com/developer/json/v1/. An error is {type, title, status, detail}."""

from collections.abc import Mapping
from typing import Any, Final

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.sms.sender import of_status

_FAULTS: Final = {  # by the end of `type`
    "insufficient-credits": Cause.QUOTA,
    "authentication-failed": Cause.CREDENTIALS,
    "unauthorized": Cause.CREDENTIALS,
    "forbidden": Cause.SUSPENDED,
}


def made_by(answer: Answer) -> Mapping[str, Any] | None:
    """Return the one message that a submission made; None when it made none that can be read."""
    found = answer.data
    if answer.code != 201 or not isinstance(found, list) or len(found) != 1 or not isinstance(found[0], dict):
        return None
    message: dict[str, Any] = found[0]
    return message if isinstance(message.get("id"), str) and message["id"] else None


def outcome_of(answer: Answer) -> Outcome:
    """Return what an answer to a text means."""
    message = made_by(answer)
    if message is not None:
        return Outcome(OutcomeKind.ACCEPTED, "POST", answer, provider_id=message["id"])
    kind = str(answer.json.get("type", "")).replace("#", "/").rpartition("/")[2]
    if kind in _FAULTS and 400 <= answer.code < 500:
        return Outcome(OutcomeKind.PROVIDER_FAULT, "POST", answer, cause=_FAULTS[kind])
    return of_status(answer)
