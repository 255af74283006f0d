"""India's rules for texts (TRAI's TCCCPR; the ledger is called DLT): a text is a registered template, to the character.

A template holds `{#var#}` where a value of at most 30 characters stands; everything else must be as registered, or the
operator drops the text. Promotional texts go out from 10 to 21 h only. All this is checked before money is spent.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

import orjson

from taskflow.base.errors import InvalidInputError

VARIABLE: Final = "{#var#}"
MAX_VALUE_CHARS: Final = 30
HEADER: Final = re.compile(r"[A-Za-z0-9]{3,6}")
VALUE_SEPARATOR: Final = "|"
INDIA: Final = ZoneInfo("Asia/Kolkata")
OPENS, CLOSES = time(10), time(21)
_SHOWN_CHARS = 40
_INDIAN: Final = re.compile(r"\+91[0-9]{10}")


class TemplateMismatchError(InvalidInputError):
    """The text is not the template with values in it."""

    code = "dlt_mismatch"


class HeaderNotRegisteredError(InvalidInputError):
    """The template is registered for another header (sender)."""

    code = "dlt_header"


class TemplateValuesError(InvalidInputError):
    """These values do not fit into the template."""

    code = "dlt_values"


@dataclass(frozen=True, slots=True)
class Facts:
    """What operators and providers want to know of a text; travels as `Sms.template`."""

    template_id: str = ""
    entity_id: str = ""
    provider_template_id: str = ""  # what the provider calls the template, where it has a number of its own
    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, template: Mapping[str, str]) -> Self:
        """Read what `as_mapping` wrote."""
        values = tuple(orjson.loads(template.get("values") or "[]"))
        return cls(**{name: template.get(name, "") for name in _IDS}, values=values)

    def as_mapping(self) -> dict[str, str]:
        """Return it as texts."""
        return {name: getattr(self, name) for name in _IDS} | {"values": orjson.dumps(self.values).decode()}


_IDS: Final = ("template_id", "entity_id", "provider_template_id")


def variables_of(template: str) -> int:
    """Return how many values a template takes."""
    return template.count(VARIABLE)


def fill(template: str, values: Sequence[str]) -> str:
    """Return the text that a template makes of values.

    Raises:
        TemplateValuesError: there are more or fewer than it takes, or one is too long.
    """
    literals = template.split(VARIABLE)
    if len(values) != len(literals) - 1:
        raise TemplateValuesError(
            f"The template takes {len(literals) - 1} values, not {len(values)}.", expected=len(literals) - 1
        )
    for number, value in enumerate(values, 1):
        if len(value) > MAX_VALUE_CHARS:
            raise TemplateValuesError(
                f"Value {number} has {len(value)} characters; DLT allows {MAX_VALUE_CHARS}.", value=number
            )
        if not value.isprintable():
            raise TemplateValuesError(f"Value {number} holds a character that is not printable.", value=number)
    return literals[0] + "".join(value + literal for value, literal in zip(values, literals[1:], strict=True))


def match(template: str, text: str) -> list[str]:
    """Return the values that make `text` out of `template`; where several would, the first ones are the shortest.

    Raises:
        TemplateMismatchError: none do. `position` is the first character, counted from 1, that cannot be right.
    """
    first, *literals = template.split(VARIABLE)
    if not text.startswith(first):
        raise _differs(text, 0, first)
    if not literals:
        if text != first:
            raise _goes_on(text, len(first))
        return []
    # Per literal: where the text may stand behind it, and where it stood before its variable.
    stages: list[dict[int, int]] = [{len(first): 0}]
    for number, literal in enumerate(literals, 1):
        is_last = number == len(literals)
        reached: dict[int, int] = {}
        for begin in sorted(stages[-1]):
            for at in range(begin, min(begin + MAX_VALUE_CHARS, len(text)) + 1):
                end = at + len(literal)
                if text.startswith(literal, at) and (not is_last or end == len(text)):
                    reached.setdefault(end, begin)
        if not reached:
            raise _mismatch(text, min(stages[-1]), literal, number, is_last=is_last)
        stages.append(reached)
    values: list[str] = []
    end = len(text)
    for literal, stage in zip(reversed(literals), reversed(stages[1:]), strict=True):
        begin = stage[end]
        values.append(text[begin : end - len(literal)])
        end = begin
    return values[::-1]


def is_indian(number: str) -> bool:
    """Tell whether a number (E.164) is one that DLT reaches."""
    return _INDIAN.fullmatch(number) is not None


def window_opens(now: datetime, zone: ZoneInfo = INDIA) -> datetime | None:
    """Return when promotional texts may go out next, in `zone`; None when they may now."""
    local = now.astimezone(zone)
    if OPENS <= local.time() < CLOSES:
        return None
    day = local.date() + timedelta(days=local.time() >= CLOSES)
    return datetime.combine(day, OPENS, zone)


def not_before(opens: datetime) -> str:
    """Return why a promotional text waits, in one sentence."""
    return f"Promotional texts go out from 10 to 21 h in India: not before {opens.isoformat()}."


def _mismatch(text: str, begin: int, literal: str, number: int, *, is_last: bool) -> TemplateMismatchError:
    """Say what is wrong behind a variable that begins at `begin` and is followed by `literal`."""
    later = len(text) - len(literal) if is_last and text.endswith(literal) else text.find(literal, begin)
    if literal and later - begin > MAX_VALUE_CHARS:
        detail = f"Value {number} would have {later - begin} characters; DLT allows {MAX_VALUE_CHARS}."
        return _error(detail, begin + MAX_VALUE_CHARS, literal, text)
    if is_last and 0 <= later - begin <= MAX_VALUE_CHARS:
        return _goes_on(text, min(later + len(literal), begin + MAX_VALUE_CHARS))
    tries = [(_shared(text, at, literal), -at) for at in range(begin, min(begin + MAX_VALUE_CHARS, len(text)) + 1)]
    shared, at = max(tries, default=(0, -begin))
    if shared:
        return _differs(text, -at, literal)
    detail = f"Behind value {number}, which begins at character {begin + 1}, must follow {literal[:_SHOWN_CHARS]!r}."
    return _error(detail, begin, literal, text)


def _differs(text: str, at: int, literal: str) -> TemplateMismatchError:
    position = at + _shared(text, at, literal)
    expected = literal[position - at :]
    found = text[position : position + _SHOWN_CHARS]
    detail = f"At character {position + 1} the text has {found!r}, the template {expected[:_SHOWN_CHARS]!r}."
    return _error(detail, position, expected, text)


def _goes_on(text: str, position: int) -> TemplateMismatchError:
    found = text[position : position + _SHOWN_CHARS]
    detail = f"At character {position + 1} the template ends, but the text goes on: {found!r}."
    return _error(detail, position, "", text)


def _error(detail: str, position: int, expected: str, text: str) -> TemplateMismatchError:
    context: dict[str, Any] = {"position": position + 1, "expected": expected[:_SHOWN_CHARS]}
    return TemplateMismatchError(detail, **context, found=text[position : position + _SHOWN_CHARS])


def _shared(text: str, at: int, literal: str) -> int:
    """Return how many characters of `literal` stand in `text` at a place."""
    count = 0
    for ours, theirs in zip(text[at : at + len(literal)], literal, strict=False):
        if ours != theirs:
            break
        count += 1
    return count
