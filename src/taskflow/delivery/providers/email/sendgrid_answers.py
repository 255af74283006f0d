"""What SendGrid answers, in the vocabulary of outcomes.

https://www.twilio.com/docs/sendgrid/api-reference/how-to-use-the-sendgrid-v3-api/responses: 202 with an empty body and
the id in `X-Message-Id`; errors as `{"errors": [{"message", "field", "help"}]}`. 403 is also its answer to a sender
that is not verified and to too many bad requests: the provider's, not the message's.
"""

from typing import Any

from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.answers import accepted, fault, of_refusal, rejected
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.posting import refused


def outcome(answer: Answer) -> Outcome:
    """Return what became of a mail."""
    if 200 <= answer.code < 300:
        return accepted(answer, answer.headers.get("x-message-id"))
    errors = errors_of(answer)
    words = " ".join(str(error.get("message", "")) for error in errors).lower()
    if "maximum credits exceeded" in words:
        return fault(answer, Cause.QUOTA, 3_600.0)
    if answer.code == 403 and "verified sender" in words:
        return fault(answer, Cause.SENDER)
    if answer.code == 400:
        fields = [str(error.get("field", "")) for error in errors]
        if any(field.startswith("personalizations") and field.endswith("email") for field in fields):
            return rejected(answer, Cause.ADDRESS)
        return rejected(answer, Cause.INVALID)
    return of_refusal(answer)


def found(answer: Answer) -> str:
    """Say whether a key may send.

    Raises:
        ProviderUnusableError: it may not.
    """
    scopes = answer.json.get("scopes")
    if answer.code != 200 or not isinstance(scopes, list):
        raise refused(answer)
    if "mail.send" not in scopes:
        raise ProviderUnusableError("SendGrid takes the key, but it lacks the permission Mail Send.")
    return "Signed in to SendGrid: the key may send mail."


def errors_of(answer: Answer) -> list[dict[str, Any]]:
    """Return the errors that an answer lists."""
    listed = answer.json.get("errors")
    return [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
