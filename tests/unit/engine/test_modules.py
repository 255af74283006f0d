"""Modules that define tasks are imported, or named with what is wrong with them."""

import sys
from pathlib import Path

import pytest

from taskflow.base.errors import ConfigurationError
from taskflow.engine.definition import registry
from taskflow.engine.modules import import_tasks


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, which is not on the path yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


def test_a_module_in_the_current_folder_is_found(folder: Path) -> None:
    (folder / "unit_modules_here.py").write_text(
        "from taskflow.engine import task\n\n@task(name='unit.here', queue='here')\nasync def here() -> None: ...\n"
    )
    import_tasks(["unit_modules_here"])
    assert registry.get("unit.here").queue == "here"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (None, "ModuleNotFoundError: No module named 'unit_modules_broken'"),
        ("def broken(:", r"SyntaxError: .*unit_modules_broken\.py, line 1"),
        ("import unit_modules_missing", r"No module named 'unit_modules_missing' \(.*unit_modules_broken\.py, line 1"),
        ("\nraise ValueError('no key')", r"ValueError: no key \(.*unit_modules_broken\.py, line 2\)"),
        ("import sys\nsys.exit('no licence')", "SystemExit: no licence"),
        (
            "from taskflow.engine import task\n\n@task(name='unit.open')\ndef f(*a: int) -> None: ...",
            "ConfigurationError: Task 'unit.open'",
        ),
    ],
)
def test_a_module_that_cannot_be_imported_is_a_configuration_error(folder: Path, code: str | None, words: str) -> None:
    if code is not None:
        (folder / "unit_modules_broken.py").write_text(code)
    with pytest.raises(ConfigurationError, match=words) as caught:
        import_tasks(["unit_modules_broken"])
    assert "'unit_modules_broken' of TASKFLOW_WORKER_IMPORTS" in str(caught.value)
