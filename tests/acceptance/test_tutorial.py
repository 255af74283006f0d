"""Two tutorials, executed: their files are written, their system started, their commands run.

A block's info string says what to do with it: a language and a name (`python NAME`) is a file, `bash up` starts the
system, `console` is commands and what they print, `bash install` is left out (the project is installed here; only its
name is checked).
"""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = ROOT / "docs" / "tutorial"
_FILES = ("python", "json", "html", "csv")
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@contextmanager
def up(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """Run `taskflow up` as the page says, and wait until it is up."""
    program = ["sh", "-c", f"exec env {command}"]
    with subprocess.Popen(program, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert any(line.startswith("Ctrl-C") for line in process.stdout), "it did not start"
            yield
        finally:
            process.terminate()
            process.wait(60)


def shell(command: str, folder: Path, environment: dict[str, str]) -> str:
    """Run a command line and return what it prints."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=180,
        check=False,
    )
    return done.stdout


def fits(output: str, expected: str) -> bool:
    """Tell whether an output is what the page shows; `…` stands for anything."""
    pattern = ".*".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A shell of somebody who has installed the project, with nothing else set; the port is a free one."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TASKFLOW_", "PYTEST_", "COV_"))}
    path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
    return {
        **kept,
        "PATH": path,
        "TASKFLOW_HTTP_PORT": "0",
        "TASKFLOW_SANDBOX_PORT": "0",
        "TASKFLOW_SUBMISSION_PORT": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@pytest.mark.parametrize("page", ["ten-lines.md", "first-audience.md"])
def test_every_step_does_what_the_page_says(page: str, tmp_path: Path, environment: dict[str, str]) -> None:
    blocks = _BLOCK.findall((TUTORIALS / page).read_text(encoding="utf-8"))
    assert len(blocks) > 10
    system = None
    try:
        for kind, name, text in blocks:
            match kind, name:
                case language, file if file and language in _FILES:
                    (tmp_path / file).write_text(text, encoding="utf-8")
                case "bash", "up":
                    if system is not None:
                        system.__exit__(None, None, None)
                    system = up(text.strip(), tmp_path, environment)
                    system.__enter__()
                case "bash", "install":
                    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
                    assert project in text or "pytest" in text
                case "console", "":
                    for command, expected in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
                        output = shell(command, tmp_path, environment)
                        assert fits(output, expected), f"$ {command}\n{output}\nbut the page says:\n{expected}"
                case _:
                    raise AssertionError(f"nobody knows what to do with ```{kind} {name}")
    finally:
        if system is not None:
            system.__exit__(None, None, None)
