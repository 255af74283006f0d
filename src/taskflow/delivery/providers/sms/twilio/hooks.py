"""What Twilio tells: forms, each signed under the account's token.

https://www.twilio.com/docs/usage/webhooks/webhooks-security: HMAC-SHA1 over the address as Twilio called it, and every
field of the form, name and value, in the order of names.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import Final

from pydantic import SecretStr

from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus, Told
from taskflow.delivery.providers.sms.reading import Form, text_of
from taskflow.delivery.providers.sms.twilio.answers import cause_of

_STATUSES: Final = {
    "sent": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "read": ReportStatus.DELIVERED,
    "undelivered": ReportStatus.FAILED,
    "failed": ReportStatus.FAILED,
    "canceled": ReportStatus.FAILED,
}


def signature_of(token: str, url: str, form: Form) -> str:
    """Return what `X-Twilio-Signature` says of a call."""
    text = url + "".join(name + value for name, value in sorted(set(form)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), hashlib.sha1)).decode()


def is_signed(tokens: Iterable[SecretStr], url: str, form: Form, signature: str) -> bool:
    """Tell whether Twilio signed a call with one of the account's tokens; every one is tried, in constant time."""
    given = signature.encode()
    checks = [
        hmac.compare_digest(signature_of(token.get_secret_value(), url, form).encode(), given) for token in tokens
    ]
    return any(checks)


def read(form: Form) -> list[Told]:
    """Return what a call tells: nothing when it makes no sense."""
    fields: Mapping[str, str] = {name: text_of(value) for name, value in form}
    reference = fields.get("MessageSid") or fields.get("SmsSid") or ""
    if not reference:
        return []
    said = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    if said == "received" or (not said and "Body" in fields):
        return [Reply(reference, fields.get("From", ""), fields.get("To", ""), fields.get("Body", ""))]
    status = _STATUSES.get(said)
    if status is None:
        return []
    code = fields.get("ErrorCode", "")
    cause: Cause | None = None
    if status is ReportStatus.FAILED:
        cause = cause_of(int(code[:9]) if code.isascii() and code.isdecimal() else None)
    return [Report(reference, status, cause, code or said, fields.get("ErrorMessage", ""), fields.get("To", ""))]
