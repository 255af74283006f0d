"""Other people's text on a terminal."""

import pytest

from taskflow.base.terminal import printable
from taskflow.cli.client import Output, cell


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2Jgone", "\\x9b2Jgone"),
        ("bell\x07", "bell\\x07"),
        ("a\rb", "a\\rb"),
        ("txt.\u202eexe", "txt.\\u202eexe"),
        ("a\u2028b", "a\\u2028b"),
        ("half \ud800", "half \\ud800"),
    ],
)
def test_nothing_is_obeyed(hostile: str, shown: str) -> None:
    assert printable(hostile) == cell(hostile) == shown
    assert shown in cell({"a": hostile}) or "\\" in cell({"a": hostile})


@pytest.mark.parametrize("text", ["Zoë", "日本語\u3000全角", "non\xa0breaking", "👩\u200d💻", "naïve — “quoted”"])
def test_what_is_only_text_is_left_alone(text: str) -> None:
    assert printable(text) == text


def test_a_mail_is_shown_in_lines_and_without_its_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=False).thing({}, text="Subject: \x1b]0;owned\x07\n\nline\n\tindented")
    assert capsys.readouterr().out == "Subject: \\x1b]0;owned\\x07\n\nline\n\tindented\n"
