"""Hooks around the life of a worker's processes.

    @worker_lifespan
    async def warm_up(context: WorkerContext) -> AsyncIterator[None]:
        await load_the_model()
        yield
        await unload_it()

An async hook runs in each child process, before it claims anything and after its last task. A sync one (a plain
generator without parameters) runs in each slot's process, where sync tasks run. They open in the order of registration
and close in the reverse one. A process whose hook raises does not start: a child's is logged, and its node tries again
after a growing pause; a task whose slot does not start fails its attempt with the reason.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any, TypeVar, overload

from taskflow.base.errors import ConfigurationError
from taskflow.engine.context import WorkerContext

ChildHook = Callable[[WorkerContext], AsyncIterator[None]]
SlotHook = Callable[[], Iterator[None]]
C = TypeVar("C", bound=ChildHook)
S = TypeVar("S", bound=SlotHook)

_child_hooks: list[ChildHook] = []
_slot_hooks: list[SlotHook] = []


@overload
def worker_lifespan(hook: C, /) -> C: ...
@overload
def worker_lifespan(hook: S, /) -> S: ...
def worker_lifespan(hook: Any, /) -> Any:
    """Register a generator function that yields once: what comes before runs at the start, what follows at the end.

    Raises:
        ConfigurationError: it is no generator function.
    """
    if inspect.isasyncgenfunction(hook):
        _child_hooks.append(hook)
    elif inspect.isgeneratorfunction(hook):
        _slot_hooks.append(hook)
    else:
        raise ConfigurationError(f"{hook!r} is no lifespan hook: write a generator function that yields once.")
    return hook


async def open_child(stack: AsyncExitStack, context: WorkerContext) -> None:
    """Enter the hooks of a child process."""
    for hook in _child_hooks:
        await stack.enter_async_context(asynccontextmanager(hook)(context))


def open_slot(stack: ExitStack) -> None:
    """Enter the hooks of a slot."""
    for hook in _slot_hooks:
        stack.enter_context(contextmanager(hook)())
