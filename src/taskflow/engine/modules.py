"""The modules that define tasks: importing them fills the registry.

Workers import them to run tasks. The API imports the same ones, so that a task submitted by its name takes the options
of its definition and has its arguments checked before anything is written.
"""

import sys
import traceback
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from taskflow.base.errors import ConfigurationError


class TaskModuleError(ConfigurationError):
    """A module that defines tasks cannot be imported."""


def import_tasks(modules: Iterable[str]) -> None:
    """Import modules that define tasks; those in the current folder are found too, after everything installed.

    Raises:
        TaskModuleError: one cannot be imported; the sentence says which, why and where.
    """
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)  # `python -m`, which starts a worker's children, has it on the path already
    for module in modules:
        try:
            import_module(module)
        except (Exception, SystemExit) as error:  # whatever its code raises at import is the operator's to mend
            raise TaskModuleError(
                f"The module {module!r} of TASKFLOW_WORKER_IMPORTS (or --import) cannot be imported: "
                f"{type(error).__name__}: {error}{_place(error)}"
            ) from error


def _place(error: BaseException) -> str:
    """Say which line raised, when it was not the import system itself."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return "" if last.filename.startswith("<frozen importlib") else f" ({last.filename}, line {last.lineno})"
