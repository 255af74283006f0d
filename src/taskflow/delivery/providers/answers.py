"""HTTP answers in the vocabulary of outcomes, as far as all providers mean the same by a status.

| status | outcome | because |
|---|---|---|
| 2xx | accepted | its kind reads the id |
| 3xx, 404, 405 | provider fault: `invalid` | the address is wrong, and redirects are not followed |
| 401, 403, 407 | provider fault: `credentials` | |
| 402 | provider fault: `quota` | |
| 408, 425 | deferred: `outage` | refused before it was read |
| 413 | rejected: `size` | |
| 429 | provider fault: `throttled` | with the wait that it asks for |
| other 4xx | rejected: `invalid` | this message, for good |
| 503 | provider fault: `outage` | it says that it does not serve |
| other 5xx | uncertain: `outage` | something broke on their side, before or after the message was taken |
| no answer | provider fault before the request was written, uncertain after | |

A status that refuses is proof, even when the answer is cut after it; one that accepts is none, because kinds put into
the body what became of the message.
"""

from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.http import Answer, CallFailedError

VERB = "POST"
_SHORT_WAIT = 5.0
_LONG_WAIT = 60.0


def accepted(answer: Answer, provider_id: object) -> Outcome:
    """Return the outcome of a message that was taken."""
    found = provider_id[:255] if isinstance(provider_id, str) and provider_id else None
    return Outcome(OutcomeKind.ACCEPTED, VERB, answer, provider_id=found)


def rejected(answer: Answer, cause: Cause) -> Outcome:
    """Return the outcome of a message that is refused for good."""
    return Outcome(OutcomeKind.REJECTED, VERB, answer, cause=cause)


def deferred(answer: Answer, cause: Cause) -> Outcome:
    """Return the outcome of a message that is refused for now."""
    return Outcome(OutcomeKind.DEFERRED, VERB, answer, cause=cause, retry_after=answer.retry_after)


def fault(answer: Answer, cause: Cause, wait: float = _LONG_WAIT) -> Outcome:
    """Return the outcome of a message that a provider did not take for a reason of its own."""
    return Outcome(OutcomeKind.PROVIDER_FAULT, VERB, answer, cause=cause, retry_after=answer.retry_after or wait)


def uncertain(answer: Answer, reason: str = "") -> Outcome:
    """Return the outcome of a message that was perhaps taken."""
    return Outcome(OutcomeKind.UNCERTAIN, VERB, answer, reason, cause=Cause.OUTAGE)


def of_failure(error: CallFailedError) -> Outcome:
    """Return the outcome of a message to which nobody answered."""
    if error.handed_over:
        return Outcome(OutcomeKind.UNCERTAIN, VERB, reason=str(error), cause=Cause.OUTAGE)
    return Outcome(
        OutcomeKind.PROVIDER_FAULT, "CONNECT", reason=str(error), retry_after=_SHORT_WAIT, cause=Cause.OUTAGE
    )


def of_refusal(answer: Answer) -> Outcome:
    """Return what a status means that is not 2xx."""
    code = answer.code
    if code in (401, 403, 407):
        return fault(answer, Cause.CREDENTIALS)
    if code == 402:
        return fault(answer, Cause.QUOTA)
    if 300 <= code < 400 or code in (404, 405):
        return fault(answer, Cause.INVALID)
    if code in (408, 425):
        return deferred(answer, Cause.OUTAGE)
    if code == 413:
        return rejected(answer, Cause.SIZE)
    if code == 429:
        return fault(answer, Cause.THROTTLED, _SHORT_WAIT)
    if code == 503:
        return fault(answer, Cause.OUTAGE, _SHORT_WAIT)
    if 400 <= code < 500:
        return rejected(answer, Cause.INVALID)
    return uncertain(answer)
