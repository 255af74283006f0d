"""What options take besides text and numbers: durations, instants, priorities. What is wrong names its option."""

import re
from datetime import datetime
from typing import Any

import click

_DURATION = re.compile(r"(\d{1,9})([smhd]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


class Duration(click.ParamType[int]):
    """Seconds, or a number with s, m, h or d: 90, 90s, 5m, 2h, 1d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the seconds."""
        if isinstance(value, int):
            return value
        match = _DURATION.fullmatch(value)
        if match is None:
            self.fail(f"{value!r} is no duration: write 90, 90s, 5m, 2h or 1d.", param, ctx)
        return int(match[1]) * _UNITS[match[2]]


class Instant(click.ParamType[str]):
    """A moment with its offset from UTC, as ISO 8601 writes it."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return it as it was written."""
        text = str(value)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            self.fail(f"{text!r} is no instant: write 2026-01-31T09:00:00+01:00, or …T08:00:00Z.", param, ctx)
        return text


class PriorityLevel(click.ParamType[int]):
    """CRITICAL, HIGH, MEDIUM, LOW, or a number from 1 to 10."""

    name = "priority"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        from taskflow.base.errors import InvalidInputError
        from taskflow.engine.states import Priority

        text = str(value)
        try:
            return Priority.parse(int(text) if text.isdecimal() else text)
        except InvalidInputError:
            self.fail(f"{value!r} is no priority: write CRITICAL, HIGH, MEDIUM, LOW, or 1 to 10.", param, ctx)
