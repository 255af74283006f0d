"""What BulkSMS tells: an array of messages, sent (reports) or received (replies). It begins by telling nothing: []."""

from typing import Any, Final

from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.bulksms.provider import message_id_of
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus, Told
from taskflow.delivery.providers.sms.reading import dicts, instant_of, json_of, text_of

_STATUSES: Final = {
    "ACCEPTED": ReportStatus.SENT,
    "SCHEDULED": ReportStatus.SENT,
    "SENT": ReportStatus.SENT,
    "DELIVERED": ReportStatus.DELIVERED,
    "FAILED": ReportStatus.FAILED,
}
_CAUSES: Final = {
    "EXPIRED": Cause.UNKNOWN,  # the phone was off for too long
    "HANDSET_ERROR": Cause.MAILBOX_FULL,
    "BLOCKED": Cause.OPTED_OUT,
    "NOT_SENT": Cause.INVALID,  # no route
}


def read(body: bytes) -> list[Told]:
    """Return what a call tells; what makes no sense is left out."""
    return [told for item in dicts(json_of(body)) if (told := _read(item)) is not None]


def _read(item: dict[str, Any]) -> Told | None:
    reference = text_of(item.get("id"))
    submission = item.get("submission")
    if not reference:
        return None
    if item.get("type") == "RECEIVED":
        occurred_at = instant_of(submission.get("date")) if isinstance(submission, dict) else None
        return Reply(
            reference, text_of(item.get("from")), text_of(item.get("to")), text_of(item.get("body")), occurred_at
        )
    said = item.get("status")
    said = said if isinstance(said, dict) else {}
    status = _STATUSES.get(text_of(said.get("type")))
    if item.get("type") != "SENT" or status is None:
        return None
    cause = _CAUSES.get(text_of(said.get("subtype")), Cause.UNKNOWN) if status is ReportStatus.FAILED else None
    ours = message_id_of(text_of(item.get("userSuppliedId")))
    return Report(reference, status, cause, text_of(said.get("id")), "", text_of(item.get("to")), ours)
