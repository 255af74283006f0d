"""What Fast2SMS tells: JSON that its user lays out, so that we say how (docs/how-to/sms-replies.md).

{"request_id": …, "number": …, "status": …, "reason": …, "udf1": …}     a report
{"id": …, "from": …, "to": …, "message": …}                             a reply
"""

import re
from typing import Any, Final
from uuid import UUID

from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus, Told
from taskflow.delivery.providers.sms.reading import dicts, json_of, text_of, uuid_of

_STATUSES: Final = {
    "delivered": ReportStatus.DELIVERED,
    "failed": ReportStatus.FAILED,
    "undelivered": ReportStatus.FAILED,
    "rejected": ReportStatus.FAILED,
    "expired": ReportStatus.FAILED,
    "sent": ReportStatus.SENT,
    "submitted": ReportStatus.SENT,
}
# Words of DLT operators, the first that is found counts. Only a number that is told to be wrong is the person's: much
# else is "invalid".
_CAUSES: Final = tuple(
    (re.compile(words), cause)
    for words, cause in (
        (r"template", Cause.CONTENT),
        (r"header|entity|sender|telemarketer", Cause.INVALID),
        (r"dnd", Cause.OPTED_OUT),
        (r"blacklist", Cause.CONTENT),
        (r"invalid (?:mobile |phone |destination )?(?:number|msisdn)", Cause.ADDRESS),
    )
)


def read(body: bytes) -> list[Told]:
    """Return what a call tells; what makes no sense is left out."""
    return [told for item in dicts(json_of(body)) if (told := _read(item)) is not None]


def _read(item: dict[str, Any]) -> Told | None:
    if item.get("message") and item.get("from"):
        reference = text_of(item.get("id"))
        return Reply(reference, text_of(item["from"]), text_of(item.get("to")), text_of(item["message"]))
    status = _STATUSES.get(text_of(item.get("status")).lower())
    provider_id = text_of(item.get("request_id"))
    if status is None or not provider_id:
        return None
    detail = text_of(item.get("reason"))
    message_id: UUID | None = uuid_of(item.get("udf1"))
    cause = _cause(detail) if status is ReportStatus.FAILED else None
    number = text_of(item.get("number"))
    recipient = f"+91{number}" if len(number) == 10 else number
    return Report(provider_id, status, cause, text_of(item.get("status")), detail, recipient, message_id)


def _cause(detail: str) -> Cause:
    return next((cause for words, cause in _CAUSES if words.search(detail.lower())), Cause.UNKNOWN)
