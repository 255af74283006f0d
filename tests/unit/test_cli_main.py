"""The command line's frame: quick help, sentences instead of stack traces, exit codes."""

import subprocess
import sys

import click
import pytest

from taskflow.base import errors
from taskflow.cli import main, task


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> list[BaseException]:
    """A command that raises what is put into the list."""
    wanted: list[BaseException] = []

    @click.command()
    def fail() -> None:
        raise wanted[0]

    monkeypatch.setattr(main.Nouns, "get_command", lambda *_: fail)
    return wanted


def test_help_lists_every_command_without_loading_one() -> None:
    code = (
        "import sys; from taskflow.cli import main; main.run(['--help'])\n"
        "heavy = {'pydantic', 'asyncpg', 'redis', 'fastapi', 'sqlalchemy', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in main.COMMANDS)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.NotFoundError("There is no task 7."), 3),
        (errors.UnauthenticatedError(), 4),
        (errors.ForbiddenError(), 4),
        (errors.ConflictError("The campaign runs already."), 5),
        (errors.InvalidInputError(), 5),
        (errors.UnavailableError(), 6),
        (errors.ConfigurationError("TASKFLOW_HTTP_PORT: not a number"), 1),
    ],
)
def test_a_domain_error_becomes_its_sentence_and_an_exit_code(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str], error: errors.TaskFlowError, code: int
) -> None:
    failing.append(error)
    assert main.run(["fail"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == f"taskflow: {error}\n"


def test_input_that_is_wrong_in_several_places_is_told_place_by_place(
    failing: list[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    places = [{"pointer": "#/a", "detail": "Field required"}, {"parameter": "limit", "detail": "too small"}]
    failing.append(errors.InvalidInputError("#/a: Field required (and 1 more)", errors=places))
    assert main.run(["fail"]) == 5
    assert capsys.readouterr().err == ("taskflow: The input is not valid:\n  #/a: Field required\n  limit: too small\n")


@pytest.mark.parametrize(
    ("seconds", "error", "line"),
    [(0.5, None, "attempt 1: COMPLETED after 0.5 s"), (None, "Gone.", "attempt 1: COMPLETED: Gone.")],
)
def test_an_attempt_tells_only_what_is_known(seconds: float | None, error: str | None, line: str) -> None:
    execution = {"attempt_number": 1, "status": "COMPLETED", "duration_seconds": seconds, "error_message": error}
    assert task._attempt(execution) == line


def test_ctrl_c_exits_with_130(failing: list[BaseException]) -> None:
    failing.append(KeyboardInterrupt())
    assert main.run(["fail"]) == 130


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["frobnicate"]) == 2
    assert "No such command" in capsys.readouterr().err


def test_an_invalid_setting_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TASKFLOW_HTTP_PORT", "eighty")
    assert main.run(["db", "current"]) == 1
    assert "TASKFLOW_HTTP_PORT" in capsys.readouterr().err
