"""A finding: what, how bad, and where."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad."""

    ERROR = "error"
    """Somebody would get no mail, or a broken one."""
    WARNING = "warning"
    """It will look bad, or be taken for spam."""
    NOTICE = "notice"
    """Worth a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding. `code` is stable; what is None does not apply."""

    code: str
    severity: Severity
    message: str
    locale: str | None = None
    part: str | None = None
    line: int | None = None
    snippet: str | None = None
    variable: str | None = None
    count: int | None = None
