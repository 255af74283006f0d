"""What the doctor says: one finding a fact, each with what to do about it."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from taskflow.delivery.domains.zone import Record


class FindingStatus(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"  # mail gets through, but less surely, or nobody can tell
    FAIL = "fail"  # receivers refuse mail for this, or put it aside


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact. `check`: what was looked at; `records`: what the zone should hold instead."""

    check: str
    status: FindingStatus
    sentence: str
    action: str | None = None
    records: tuple[Record, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored and sent."""
        return asdict(self) | {"status": self.status.value}


def ok(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check, FindingStatus.OK, sentence)


def warn(check: str, sentence: str, action: str, *records: Record) -> Finding:
    """Something could be better."""
    return Finding(check, FindingStatus.WARN, sentence, action, records)


def fail(check: str, sentence: str, action: str, *records: Record) -> Finding:
    """Something has to be mended."""
    return Finding(check, FindingStatus.FAIL, sentence, action, records)
