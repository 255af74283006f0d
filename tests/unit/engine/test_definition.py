"""Tasks: typed, named, checked."""

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.errors import ConfigurationError, InvalidInputError
from taskflow.engine.definition import Registry, UnknownTaskError, task
from taskflow.engine.payload import InvalidTaskArgumentsError, check_json


@task(name="unit.resize", queue="images", priority="HIGH")
async def resize(image_id: int, width: int = 640, when: dt.date | None = None) -> str:
    """Resize an image."""
    return f"{image_id}x{width}"


async def test_calling_a_task_runs_its_function() -> None:
    assert await resize(3) == "3x640"  # type: ignore[misc]


def test_arguments_are_converted_to_their_types() -> None:
    assert resize.validate([], {"image_id": "3", "when": "2026-11-22"}) == {
        "image_id": 3,
        "width": 640,
        "when": dt.date(2026, 11, 22),
    }


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ([], {}, "image_id: Field required"),
        (["x"], {}, "image_id: Input should be a valid integer"),
        ([1], {"imge_id": 2}, "imge_id: Extra inputs"),
        ([1], {"image_id": 2}, "image_id is given twice"),
        ([1, 2, None, 4], {}, "takes 3 arguments, 4 were given"),
    ],
)
def test_a_misfit_is_named(args: list[Any], kwargs: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTaskArgumentsError, match=words):
        resize.validate(args, kwargs)


def test_options_change_one_enqueueing_and_not_the_task() -> None:
    urgent = resize.options(priority=10, max_retries=0)
    assert (urgent.priority, urgent.max_retries, urgent.queue) == (10, 0, "images")
    assert (resize.priority, resize.max_retries) == (8, 5)
    with pytest.raises(InvalidInputError, match="Queue name"):
        resize.options(queue="a/b")


def test_two_functions_cannot_share_a_name() -> None:
    registry = Registry()
    registry.add(resize)
    registry.add(resize)  # the same module imported again is no clash

    @task(name="unit.other")
    def other() -> None:
        """Do nothing."""

    with pytest.raises(ConfigurationError, match=r"unit\.resize"):
        registry.add(other, "unit.resize")
    with pytest.raises(UnknownTaskError, match="TASKFLOW_WORKER_IMPORTS"):
        registry.get("unit.missing")


def test_open_ended_signatures_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be checked"):

        @task(name="unit.anything")
        def anything(*args: int) -> None:
            """Take whatever comes."""


@pytest.mark.parametrize(
    ("value", "words"), [("a\x00b", "NUL"), ({"k": ["\x00"]}, "NUL"), ("x" * 2_000_000, "bytes"), (object(), "JSON")]
)
def test_what_postgresql_cannot_keep_is_refused_at_once(value: Any, words: str) -> None:
    with pytest.raises(InvalidTaskArgumentsError, match=words):
        check_json(value, "The argument")


@given(st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists))
def test_json_passes_unless_it_holds_a_nul(value: Any) -> None:
    try:
        assert check_json(value, "it") == value
    except InvalidTaskArgumentsError as error:
        assert "\x00" in repr(value).replace("\\x00", "\x00") or "surrogates" in str(error)  # noqa: PT017
