"""What Amazon SES answers, in the vocabulary of outcomes.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html#API_SendEmail_Errors. The name of an error is
in `x-amzn-errortype`, or in the body as `__type`.
"""

from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.answers import accepted, fault, of_refusal, rejected, uncertain
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.posting import refused

_FAULTS = {
    "AccountSuspendedException": Cause.SUSPENDED,
    "SendingPausedException": Cause.SUSPENDED,
    "MailFromDomainNotVerifiedException": Cause.SENDER,
    "NotFoundException": Cause.INVALID,
    "LimitExceededException": Cause.QUOTA,
    "AccessDeniedException": Cause.CREDENTIALS,
    "UnrecognizedClientException": Cause.CREDENTIALS,
    "InvalidClientTokenId": Cause.CREDENTIALS,
    "InvalidClientTokenIdException": Cause.CREDENTIALS,
    "SignatureDoesNotMatch": Cause.CREDENTIALS,
    "InvalidSignatureException": Cause.CREDENTIALS,
    "ExpiredTokenException": Cause.CREDENTIALS,
    "IncompleteSignature": Cause.CREDENTIALS,
}
_THROTTLES = frozenset({"TooManyRequestsException", "ThrottlingException", "Throttling"})
_DAILY_WAIT = 3_600.0  # the quota is a window of 24 hours that moves on


def outcome(answer: Answer) -> Outcome:
    """Return what became of a mail."""
    if 200 <= answer.code < 300:
        message_id = answer.json.get("MessageId") if answer.is_whole else None
        return accepted(answer, message_id) if message_id else uncertain(answer, "SES answered without a MessageId.")
    name, text = error_of(answer)
    if name in _THROTTLES or answer.code == 429:
        if "daily" in text.lower():
            return fault(answer, Cause.QUOTA, _DAILY_WAIT)
        return fault(answer, Cause.THROTTLED, 1.0)
    if name in _FAULTS:
        return fault(answer, _FAULTS[name])
    if name == "MessageRejected":
        if "not verified" in text.lower():  # our address or, in SES's own sandbox, theirs: nothing about the message
            return fault(answer, Cause.SENDER)
        return rejected(answer, Cause.CONTENT)
    if name == "BadRequestException":
        return rejected(answer, Cause.SIZE if "length" in text.lower() or "size" in text.lower() else Cause.INVALID)
    return of_refusal(answer)


def found(answer: Answer, region: str) -> str:
    """Say what an account may send.

    Raises:
        ProviderUnusableError: it may not send, or SES does not take the credentials.
    """
    told = answer.json
    if answer.code != 200 or not isinstance(told.get("SendQuota"), dict):
        raise refused(answer)
    if told.get("SendingEnabled") is False:
        raise ProviderUnusableError(
            f"SES has paused sending of this account in {region}: {told.get('EnforcementStatus', 'no reason')}."
        )
    quota = told["SendQuota"]
    sent, most, rate = (_whole(quota.get(name)) for name in ("SentLast24Hours", "Max24HourSend", "MaxSendRate"))
    first = f"Signed in to SES in {region}: {sent} of {most} mails of the last 24 hours used, {rate} a second allowed."
    if told.get("ProductionAccessEnabled") is False:
        return f"{first} The account is in SES's own sandbox: it can only write to verified addresses."
    return first


def quota(answer: Answer) -> dict[str, int]:
    """Return what an account may send, where SES says so: `Max24HourSend` is -1 for an account without a limit."""
    told = answer.json.get("SendQuota")
    named = {"per_second": "MaxSendRate", "per_day": "Max24HourSend"}
    found = {budget: told.get(name) for budget, name in named.items()} if isinstance(told, dict) else {}
    return {budget: int(most) for budget, most in found.items() if isinstance(most, int | float) and most >= 1}


def error_of(answer: Answer) -> tuple[str, str]:
    """Return the name of an error without its namespace, and its words."""
    told = answer.json
    name = answer.headers.get("x-amzn-errortype") or told.get("__type") or told.get("code") or ""
    text = told.get("message") or told.get("Message") or ""
    return str(name).partition(":")[0].rpartition("#")[2], str(text)


def _whole(number: object) -> str:
    return f"{number:,.0f}" if isinstance(number, int | float) else "?"
