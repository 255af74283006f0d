"""What statuses of a configured HTTP API mean: lists of `200`, `4xx` and `500-599`, asked in a fixed order."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.answers import accepted, deferred, fault, of_refusal, rejected, uncertain
from taskflow.delivery.providers.fields import Fields
from taskflow.delivery.providers.http import Answer

_RULE = re.compile(r"([1-5])xx|([1-5]\d\d)(?:-([1-5]\d\d))?")
_PATH = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,64}){0,9}")


def _statuses(value: str) -> str:
    if _RULE.fullmatch(value) is None:
        raise ValueError("a status is written 200, 4xx or 500-599")
    return value


def _path(value: str) -> str:
    if _PATH.fullmatch(value) is None:
        raise ValueError("a path is written like data.0.id")
    return value


Statuses = Annotated[list[Annotated[str, AfterValidator(_statuses)]], Field(max_length=50)]
JsonPath = Annotated[str, AfterValidator(_path)]


class StatusRules(Fields):
    """Fields that say what an answer means. A status that no rule names means what it means to everybody."""

    success: Statuses = Field(["2xx"], description="The message was taken.")
    deferred: Statuses = Field([], description="It was not taken now; try again.")
    provider_fault: Statuses = Field([], description="The provider's fault: later, or by another provider.")
    rejected: Statuses = Field([], description="It never will be taken.")
    id_path: JsonPath | None = Field(None, description="Where the answer's JSON has the message's id: data.0.id.")

    def judge(self, answer: Answer) -> Outcome:
        """Return what became of the message."""
        if _matches(self.success, answer.code):
            if not answer.is_whole and self.id_path is not None:
                return uncertain(answer, "The answer was cut before its end.")
            return accepted(answer, _id_at(answer, self.id_path))
        if _matches(self.deferred, answer.code):
            return deferred(answer, Cause.UNKNOWN)
        if _matches(self.provider_fault, answer.code):
            return fault(answer, Cause.UNKNOWN)
        if _matches(self.rejected, answer.code):
            return rejected(answer, Cause.UNKNOWN)
        return uncertain(answer) if answer.code < 300 else of_refusal(answer)


def _matches(rules: list[str], code: int) -> bool:
    for rule in rules:
        match = _RULE.fullmatch(rule)
        if match is None:
            continue
        if match[1]:
            first, last = int(match[1]) * 100, int(match[1]) * 100 + 99
        else:
            first, last = int(match[2]), int(match[3] or match[2])
        if first <= code <= last:
            return True
    return False


def _id_at(answer: Answer, path: str | None) -> str | None:
    """Return the text or number at a path of the answer's JSON."""
    found = found_at(answer.data, path) if path is not None else None
    return str(found) if isinstance(found, str | int) else None


def found_at(found: object, path: str) -> object:
    """Return what stands at a path of JSON; None where nothing does."""
    for part in path.split("."):
        if isinstance(found, dict):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found
