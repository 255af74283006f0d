"""What an encrypted payload looks like in a row, so that whoever cannot read it can say so.

A sealed value is a JSON object with one member; a sealed text begins with a word that no error does. Both name their
key. `middleware/encryption.py` makes and opens them.
"""

import re
from typing import Any

from taskflow.base.errors import TaskFlowError

MARK = "$encrypted"
_TEXT = re.compile(r"\$encrypted:([A-Za-z0-9_.-]{1,50}):[A-Za-z0-9+/=]+")


class SealedError(TaskFlowError):
    """This payload cannot be opened."""

    code = "sealed_payload"


def sealed_value(key_id: str, sealed: str) -> dict[str, Any]:
    """Return the JSON of a sealed value."""
    return {MARK: {"key": key_id, "data": sealed}}


def sealed_text(key_id: str, sealed: str) -> str:
    """Return the text of a sealed text."""
    return f"{MARK}:{key_id}:{sealed}"


def parts_of(stored: Any) -> tuple[str, str] | None:
    """Return (key id, sealed data) of a sealed value or text; None of anything else."""
    if isinstance(stored, dict) and len(stored) == 1 and isinstance(inner := stored.get(MARK), dict):
        return str(inner.get("key")), str(inner.get("data"))
    if isinstance(stored, str) and stored.startswith(MARK) and _TEXT.fullmatch(stored):
        _, key_id, data = stored.split(":", 2)
        return key_id, data
    return None


def holds_sealed(result: Any) -> bool:
    """Tell whether a result is sealed, or is a group's list with a sealed one in it."""
    return any(parts_of(one) is not None for one in (result if isinstance(result, list) else [result]))


def shown(stored: Any) -> Any:
    """Return what people see: what is sealed is replaced by a word that says so."""
    if (parts := parts_of(stored)) is not None:
        return {"encrypted": parts[0]} if isinstance(stored, dict) else f"(encrypted with the key {parts[0]})"
    return stored
