"""Runs the rivals' programs in benchmarks/.venv and takes their answers: one JSON object on the last line."""

import asyncio
import json
import subprocess
from typing import Any

from benchmarks.system import ROOT, clean_environment, spawn

RIVALS = ("pgqueuer", "celery")
_PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"
_PROGRAMS = {name: ROOT / "benchmarks" / "rivals" / f"{name}_rival.py" for name in RIVALS}


class RivalError(Exception):
    """A rival's program failed."""


def available() -> bool:
    """Tell whether their environment is there (`python3 tools/bootstrap.py bench` makes it)."""
    return _PYTHON.exists()


def version_of(name: str) -> str:
    """Return the installed version of a rival."""
    if not available():
        return "not installed"
    code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    return subprocess.run([_PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def environment_of(**settings: str) -> dict[str, str]:
    """Return what a rival's program runs with; it must find its own packages, not ours."""
    own = clean_environment() | settings
    del own["PYTHONPATH"]
    return own


async def ask(name: str, *arguments: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a rival's program to its end and return what it answers.

    Raises:
        RivalError: it failed; with what it said.
    """
    process = await spawn(
        [_PYTHON, _PROGRAMS[name], *arguments],
        environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode != 0:
        raise RivalError(f"{name} {arguments[0]} failed:\n{errors.decode(errors='replace')[-2000:]}")
    answer: dict[str, Any] = json.loads(output.splitlines()[-1])
    return answer


async def start(name: str, *arguments: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    """Start a rival's worker; the caller ends it."""
    return await spawn([_PYTHON, _PROGRAMS[name], *arguments], environment, log=f"{name}.log")
