"""What Pigeon Post tells: flights that arrived or did not, and notes that people send back.

{"flight": "f-7", "state": "landed"}                                  a report
{"note": "n-1", "from": "+49…", "to": "+49…", "text": "STOP"}         a reply
"""

from typing import Any, Final

from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.sms.hooks import Reply, Report, ReportStatus, Told
from taskflow.delivery.providers.sms.reading import dicts, json_of, text_of

_STATES: Final = {
    "landed": (ReportStatus.DELIVERED, None),
    "lost": (ReportStatus.FAILED, Cause.UNKNOWN),
    "in-the-air": (ReportStatus.SENT, None),
}


def read(_: object, body: bytes) -> list[Told]:
    """Return what a call to a provider's address tells; what makes no sense is left out. The first are its settings."""
    return [told for item in dicts(json_of(body)) if (told := _read(item)) is not None]


def _read(item: dict[str, Any]) -> Told | None:
    if item.get("text"):
        return Reply(*(text_of(item.get(name)) for name in ("note", "from", "to", "text")))
    state = text_of(item.get("state"))
    if not item.get("flight") or state not in _STATES:
        return None
    status, cause = _STATES[state]
    return Report(text_of(item["flight"]), status, cause, state, recipient=text_of(item.get("to")))
