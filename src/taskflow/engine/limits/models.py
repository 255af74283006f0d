"""What a task's definition says of its limits, and under which part of a queue its calls wait therefore."""

import hashlib
import inspect
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from taskflow.base.errors import ConfigurationError, InvalidInputError
from taskflow.broker.limits import EVERY_KEY, Limit

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_RATE = re.compile(r"(\d{1,9})\s*/\s*(\d{0,6})\s*([smhd])")
_LONGEST = 100
_SAFE = ":.-_~@+"


class InvalidRateError(InvalidInputError):
    """A rate is written as a number and a time: 100/m, 10/s, 5/30s, 1000/h, 1/d."""

    code = "invalid_rate"


class InvalidConcurrencyKeyError(InvalidInputError):
    """The concurrency key cannot be computed from these arguments."""

    code = "invalid_concurrency_key"


class Rate(NamedTuple):
    """So many starts in so many seconds."""

    starts: int
    seconds: int

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read `100/m`: s, m, h and d are seconds, minutes, hours and days; `5/30s` is five in thirty seconds.

        Raises:
            InvalidRateError: it is none.
        """
        match = _RATE.fullmatch(text.strip())
        starts, seconds = (int(match[1]), int(match[2] or 1) * _UNITS[match[3]]) if match else (0, 0)
        if not starts or not seconds:
            raise InvalidRateError(f"{text!r} is no rate: write 100/m, 10/s, 5/30s, 1000/h or 1/d.")
        return cls(starts, seconds)

    @property
    def per_minute(self) -> float:
        """Return the starts in a minute."""
        return self.starts * 60 / self.seconds

    def __str__(self) -> str:
        for unit, seconds in reversed(_UNITS.items()):
            if self.seconds % seconds == 0:
                number = self.seconds // seconds
                return f"{self.starts}/{'' if number == 1 else number}{unit}"
        raise AssertionError  # pragma: no cover - one second divides everything


def segment(text: str) -> str:
    """Return text as one step of a subject: nothing in it separates, and it is short. A long one ends in its hash."""
    quoted = quote(text, safe=_SAFE)
    if len(quoted) <= _LONGEST:
        return quoted
    return f"{quoted[:60]}~{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def task_subject(name: str, key: str | None = None) -> str:
    """Return a task as a subject, or one of its keys."""
    return f"task:{segment(name)}" if key is None else f"task:{segment(name)}/{segment(key)}"


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """The limits of a definition: of the task, or of each of its keys."""

    task_name: str
    own: str  # the task as a subject
    concurrency: int | None
    rate: Rate | None
    key: Callable[..., object] | None
    key_arguments: tuple[str, ...]

    @classmethod
    def of(
        cls,
        name: str,
        arguments: Collection[str],
        *,
        concurrency: int | None,
        rate: str | None,
        concurrency_key: Callable[..., object] | None,
    ) -> "TaskLimits | None":
        """Read the options of a task with these `arguments`; None when there are none.

        Raises:
            ConfigurationError: they contradict each other, or the key wants an argument that the task has not.
        """
        if concurrency is None and rate is None:
            if concurrency_key is not None:
                raise ConfigurationError(f"Task {name!r}: concurrency_key needs a concurrency or a rate for each key.")
            return None
        if concurrency is not None and concurrency < 1:
            raise ConfigurationError(f"Task {name!r}: concurrency is 1 or more, not {concurrency}.")
        try:
            parsed = None if rate is None else Rate.parse(rate)
        except InvalidRateError as error:
            raise ConfigurationError(f"Task {name!r}: {error}") from error
        wanted = () if concurrency_key is None else tuple(inspect.signature(concurrency_key).parameters)
        missing = sorted(set(wanted) - set(arguments))
        if missing:
            raise ConfigurationError(f"Task {name!r}: concurrency_key wants {', '.join(missing)}, which it has not.")
        return cls(name, task_subject(name), concurrency, parsed, concurrency_key, wanted)

    @property
    def subject(self) -> str:
        """Return what the limits are about: the task, or each of its keys."""
        return self.own + (EVERY_KEY if self.key else "")

    @property
    def limit(self) -> Limit:
        """Return them as the dispatch knows them."""
        return Limit(self.concurrency, self.rate.per_minute if self.rate else None)

    def covers(self, part: str) -> bool:
        """Tell whether a part of a queue is one of those that these limits make."""
        return part.startswith(f"{self.own}/") if self.key else part == self.own

    def part(self, arguments: Mapping[str, Any]) -> str | None:
        """Return the part of its queue in which a call with these arguments waits; None: nothing limits it.

        Raises:
            InvalidConcurrencyKeyError: the key cannot be computed.
        """
        if self.key is None:
            return self.own
        try:
            value = self.key(**{name: arguments[name] for name in self.key_arguments})
        except Exception as error:
            raise InvalidConcurrencyKeyError(
                f"{self.task_name}: concurrency_key failed: {type(error).__name__}: {error}"
            ) from error
        return None if value is None else task_subject(self.task_name, str(value))
