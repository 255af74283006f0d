"""Logs: secrets are cut out on the way."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from taskflow.base.logging import LogFormat, configure_logging, get_logger, redact

HOSTILE = "/api/\x1b[2J\x1b]0;owned\x07\n2026 [info] forged\u202e"
KEY = "tf_0123456789ab_" + "A" * 43
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4IiwiYSI6MX0.c2lnbmF0dXJl"


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Put the former configuration back."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.parametrize("form", ["json", "console"])
def test_neither_an_exception_nor_a_nested_value_carries_a_secret_into_the_log(
    capsys: pytest.CaptureFixture[str], form: LogFormat
) -> None:
    configure_logging("INFO", form)
    log = get_logger("secrets")
    for logger in (log, logging.getLogger("somebody.elses")):
        try:
            raise OSError(  # noqa: TRY301 - what is logged is the point
                f"cannot reach postgresql://taskflow:hunter2@db/x with {KEY} or {JWT}"
            )
        except OSError:
            logger.exception("failed")
    log.info("sent", headers={"Authorization": "hunter2", "list": [{"token": "hunter2"}, f"Bearer {KEY}"]})
    text = capsys.readouterr().err
    assert "cannot reach" in text
    assert [secret for secret in ("hunter2", KEY, JWT) if secret in text] == []


def test_nothing_that_a_caller_writes_steers_a_terminal_or_forges_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "console")
    get_logger("lines").info("request", path=HOSTILE)
    logging.getLogger("somebody.elses").warning("from %s", HOSTILE)
    text = capsys.readouterr().err
    assert text.count("\n") == 2
    assert "\x1b[2J" not in text
    assert "\x07" not in text
    assert "\u202e" not in text
    assert "owned" in text


def test_a_json_line_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("INFO", "json")
    get_logger("lines").info("request", path=HOSTILE)
    text = capsys.readouterr().err
    assert json.loads(text)["path"] == HOSTILE
    assert text.count("\n") == 1


def test_values_under_secret_names_and_passwords_in_urls_are_cut_out() -> None:
    event = redact(
        None,
        "info",
        {
            "password": "hunter2",
            "refresh_token": "abc",
            "api_key": "tf_x_y",
            "url": "postgresql://taskflow:hunter2@db.example/taskflow",
            "event": "connected",
        },
    )
    assert "hunter2" not in str(event)
    assert "abc" not in str(event)
    assert event["url"] == "postgresql://taskflow:[redacted]@db.example/taskflow"
    assert event["event"] == "connected"
