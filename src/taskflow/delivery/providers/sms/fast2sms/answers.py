"""What Fast2SMS answers (https://docs.fast2sms.com): its codes stand in `status_code`, under any HTTP status."""

from typing import Final

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.sms.sender import of_status

_REPEATED: Final = 995
_REPEATED_SECONDS: Final = 3600.0  # it takes the same number again only after a while, and does not say how long

_REJECTED: Final = {411: Cause.ADDRESS} | dict.fromkeys((402, 406, 407, 417, 424, 425, 426, 500), Cause.CONTENT)
_FAULTS: Final = (
    dict.fromkeys((401, 403, 404, 405, 408, 409, 410, 990), Cause.INVALID)
    | dict.fromkeys((412, 413, 414), Cause.CREDENTIALS)  # the key, or where it is used from
    | dict.fromkeys((415, 996, 998, 999), Cause.SUSPENDED)  # disabled, or not opened for this yet
    | {416: Cause.QUOTA}  # no balance
)


def outcome_of(answer: Answer) -> Outcome:
    """Return what an answer to a text means."""
    said = answer.json
    if said.get("return") is True and isinstance(said.get("request_id"), str) and answer.code == 200:
        return Outcome(OutcomeKind.ACCEPTED, "POST", answer, provider_id=said["request_id"])
    code = said.get("status_code")
    if said.get("return") is not False or not isinstance(code, int):
        return of_status(answer)
    if code == _REPEATED:
        # About this number alone: a throttle would stop the texts to all others.
        return Outcome(OutcomeKind.DEFERRED, "POST", answer, retry_after=_REPEATED_SECONDS, cause=Cause.REPUTATION)
    if code in _FAULTS:
        return Outcome(OutcomeKind.PROVIDER_FAULT, "POST", answer, cause=_FAULTS[code])
    return Outcome(OutcomeKind.REJECTED, "POST", answer, cause=_REJECTED.get(code, Cause.UNKNOWN))
