"""Faults: the same cause looks the same, whatever ids its message holds and wherever its line moved."""

import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from taskflow.engine.dead_letters.faults import CRASH, TIME_LIMIT, Fault, fault_of, without_noise


class OrderMissingError(Exception):
    """Ours."""


def load(order: int) -> None:
    raise OrderMissingError(f"no order {order}")


def decode(text: str) -> None:
    json.loads(text)


def load_and_wrap(order: int) -> None:
    try:
        load(order)
    except OrderMissingError as error:
        raise RuntimeError(f"cannot ship {order}") from error


def quotes_a_traceback(order: int) -> None:
    raise ValueError(
        f'remote said {order}:\nTraceback (most recent call last):\n  File "/x/y.py", line 1, in far\nOops'
    )


def fails_together(order: int) -> None:
    raise ExceptionGroup("many", [ValueError(str(order))])


def caught(function: Callable[..., None], *arguments: object) -> tuple[str, str]:
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001 - what it raises is what is looked at
        return f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))
    raise AssertionError("it did not raise")


HERE = Path(__file__).name


@pytest.mark.parametrize(
    ("function", "arguments", "error_class", "name"),
    [
        (load, (1,), "OrderMissingError", "load"),
        (decode, ("{",), "JSONDecodeError", "decode"),  # raised in the library, but called from here
        (load_and_wrap, (1,), "RuntimeError", "load_and_wrap"),
        (quotes_a_traceback, (1,), "ValueError", "quotes_a_traceback"),
        (fails_together, (1,), "ExceptionGroup", "fails_together"),
    ],
)
def test_the_place_is_the_last_frame_of_our_own_code(
    function: Callable[..., None], arguments: tuple[object, ...], error_class: str, name: str
) -> None:
    fault = fault_of(*caught(function, *arguments))
    assert fault.error_class == error_class
    assert fault.place.endswith(f"{HERE}:{name}")


def test_other_ids_in_the_message_make_no_other_fault() -> None:
    assert fault_of(*caught(load, 1)) == fault_of(*caught(load, 222))
    assert fault_of(*caught(load, 1)) != fault_of(*caught(decode, "{"))


def test_a_line_added_above_makes_no_other_fault() -> None:
    error, stack = caught(load, 1)
    moved = stack.replace("line ", "line 9")
    assert moved != stack
    assert fault_of(error, moved) == fault_of(error, stack)


def test_the_place_is_told_from_the_root_of_imports(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = 'Traceback (most recent call last):\n  File "/srv/app/shop/mail.py", line 3, in send\nValueError: x\n'
    assert fault_of("ValueError: x", stack).place == "shop/mail.py:send"  # two parts of a path from elsewhere
    monkeypatch.setattr(sys, "path", ["/srv", "/srv/app/shop"])
    assert fault_of("ValueError: x", stack).place == "mail.py:send"


def test_without_one_of_our_frames_the_last_one_stands() -> None:
    stack = 'Traceback (most recent call last):\n  File "/v/site-packages/httpx/client.py", line 3, in get\nE: x\n'
    assert fault_of("E: x", stack) == Fault("E", "httpx/client.py:get")


@pytest.mark.parametrize(
    ("sentence", "fault"),
    [
        ("550 no mailbox for ada@example.com here", Fault("", "… no mailbox for … here")),
        ("Refused: order 17 of 'Ada'", Fault("Refused", "order … of …")),
        ("not yet", Fault("", "not yet")),
        ("", Fault("", "")),
        (None, Fault("", "")),
    ],
)
def test_where_no_code_is_known_the_sentence_without_its_ids_stands_for_it(sentence: str | None, fault: Fault) -> None:
    assert fault_of(sentence, None) == fault


def test_time_limits_and_crashes_have_names_of_their_own() -> None:
    assert fault_of("It took longer than its time limit of 1 s.", None, timed_out=True) == Fault(TIME_LIMIT, "")
    assert fault_of("Poison: it crashed its process 3 times.", None, crashed=True) == Fault(CRASH, "")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("task 0193f0a2-7c2e-7d11-a5b8-3f60c1d2e9aa is gone", "task 0199aaaa-0000-7d11-a5b8-3f60c1d2e9ab is gone"),
        ("after 1.5 s", "after 30 s"),
        ("commit deadbeef12 is missing", "commit 0123456789ab is missing"),
        ("no column 'a b'", 'no column "c"'),
        ("10.0.0.1:80 refused", "192.168.1.1:5432 refused"),
    ],
)
def test_noise_is_numbers_ids_addresses_and_quotations(one: str, other: str) -> None:
    assert without_noise(one) == without_noise(other)
    assert "…" in without_noise(one)


def test_words_are_no_noise() -> None:
    assert without_noise("the facade is down") == "the facade is down"
