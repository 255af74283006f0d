"""The types that users see: mypy finds the errors that `tests/typing/` marks, and no others."""

import re
from pathlib import Path

import pytest
from mypy import api

_ROOT = Path(__file__).parents[3]
_FILES = sorted((_ROOT / "tests" / "typing").glob("*.py"))
_MARK = re.compile(r"# error: \[([a-z-]+)\]")
_FOUND = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+): error: .*\[(?P<code>[a-z-]+)\]$")


@pytest.mark.parametrize("file", _FILES, ids=lambda file: file.stem)
def test_mypy_finds_exactly_the_marked_errors(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(_ROOT)
    name = file.relative_to(_ROOT)
    expected = [
        (number, mark[1])
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for mark in _MARK.finditer(line)
    ]
    # Only what is wrong in this file counts here: `make check` looks at the rest.
    output, complaints, _ = api.run(["--follow-imports=silent", "--no-error-summary", str(name)])
    assert not complaints
    found = [match for line in output.splitlines() if (match := _FOUND.match(line)) and match["file"] == str(name)]
    assert [(int(match["line"]), match["code"]) for match in found] == expected, output
    assert expected
