"""Tables for people: as wide as the terminal at most, and as they are where nobody looks (a pipe, a file)."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from taskflow.base.terminal import printable

_FRACTION = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.\d+(Z|[+-]\d\d:\d\d)")
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GAP = 2
_LEAST = 10  # what is left of a text that has to be cut


def cell(value: Any) -> str:
    """Return a value on one line."""
    if value is None or value == []:
        return "-"
    if isinstance(value, str):
        return printable(value.replace("\n", " "))
    return printable(json.dumps(value, ensure_ascii=False))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], width: int | None = None) -> tuple[list[str], int]:
    """Return the lines of a table with its header, and how many of its columns had to go.

    Args:
        rows: what is in it.
        columns: which members, in order.
        width: characters that a line may have. Texts are cut for it, ids never are; then columns go, the last first.
    """
    lines = [[column.upper() for column in columns], *([_short(row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[number]) for line in lines) for number in range(len(columns))]
    if width is not None:
        widths = _fit(
            widths, [max(len(lines[0][number]), _uncut(lines, number)) for number in range(len(columns))], width
        )
    shown = [
        (" " * _GAP).join(f"{_cut(text, space):<{space}}" for text, space in zip(line, widths, strict=False)).rstrip()
        for line in lines
    ]
    return shown, len(columns) - len(widths)


def _short(value: Any) -> str:
    """Return a value as a column shows it: instants to the second, words with commas between."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return cell(", ".join(value))
    text = cell(value)
    instant = _FRACTION.fullmatch(text)
    return instant[1] + instant[2] if instant else text


def _uncut(lines: list[list[str]], number: int) -> int:
    """Return how narrow a column may become."""
    longest = max((line[number] for line in lines[1:]), key=len, default="")
    return len(longest) if _ID.fullmatch(longest) else min(len(longest), _LEAST)


def _fit(widths: list[int], least: list[int], width: int) -> list[int]:
    """Return the widths of the columns that fit."""
    fitted = list(widths)
    while sum(least) + _GAP * (len(least) - 1) > width and len(least) > 1:
        least, fitted = least[:-1], fitted[:-1]
    while sum(fitted) + _GAP * (len(fitted) - 1) > width:
        slack = [have - need for have, need in zip(fitted, least, strict=True)]
        if max(slack) <= 0:
            break
        fitted[max(range(len(slack)), key=lambda number: (slack[number] > 0, fitted[number]))] -= 1
    return fitted


def _cut(text: str, space: int) -> str:
    return text if len(text) <= space else text[: space - 1] + "…"
