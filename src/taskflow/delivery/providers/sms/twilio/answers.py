"""What Twilio answers, and what its reports say: https://www.twilio.com/docs/api/errors."""

from typing import Final

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.sms.sender import of_status

_REJECTED: Final = (
    dict.fromkeys((21211, 21214, 21217, 21263, 21265, 21604, 21614, 21635), Cause.ADDRESS)  # no number, or a landline
    | {21610: Cause.OPTED_OUT}
    | dict.fromkeys((21602, 21619, 30007, 30011), Cause.CONTENT)
    | dict.fromkeys((21605, 21617, 30019), Cause.SIZE)
    # no way from this sender to that country or network
    | dict.fromkeys((21408, 21608, 21612, 21266, 21267, 21656), Cause.INVALID)
)
_FAULTS: Final = (
    dict.fromkeys((20003, 20008, 20404, 70051), Cause.CREDENTIALS)
    | dict.fromkeys((20005, 20006, 30002, 90010), Cause.SUSPENDED)
    | dict.fromkeys((20429, 14107, 30022, 88001), Cause.THROTTLED)
    | dict.fromkeys((30010, 30023, 63038), Cause.QUOTA)  # a price or a day's number is used up
    # the sender is not ours, or cannot send
    | dict.fromkeys((21212, 21603, 21606, 21609, 21659, 21660, 21701, 21703, 21704, 21705, 30034), Cause.SENDER)
    | dict.fromkeys((30410, 30500), Cause.OUTAGE)
)
_SERVER_ERROR: Final = 500  # in the middle of something: its code does not prove that nothing was taken
_QUEUE_FULL: Final = 21611  # of this sender

_DELIVERY: Final = {
    21610: Cause.OPTED_OUT,
    30001: Cause.THROTTLED,
    30002: Cause.SUSPENDED,
    30003: Cause.UNKNOWN,  # off, or out of reach
    30004: Cause.REPUTATION,  # blocked: by whom is not said
    30005: Cause.ADDRESS,
    30006: Cause.ADDRESS,  # a landline
    30007: Cause.CONTENT,  # filtered
    30008: Cause.UNKNOWN,
    30009: Cause.UNKNOWN,  # a part is missing
    30010: Cause.QUOTA,
    30011: Cause.CONTENT,
    30017: Cause.THROTTLED,  # the carrier is congested
    30018: Cause.THROTTLED,
    30019: Cause.SIZE,
    30022: Cause.THROTTLED,
    30023: Cause.QUOTA,
    30032: Cause.INVALID,  # a toll-free number that is not verified
    30034: Cause.INVALID,
    30036: Cause.UNKNOWN,  # its time ran out
    30410: Cause.OUTAGE,
    30453: Cause.REPUTATION,
    30454: Cause.QUOTA,
    30500: Cause.OUTAGE,
}


def outcome_of(answer: Answer) -> Outcome:
    """Return what an answer to a text means."""
    said = answer.json
    sid, failed = said.get("sid"), said.get("error_code")
    if answer.code == 201 and isinstance(sid, str) and sid and said.get("status") not in ("failed", "undelivered"):
        return Outcome(OutcomeKind.ACCEPTED, "POST", answer, provider_id=sid)
    code = failed if answer.code == 201 else said.get("code")
    if not isinstance(code, int) or answer.code >= _SERVER_ERROR:
        return of_status(answer)
    if code == _QUEUE_FULL:
        return Outcome(OutcomeKind.DEFERRED, "POST", answer, retry_after=answer.retry_after, cause=Cause.THROTTLED)
    if code in _FAULTS:
        return Outcome(OutcomeKind.PROVIDER_FAULT, "POST", answer, retry_after=answer.retry_after, cause=_FAULTS[code])
    if code in _REJECTED:
        return Outcome(OutcomeKind.REJECTED, "POST", answer, cause=_REJECTED[code])
    return of_status(answer)


def cause_of(code: int | None) -> Cause:
    """Return why a text that was taken was not delivered."""
    return _DELIVERY.get(code, Cause.UNKNOWN) if code is not None else Cause.UNKNOWN
