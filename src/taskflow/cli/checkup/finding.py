"""A finding: what was looked at, what was seen, how to mend it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    name: str
    level: Level
    seen: str
    mend: str | None = None


def ok(name: str, seen: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(name, Level.OK, seen)


def warning(name: str, seen: str, mend: str) -> Finding:
    """Return a finding that works but should be changed."""
    return Finding(name, Level.WARNING, seen, mend)


def problem(name: str, seen: str, mend: str) -> Finding:
    """Return a finding that keeps TaskFlow from working."""
    return Finding(name, Level.PROBLEM, seen, mend)
