"""Which engine `await resize.enqueue(…)` uses: that of the context, else the application's, else an error.

A test or a request may choose one for itself (`use_engine`); an application chooses one for the whole process, by
opening it (`Engine.open`, `TaskFlow`) or by `default_engine`. A worker chooses its own: tasks can enqueue tasks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ParamSpec, Protocol, TypeVar

from taskflow.base.errors import TaskFlowError

if TYPE_CHECKING:
    from taskflow.engine.definition import Task
    from taskflow.engine.handles import TaskHandle

P = ParamSpec("P")
R = TypeVar("R")


class NoEngineError(TaskFlowError):
    """There is no engine to enqueue with."""

    code = "no_engine"


class Enqueuer(Protocol):
    """Whatever takes tasks: the direct `Engine`, the HTTP client `TaskFlow`, `InlineEngine` in tests."""

    async def enqueue(self, task: "Task[P, R]", *args: P.args, **kwargs: P.kwargs) -> "TaskHandle[R]":
        """Enqueue a task."""
        ...


_of_context: ContextVar[Enqueuer | None] = ContextVar("taskflow_engine", default=None)
_of_process: list[Enqueuer] = []


@contextmanager
def use_engine(engine: Enqueuer) -> Iterator[None]:
    """Let `task.enqueue` use `engine` inside this block, and only there: other asyncio tasks do not see it."""
    token = _of_context.set(engine)
    try:
        yield
    finally:
        _of_context.reset(token)


@contextmanager
def default_engine(engine: Enqueuer) -> Iterator[None]:
    """Let `task.enqueue` use `engine` everywhere in this process while the block lasts; the newest block counts."""
    _of_process.append(engine)
    try:
        yield
    finally:
        _of_process.remove(engine)


def current_engine() -> Enqueuer:
    """Return the engine that `task.enqueue` uses here.

    Raises:
        NoEngineError: nobody has chosen one.
    """
    engine = _of_context.get() or (_of_process[-1] if _of_process else None)
    if engine is None:
        raise NoEngineError(
            "No engine is open here: enter `Engine.open()` or `TaskFlow()` first, or use `engine.enqueue(task, …)`."
        )
    return engine
