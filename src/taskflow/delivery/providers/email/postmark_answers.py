"""What Postmark answers, in the vocabulary of outcomes.

https://postmarkapp.com/developer/api/overview#error-codes: 200 with `ErrorCode` 0 and a `MessageID`; 422 with the code
that says why; 401, 413, 429, 500 and 503 as HTTP says.
"""

from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.answers import accepted, fault, of_refusal, rejected, uncertain
from taskflow.delivery.providers.contract import ProviderUnusableError, Sighting, Sought
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.posting import refused

OUR_ID = "taskflow-id"  # the metadata that goes along, and can be searched for
_FAULTS = {
    10: Cause.CREDENTIALS,  # bad or missing server token
    100: Cause.OUTAGE,  # maintenance
    400: Cause.SENDER,  # sender signature not found
    401: Cause.SENDER,  # sender signature not confirmed
    405: Cause.QUOTA,  # out of credits
    412: Cause.SUSPENDED,  # account is pending
    413: Cause.SUSPENDED,  # account may not send
    1235: Cause.INVALID,  # no such message stream
}
_REFUSALS = {406: Cause.OPTED_OUT, 411: Cause.CONTENT}  # inactive recipient, forbidden type of attachment


def outcome(answer: Answer) -> Outcome:
    """Return what became of a mail."""
    told = answer.json.get("ErrorCode")
    code = told if isinstance(told, int) else None
    if 200 <= answer.code < 300:
        message_id = answer.json.get("MessageID")
        if answer.is_whole and code == 0 and message_id:
            return accepted(answer, message_id)
        if code in (0, None):
            return uncertain(answer, "Postmark answered without a MessageID.")
    if 200 <= answer.code < 300 or answer.code in (401, 422):
        if code in _FAULTS:
            return fault(answer, _FAULTS[code])
        if code in _REFUSALS:
            return rejected(answer, _REFUSALS[code])
        if answer.code != 401:
            return rejected(answer, Cause.INVALID)
    return of_refusal(answer)


def found(answer: Answer) -> str:
    """Say which server a token belongs to.

    Raises:
        ProviderUnusableError: Postmark does not take it.
    """
    name = answer.json.get("Name")
    if answer.code != 200 or not isinstance(name, str):
        raise refused(answer)
    if answer.json.get("DeliveryType") == "Sandbox":
        raise ProviderUnusableError(f"Postmark's server {name} is one of its sandbox: it delivers nothing.")
    return f"Signed in to Postmark: the server is {name}."


def sighting(answer: Answer, sought: Sought) -> Sighting | None:
    """Return what a search for our id has found.

    Raises:
        ProviderUnusableError: it found something else.
    """
    messages = answer.json.get("Messages")
    if not isinstance(messages, list):
        raise refused(answer)
    if not messages:
        return None
    metadata = messages[0].get("Metadata") if isinstance(messages[0], dict) else None
    if not isinstance(metadata, dict) or metadata.get(OUR_ID) != str(sought.message_id):
        raise ProviderUnusableError("Postmark answered with a mail that was not asked for.")
    message_id = messages[0].get("MessageID")
    return Sighting(message_id[:255] if isinstance(message_id, str) else None)
