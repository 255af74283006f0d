"""Tasks with middleware around them, for workers that tests start; importing this registers it for the process."""

import os
from collections.abc import Sequence
from pathlib import Path

from taskflow.engine import Call, Middleware, PayloadEncryption, task, use_middleware
from taskflow.engine.store import Lease, Outcome

KEYS = {"old": bytes(range(32)), "new": bytes(range(32, 64))}
_JOURNAL = os.environ.get("SURROUNDED_TASKS_JOURNAL", os.devnull)


@task(name="surrounded.greet", max_retries=0)
async def greet(name: str) -> str:
    """Greet."""
    if name == "nobody":
        raise ValueError("nobody is there")
    return f"Hello {name}"


@task(name="surrounded.greet_all", max_retries=0)
async def greet_all(greeting: str, names: list[str], last: str = "") -> str:
    """Greet many."""
    return f"{greeting} {', '.join(names)}{last}"


@task(name="surrounded.greet_all_in_a_slot", max_retries=0)
def greet_all_in_a_slot(greeting: str, names: list[str]) -> str:
    """Greet many from a slot."""
    return f"{greeting} {', '.join(names)}"


@task(name="surrounded.greet_in_a_slot", max_retries=0)
def greet_in_a_slot(name: str) -> str:
    """Greet from a slot."""
    return f"Hello {name}"


class Journal(Middleware):
    """Writes down what it sees; fails where it is told to."""

    def __init__(self, letter: str) -> None:
        """Sign lines with `letter`."""
        self._letter = letter

    def _note(self, line: str) -> None:
        with Path(_JOURNAL).open("a", encoding="utf-8") as file:
            file.write(f"{self._letter} {line}\n")

    async def after_claim(self, leases: Sequence[Lease]) -> None:
        """Fail: the claim goes on."""
        self._note(f"after_claim {len(leases)}")
        raise RuntimeError("nobody minds")

    async def before_run(self, call: Call) -> None:
        """Change an argument, or fail the attempt."""
        self._note("before_run")
        if call.kwargs["name"] == "refused":
            raise PermissionError("not this one")
        call.kwargs = {"name": call.kwargs["name"] + self._letter}

    async def after_run(self, call: Call) -> None:
        """Change the result."""
        self._note(f"after_run {call.error}")
        if call.error is None:
            call.result += "!"

    async def before_complete(self, outcome: Outcome) -> None:
        """Fail on one of the results."""
        if outcome.result == "Hello uncommittableBA!!":
            raise RuntimeError("Hello uncommittable")

    async def after_complete(self, outcome: Outcome) -> None:
        """See the end."""
        self._note(f"after_complete {outcome.status}")
        raise RuntimeError("nobody minds")


class Forgetful(PayloadEncryption):
    """Has its keys for one task only, as a worker does that was not given those of others."""

    async def before_run(self, call: Call) -> None:
        """Open nothing of others."""
        if call.lease.task_name == "surrounded.greet":
            await super().before_run(call)


if os.environ.get("SURROUNDED_TASKS") == "journal":
    use_middleware(Journal("A"), Journal("B"))
elif os.environ.get("SURROUNDED_TASKS") == "forgetful":
    use_middleware(Forgetful(KEYS, current="new", tasks=["surrounded.greet"]))
else:
    use_middleware(PayloadEncryption(KEYS, current="new"))
