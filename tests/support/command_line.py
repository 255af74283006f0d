"""`taskflow` as somebody types it in the home of a running system."""

import json
import subprocess
from typing import Any

from support.up import COMMAND, System

FAILED, USAGE, NOT_FOUND, REFUSED, CONFLICT, AWAY = 1, 2, 3, 4, 5, 6


class Cli:
    """The command line of a system; exit codes are checked."""

    def __init__(self, system: System) -> None:
        self.environment = dict(system.environment)

    def __call__(self, *arguments: str, code: int = 0, stdin: str | None = None, **environment: str) -> str:
        """Run a command, check its exit code, and return what it printed: the error when one is expected."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            env=self.environment | environment,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        return done.stderr if code > FAILED else done.stdout

    def json(self, *arguments: str, code: int = 0, **options: Any) -> Any:
        """Run a command with --json and return what it printed."""
        return json.loads(self(*arguments, "--json", code=code, **options))
