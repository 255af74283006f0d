"""Failpoints: named places where a test may kill, stop or break the process, to prove what the crash contract says.

    TASKFLOW_FAILPOINTS="after_reply_before_commit=kill@37"      the 37th hit of each process kills it
    TASKFLOW_FAILPOINTS="after_reply_before_commit=kill%0.01"    each hit kills with 1 %
    TASKFLOW_FAILPOINTS_SEED=7                                   makes the second form repeatable
    TASKFLOW_FAILPOINTS_ONCE=/some/folder                        a failpoint fires once for all processes that share the
                                                                 folder, and leaves a file of its name as the proof

Actions: `kill` (SIGKILL to itself), `stop` (SIGSTOP), `raise` (FailpointError). Without the variable, `failpoint` is
a function that does nothing.
"""

import os
import random
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from taskflow.base.errors import ConfigurationError, TaskFlowError

_RULE = re.compile(r"(?P<name>\w+)=(?P<action>kill|stop|raise)(?:@(?P<hit>\d+)|%(?P<chance>0?\.\d+|1))")


class FailpointError(TaskFlowError):
    """A failpoint of a test was reached."""

    code = "failpoint"


@dataclass(slots=True)
class _Rule:
    name: str
    action: str
    hit: int
    chance: float
    random: random.Random
    once: Path | None
    hits: int = field(default=0)

    def reached(self) -> None:
        self.hits += 1
        due = self.hits == self.hit if self.hit else self.random.random() < self.chance
        if due and self._first():
            self._act()

    def _first(self) -> bool:
        if self.once is None:
            return True
        try:
            os.close(os.open(self.once / self.name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return False
        return True

    def _act(self) -> None:
        if self.action == "raise":
            raise FailpointError(f"Failpoint {self.name} at hit {self.hits}.")
        os.kill(os.getpid(), signal.SIGKILL if self.action == "kill" else signal.SIGSTOP)


def parse(rules: str, *, seed: str = "0", once: str | None = None) -> Callable[[str], None]:
    """Return the function that acts on `rules`.

    Raises:
        ConfigurationError: a rule cannot be read.
    """
    known: dict[str, _Rule] = {}
    for text in filter(None, rules.split(",")):
        match = _RULE.fullmatch(text.strip())
        if match is None:
            raise ConfigurationError(f"Failpoint {text!r}: write name=kill@37, name=stop@2 or name=raise%0.01.")
        known[match["name"]] = _Rule(
            name=match["name"],
            action=match["action"],
            hit=int(match["hit"] or 0),
            chance=float(match["chance"] or 0),
            random=random.Random(f"{seed}:{match['name']}"),  # noqa: S311 - repeatable on purpose
            once=Path(once) if once else None,
        )

    def reached(name: str) -> None:
        rule = known.get(name)
        if rule is not None:
            rule.reached()

    return reached


def _nothing(_name: str) -> None:
    """Do nothing: no failpoints are set."""


# The one place besides `settings` that reads the environment: a failpoint is no setting of a user.
_rules = os.environ.get("TASKFLOW_FAILPOINTS", "")
failpoint: Callable[[str], None] = (
    parse(
        _rules,
        seed=os.environ.get("TASKFLOW_FAILPOINTS_SEED", "0"),
        once=os.environ.get("TASKFLOW_FAILPOINTS_ONCE"),
    )
    if _rules
    else _nothing
)
