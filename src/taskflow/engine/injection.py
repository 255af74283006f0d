"""Dependencies of task functions: what a parameter is given besides the task's arguments.

    async def open_session() -> AsyncIterator[Session]:
        async with Session(...) as session:
            yield session

    @task
    async def charge(order_id: int, session: Annotated[Session, Depends(open_session)] = PROVIDED) -> None: ...

An opener is a generator function that yields once, or a function or class whose value is entered when it can be, and
left again. Openers may have parameters of the same kind, and of the types `TaskContext` (scope "task") and
`WorkerContext` (async tasks). Sync tasks run in a slot's own process, and take sync openers only.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from taskflow.base.errors import ConfigurationError
from taskflow.engine.context import TaskContext, WorkerContext, current_task, worker_context

Scope = Literal["task", "process"]


class _Provided:
    def __repr__(self) -> str:
        return "PROVIDED"


PROVIDED: Final[Any] = _Provided()
"""The default of a parameter that the worker provides, so that no type checker asks callers of `enqueue` for it."""


@dataclass(frozen=True, slots=True)
class Depends:
    """Marks a parameter: `Annotated[Session, Depends(open_session)]`.

    Args:
        opener: makes the value.
        scope: "task" opens it for each attempt, "process" once for all tasks of a worker process.
    """

    opener: Callable[..., Any]
    scope: Scope = "task"


class Injection:
    """What one function depends on."""

    def __init__(self, name: str, function: Callable[..., Any], *, is_async: bool) -> None:
        """Read the signature of the task called `name`.

        Raises:
            ConfigurationError: an opener cannot be used there; the sentence says which and why.
        """
        self._nodes = {p: _node(depends) for p, depends in dependencies_of(function).items()}
        for node in self._nodes.values():
            node.check(name, is_async=is_async)

    def __bool__(self) -> bool:
        """Tell whether it depends on anything."""
        return bool(self._nodes)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[dict[str, Any]]:
        """Open everything for one attempt on a child's loop; what it raises reaches the openers."""
        async with AsyncExitStack() as stack:
            known: dict[_Node, Any] = {}
            yield {name: await _value(node, stack, known) for name, node in self._nodes.items()}

    @contextmanager
    def opened_in(self, process: "SlotScope") -> Iterator[dict[str, Any]]:
        """Do the same in the process of a slot."""
        with ExitStack() as stack:
            known: dict[_Node, Any] = {}
            yield {name: process.value(node, stack, known) for name, node in self._nodes.items()}


def dependencies_of(function: Callable[..., Any]) -> dict[str, Depends]:
    """Return the parameters of a function that a worker provides."""
    found: dict[str, Depends] = {}
    for name, parameter in inspect.signature(function, eval_str=True).parameters.items():
        if get_origin(parameter.annotation) is Annotated:
            for mark in get_args(parameter.annotation)[1:]:
                if isinstance(mark, Depends):
                    found[name] = mark
    return found


class _Node:
    """An opener in a scope, and what it takes itself."""

    def __init__(self, depends: Depends) -> None:
        self.opener, self.scope = depends.opener, depends.scope
        self.name = getattr(self.opener, "__qualname__", repr(self.opener))
        if depends in _being_read:
            raise ConfigurationError(f"The dependency {self.name} depends on itself.")
        marked = dependencies_of(self.opener)
        _being_read.append(depends)
        try:
            self.takes: dict[str, _Node | type] = {name: _node(inner) for name, inner in marked.items()}
        finally:
            _being_read.pop()
        for name, parameter in inspect.signature(self.opener, eval_str=True).parameters.items():
            if parameter.annotation in (TaskContext, WorkerContext):
                self.takes[name] = parameter.annotation
            elif name not in marked and parameter.default is parameter.empty and parameter.kind not in _OPEN_ENDED:
                raise ConfigurationError(
                    f"The dependency {self.name} has a parameter {name!r} that nothing provides: annotate it with"
                    " Depends, TaskContext or WorkerContext, or give it a default."
                )

    def check(self, task_name: str, *, is_async: bool) -> None:
        if not is_async and (
            inspect.isasyncgenfunction(self.opener)
            or inspect.iscoroutinefunction(self.opener)
            or WorkerContext in self.takes.values()
        ):
            raise ConfigurationError(
                f"Task {task_name!r} is a sync function and runs in a slot, where {self.name} cannot be opened: it is"
                " async, or takes a WorkerContext. Make the task async, or the opener a plain generator."
            )
        for taken in self.takes.values():
            if isinstance(taken, _Node):
                taken.check(task_name, is_async=is_async)
            if self.scope == "process" and (
                taken is TaskContext or (isinstance(taken, _Node) and taken.scope == "task")
            ):
                raise ConfigurationError(
                    f"The dependency {self.name} is opened once a process and cannot depend on a single task."
                )

    @asynccontextmanager
    async def for_the_process(self, context: WorkerContext) -> AsyncIterator[Any]:
        """Open it for all tasks of a child; `WorkerContext.resource` calls this once."""
        async with AsyncExitStack() as stack:
            values = {
                name: await context.resource(taken.for_the_process) if isinstance(taken, _Node) else context
                for name, taken in self.takes.items()
            }
            yield await _enter(stack, self.opener, values)


_being_read: list[Depends] = []


@cache
def _node(depends: Depends) -> _Node:
    """Return the one node of an opener in a scope: who shares a process shares what it opens."""
    return _Node(depends)


async def _value(node: _Node, stack: AsyncExitStack, known: dict[_Node, Any]) -> Any:
    if node in known:
        return known[node]
    if node.scope == "process":
        value = await worker_context().resource(node.for_the_process)
    else:
        values: dict[str, Any] = {}
        for name, taken in node.takes.items():
            if isinstance(taken, _Node):
                values[name] = await _value(taken, stack, known)
            else:
                values[name] = current_task() if taken is TaskContext else worker_context()
        value = await _enter(stack, node.opener, values)
    known[node] = value
    return value


async def _enter(stack: AsyncExitStack, opener: Callable[..., Any], values: Mapping[str, Any]) -> Any:
    if inspect.isasyncgenfunction(opener):
        return await stack.enter_async_context(asynccontextmanager(opener)(**values))
    if inspect.isgeneratorfunction(opener):
        return stack.enter_context(contextmanager(opener)(**values))
    made = opener(**values)
    if inspect.isawaitable(made):
        made = await made
    if hasattr(type(made), "__aenter__"):
        return await stack.enter_async_context(made)
    return stack.enter_context(made) if hasattr(type(made), "__enter__") else made


class SlotScope:
    """What is opened once in the process of a slot; leave `stack` to close it."""

    def __init__(self, stack: ExitStack) -> None:
        """Open things on `stack`."""
        self._stack = stack
        self._known: dict[_Node, Any] = {}

    def value(self, node: _Node, stack: ExitStack, known: dict[_Node, Any]) -> Any:
        """Return what `node` opens: on `stack` for one task, or here."""
        if node.scope == "process":
            stack, known = self._stack, self._known
        if node not in known:
            values = {
                name: self.value(taken, stack, known) if isinstance(taken, _Node) else current_task()
                for name, taken in node.takes.items()
            }
            known[node] = self._enter(stack, node.opener, values)
        return known[node]

    @staticmethod
    def _enter(stack: ExitStack, opener: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        if inspect.isgeneratorfunction(opener):
            return stack.enter_context(contextmanager(opener)(**values))
        made = opener(**values)
        return stack.enter_context(made) if hasattr(type(made), "__enter__") else made


_OPEN_ENDED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
