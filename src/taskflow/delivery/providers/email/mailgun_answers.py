"""What Mailgun answers, in the vocabulary of outcomes.

https://documentation.mailgun.com/docs/mailgun/api-reference/mg-errors: 200 with an `id`; errors as `{"message"}`. 401
says `Forbidden` in plain text; 402 is a request that failed although it was well-formed.
"""

from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.answers import accepted, fault, of_refusal, rejected, uncertain
from taskflow.delivery.providers.contract import ProviderUnusableError, Sighting, Sought
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.posting import refused

OUR_ID = "taskflow_message_id"  # the variable that goes along, and comes back with each event
MOST_EVENTS = 20  # each has about two kilobytes, and an answer may have sixty-four
_SUSPENDED = ("account disabled", "account is disabled", "is disabled", "probation", "not allowed to send")
_QUOTA = ("limit exceeded", "limit has been reached", "sending limit", "exceeded your")


def outcome(answer: Answer) -> Outcome:
    """Return what became of a mail."""
    if 200 <= answer.code < 300:
        found_id = answer.json.get("id") if answer.is_whole else None
        if not isinstance(found_id, str):
            return uncertain(answer, "Mailgun answered without an id.")
        return accepted(answer, found_id.strip("<>"))
    words = str(answer.json.get("message", "")).lower()
    if answer.code in (400, 402, 403):
        if any(part in words for part in _QUOTA):
            return fault(answer, Cause.QUOTA, 3_600.0)
        if any(part in words for part in _SUSPENDED):
            return fault(answer, Cause.SUSPENDED)
    if answer.code == 400:
        return rejected(answer, Cause.ADDRESS if "'to' parameter" in words else Cause.INVALID)
    return of_refusal(answer)


def found(answer: Answer, domain: str) -> str:
    """Say whether a domain may send.

    Raises:
        ProviderUnusableError: it may not, or is not there.
    """
    if answer.code == 404:
        raise ProviderUnusableError(f"Mailgun takes the key, but has no domain {domain} in this region.")
    told = answer.json.get("domain")
    if answer.code != 200 or not isinstance(told, dict):
        raise refused(answer)
    state = told.get("state", "unknown")
    if state != "active":
        raise ProviderUnusableError(f"Mailgun knows {domain}, but its state is {state}: finish its DNS records.")
    return f"Signed in to Mailgun: {domain} is active."


def sighting(answer: Answer, sought: Sought) -> Sighting | None:
    """Return what the events of a recipient say of a mail.

    Raises:
        ProviderUnusableError: there may be more of them.
    """
    events = answer.json.get("items")
    if not isinstance(events, list):
        raise refused(answer)
    for event in (event for event in events if isinstance(event, dict)):
        variables, message = event.get("user-variables"), event.get("message")
        if isinstance(variables, dict) and variables.get(OUR_ID) == str(sought.message_id):
            headers = message.get("headers") if isinstance(message, dict) else None
            found_id = headers.get("message-id") if isinstance(headers, dict) else None
            return Sighting(found_id[:255] if isinstance(found_id, str) else None)
    if len(events) >= MOST_EVENTS:
        raise ProviderUnusableError("Mailgun took too many mails for this recipient to tell which they are.")
    return None
