"""Every `taskflow …` that a page shows is a command that exists, with options that it has."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from taskflow.cli.main import cli

ROOT = Path(__file__).parents[3]
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")})
_BLOCK = re.compile(r"^ *```(?:bash|console)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`((?:taskflow|\.venv/bin/taskflow) [^`]+)`")
_CALL = re.compile(r"(?:^|[\s$(])(?:\.venv/bin/)?taskflow (?P<rest>.*)")


def commands(page: Path) -> Iterator[str]:
    """Yield what is written behind `taskflow` in code."""
    text = page.read_text(encoding="utf-8")
    lines = [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").splitlines()]
    for line in (*lines, *_SPAN.findall(text)):
        rest = line
        while (found := _CALL.search(rest)) is not None:
            rest = found["rest"]
            yield rest


def words(line: str) -> list[str]:
    """Split a command line; what comes behind it (a comment, another command) is left out."""
    line = re.split(r"\s+#|\s+&&|\s*[|;>]\s", line)[0]
    try:
        return shlex.split(line)
    except ValueError:  # a quotation that ends behind the piece
        return line.replace('"', " ").replace("'", " ").split()


def complaint(line: str) -> str | None:
    """Return what is wrong with a command line, if anything is."""
    command: click.Command = cli
    context = click.Context(cli)
    for word in words(line):
        name = word.partition("=")[0].rstrip(").,:")
        if isinstance(command, click.Group) and not name.startswith("-"):
            if (found := command.get_command(context, name)) is not None:
                command = found
            elif re.fullmatch(r"[a-z-]+", name) and not command.invoke_without_command:
                return f"there is no {name!r} in `{command.name}`"
        elif re.match(r"--[a-z]", name):
            options = {text for param in command.params for text in (*param.opts, *param.secondary_opts)}
            if name not in options | {"--help", "--version"}:
                return f"`{command.name}` has no {name}"
    return None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_the_page_exist(page: Path) -> None:
    wrong = [f"taskflow {line}: {why}" for line in commands(page) if (why := complaint(line))]
    assert not wrong, "\n".join(wrong)


def test_a_wrong_command_is_seen() -> None:
    assert complaint("task list --tags red") == "`list` has no --tags"
    assert complaint("schedule make nightly") == "there is no 'make' in `schedule`"
    assert complaint("task list --tag red  # those --that have it") is None
