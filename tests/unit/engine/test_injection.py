"""What a worker provides: what may be asked for, and what callers are asked for."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from typing import Annotated

import pytest

from taskflow.base.errors import ConfigurationError
from taskflow.engine import PROVIDED, Depends, TaskContext, task
from taskflow.engine.injection import SlotScope
from taskflow.engine.payload import InvalidTaskArgumentsError


async def open_async() -> AsyncIterator[str]:
    """Open something on a loop."""
    yield "async"


opened: list[str] = []


def open_shared() -> Iterator[str]:
    """Open something that is shared."""
    opened.append("shared")
    yield "shared"
    opened.append("closed")


def open_sync(shared: Annotated[str, Depends(open_shared, "process")]) -> str:
    """Open something with the help of another."""
    opened.append("sync")
    return f"sync on {shared}"


def test_a_dependency_is_no_argument() -> None:
    @task(name="unit.charge")
    async def charge(order: int, session: Annotated[str, Depends(open_async)] = PROVIDED, times: int = 1) -> None:
        """Charge."""

    assert charge.validate([1, 2], {}) == {"order": 1, "times": 2}
    with pytest.raises(InvalidTaskArgumentsError, match="session: Extra inputs"):
        charge.validate([1], {"session": "mine"})


def test_openers_are_opened_once_a_task_and_shared_ones_once_a_process() -> None:
    opened.clear()

    @task(name="unit.twice")
    def twice(
        first: Annotated[str, Depends(open_sync)] = PROVIDED, second: Annotated[str, Depends(open_sync)] = PROVIDED
    ) -> None:
        """Take the same twice."""

    assert twice.injection is not None
    with ExitStack() as process:
        scope = SlotScope(process)
        for _ in range(2):
            with twice.injection.opened_in(scope) as provided:
                assert provided == {"first": "sync on shared", "second": "sync on shared"}
    assert opened == ["shared", "sync", "sync", "closed"]


def test_what_cannot_be_opened_is_refused_when_the_task_is_defined() -> None:
    def wants(number: int) -> int:
        return number

    def single(context: TaskContext) -> str:
        return context.task_name

    def circular(again: Annotated[str, Depends(open_sync)]) -> str:
        return again

    with pytest.raises(ConfigurationError, match=r"runs in a slot.*open_async"):

        @task(name="unit.sync")
        def sync(session: Annotated[str, Depends(open_async)]) -> None:
            """Cannot."""

    with pytest.raises(ConfigurationError, match="parameter 'number' that nothing provides"):

        @task(name="unit.number")
        async def number(value: Annotated[int, Depends(wants)]) -> None:
            """Cannot."""

    with pytest.raises(ConfigurationError, match="once a process and cannot depend on a single task"):

        @task(name="unit.single")
        async def single_task(value: Annotated[str, Depends(single, "process")]) -> None:
            """Cannot."""

    circular.__annotations__["again"] = Annotated[str, Depends(circular)]
    with pytest.raises(ConfigurationError, match="depends on itself"):

        @task(name="unit.circular")
        async def circular_task(value: Annotated[str, Depends(circular)]) -> None:
            """Cannot."""
