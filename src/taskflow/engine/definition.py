"""Tasks: a typed function with a name, found again by that name in every process.

    @task(queue="images", timeout=60)
    async def resize(image_id: int, width: int = 640) -> str: ...

Arguments are checked against the annotations twice: when the task is enqueued, so that a mistake surfaces where it
was made, and when it runs, so that a row written by something else cannot reach the function unchecked.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, Unpack, overload

from taskflow.base.errors import ConfigurationError, InvalidInputError, NotFoundError
from taskflow.engine.arguments import Arguments, Upgrade, Upgrades
from taskflow.engine.default import current_engine
from taskflow.engine.dependencies.models import Parent
from taskflow.engine.injection import Injection, dependencies_of
from taskflow.engine.limits.models import TaskLimits
from taskflow.engine.options import TERMS, CallOptions, OnConflict, TaskOptions, UniqueKey, check_key, checked
from taskflow.engine.payload import InvalidTaskArgumentsError
from taskflow.engine.states import Priority

if TYPE_CHECKING:
    from taskflow.engine.batch import Batch
    from taskflow.engine.handles import TaskHandle

P = ParamSpec("P")
R = TypeVar("R")
U = TypeVar("U", bound=Upgrade)


class UnknownTaskError(NotFoundError):
    """No task of this name is registered here."""

    code = "unknown_task"


@dataclass(frozen=True, slots=True)
class Task(Generic[P, R]):
    """A registered function and its options (see `TaskOptions`). Calling it runs the function here and now."""

    name: str
    function: Callable[P, Awaitable[R] | R]
    queue: str = "default"
    priority: int = Priority.MEDIUM
    max_retries: int = 5
    timeout: int = 300
    batch: int | None = None
    version: int = 1
    tags: tuple[str, ...] = ()
    expires_in: float | None = None
    heartbeat: float | None = None
    keep_result: bool = True
    result_ttl: float | None = None
    max_result_bytes: int | None = None
    unique_key: UniqueKey | None = None
    unique_for: float | None = None
    on_conflict: OnConflict = "return"
    delay: float | None = None
    idempotency_key: str | None = None
    after: tuple[Parent, ...] = ()
    is_async: bool = True
    limits: TaskLimits | None = None
    said: frozenset[str] = frozenset()
    """Which of priority, max_retries and timeout it was given: the rest is the queue's."""
    injection: Injection | None = field(default=None, repr=False, compare=False)
    """What the worker provides; None: nothing."""
    _arguments: Arguments | None = field(default=None, repr=False, compare=False)
    _upgrades: Upgrades | None = field(default=None, repr=False, compare=False)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Run the function itself, here and now."""
        return self.function(*args, **kwargs)

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> "TaskHandle[R]":
        """Enqueue the task with the engine that is open here (see `engine/default.py`).

        Raises:
            NoEngineError: none is.
            InvalidTaskArgumentsError: the arguments do not fit the function.
        """
        return await current_engine().enqueue(self, *args, **kwargs)

    def options(self, **options: Unpack[CallOptions]) -> Self:
        """Return the task with other options for one enqueueing: see `CallOptions`.

        Raises:
            InvalidInputError: one of them cannot be so.
        """
        changes = checked(options)
        return replace(self, said=self.said.union(changes.keys() & TERMS), **changes)

    def upgrade(self, version: int) -> Callable[[U], U]:
        """Let a function turn the arguments of an older `version` (by name) into those of the next.

        Raises:
            ConfigurationError: there is no such older version, or another function does it already.
        """

        def decorate(step: U) -> U:
            assert self._upgrades is not None  # noqa: S101 - `task` made it
            self._upgrades.add(version, step)
            return step

        return decorate

    def validate(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return every argument by name, converted to its annotated type.

        Raises:
            InvalidTaskArgumentsError: they do not fit; the sentence names each misfit.
        """
        if self._arguments is None:  # a batch function takes the batch; its tasks' arguments are its own business
            return dict(kwargs or {})
        return self._arguments.validate(args, kwargs)

    def named(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return arguments by name, unchecked.

        Raises:
            InvalidTaskArgumentsError: there are too many of them, or one is given twice.
        """
        if self._arguments is not None:
            return self._arguments.named(args, kwargs)
        if args:
            raise InvalidTaskArgumentsError(f"{self.name}: a batch task takes results of others by name only.")
        return dict(kwargs or {})

    def validate_some(self, given: Mapping[str, Any], missing: Collection[str]) -> dict[str, Any]:
        """Return arguments by name, as `validate` does, but for those that are not known before the task runs.

        Raises:
            InvalidTaskArgumentsError: they do not fit, or a missing one is none of the task's.
        """
        if self._arguments is None:
            return dict(given)
        return self._arguments.without(frozenset(missing)).validate((), given)

    def read(self, args: Any, kwargs: Any, version: int | None) -> dict[str, Any]:
        """Return the arguments of a row as the function takes them; `version` is theirs, None the present one.

        Raises:
            UpgradeError: they are older, and cannot be turned into the present ones.
            InvalidTaskArgumentsError: they do not fit.
        """
        if version is not None and version < self.version and self._upgrades is not None:
            args, kwargs = None, self._upgrades.apply(version, args, kwargs)
        return self.validate(args, kwargs)

    def unique_key_of(self, arguments: dict[str, Any]) -> str | None:
        """Return the unique key of a task with these arguments.

        Raises:
            InvalidInputError: its function answers something else than a short string, or asks for the result of
                another task, which nobody knows yet.
        """
        if self.unique_key is None or isinstance(self.unique_key, str):
            return self.unique_key
        names = inspect.signature(self.unique_key).parameters
        for name in names:
            if name not in arguments:
                raise InvalidInputError(f"{self.name}: its unique key needs {name}, the result of another task.")
        return check_key(self.unique_key(**{name: arguments[name] for name in names}), f"{self.name}: unique key")


class AsyncTask(Task[P, R]):
    """A task whose function is an `async def`: `await resize(3)` runs it here."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run the function itself, here and now."""
        result: Awaitable[R] = super().__call__(*args, **kwargs)
        return result


class SyncTask(Task[P, R]):
    """A task whose function is a `def`: `stamp(3)` runs it here."""

    __slots__ = ()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run the function itself, here and now."""
        result: R = super().__call__(*args, **kwargs)
        return result


class Registry:
    """Tasks by name."""

    def __init__(self) -> None:
        """Start empty."""
        self._tasks: dict[str, Task[..., Any]] = {}

    def add(self, definition: "Task[..., Any]", *aliases: str) -> None:
        """Register a task under its name and aliases.

        Raises:
            ConfigurationError: another function has the name already.
        """
        for name in (definition.name, *aliases):
            known = self._tasks.get(name)
            if known is not None and _origin(known.function) != _origin(definition.function):
                raise ConfigurationError(f"Two tasks are called {name!r}: {_origin(known.function)} has it already.")
            self._tasks[name] = definition

    def get(self, name: str) -> "Task[..., Any]":
        """Return the task of that name.

        Raises:
            UnknownTaskError: there is none; import its module (`TASKFLOW_WORKER_IMPORTS`).
        """
        try:
            return self._tasks[name]
        except KeyError:
            raise UnknownTaskError(
                f"No task is called {name!r}. Workers know the modules in TASKFLOW_WORKER_IMPORTS.", task_name=name
            ) from None

    def find(self, name: str) -> "Task[..., Any] | None":
        """Return the task of that name, or None."""
        return self._tasks.get(name)

    def names(self) -> list[str]:
        """Return every name, sorted."""
        return sorted(self._tasks)


def _origin(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


registry = Registry()
"""Every task that the imported modules define."""


@overload
def task(function: Callable[P, Awaitable[R]], /) -> AsyncTask[P, R]: ...  # type: ignore[overload-overlap]  # an async one fits both
@overload
def task(function: Callable[P, R], /) -> SyncTask[P, R]: ...
@overload
def task(**options: Unpack[TaskOptions]) -> "_Decorator": ...
@overload
def task(
    *, batch: int, **options: Unpack[TaskOptions]
) -> "Callable[[Callable[[Batch], Awaitable[None]]], AsyncTask[..., Any]]": ...
def task(function: Any = None, /, *, batch: int | None = None, **options: Unpack[TaskOptions]) -> Any:
    """Make a function a task.

    Args:
        function: the function, when the decorator is used bare.
        batch: hand the function up to so many tasks at once, as a `Batch`.
        options: see `TaskOptions`.

    Raises:
        ConfigurationError: the name is taken, or the signature cannot be checked.
        InvalidInputError: one of the options cannot be so.
    """
    chosen = checked(options)
    given, aliases = chosen.pop("name", None), chosen.pop("aliases", ())
    limits = {name: chosen.pop(name, None) for name in ("concurrency", "rate", "concurrency_key")}

    def decorate(inner: Callable[..., Any]) -> Task[..., Any]:
        name: str = given or inner.__name__
        is_async = inspect.iscoroutinefunction(inner)
        provided = dependencies_of(inner)
        arguments = None if batch else Arguments.of(name, inner, provided)
        names = arguments.names if arguments else ()
        definition: Task[..., Any] = (AsyncTask if is_async else SyncTask)(
            name=name,
            function=inner,
            batch=batch,
            is_async=is_async,
            injection=Injection(name, inner, is_async=is_async) if provided else None,
            limits=TaskLimits.of(name, names, **limits),
            said=frozenset(chosen.keys() & TERMS),
            _arguments=arguments,
            _upgrades=Upgrades(name, chosen.get("version", 1)),
            **chosen,
        )
        _check_key_function(definition, names)
        registry.add(definition, *aliases)
        return definition

    return decorate(function) if function is not None else decorate


def _check_key_function(definition: Task[..., Any], names: Collection[str]) -> None:
    if not callable(definition.unique_key):
        return
    unknown = set(inspect.signature(definition.unique_key).parameters) - set(names)
    if unknown:
        raise ConfigurationError(
            f"Task {definition.name!r}: unique_key takes {', '.join(sorted(unknown))}, which the task does not."
        )


class _Decorator:
    """The type of `task(...)` without `batch`."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # an async one fits both
        self, function: Callable[P, Awaitable[R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...
    def __call__(self, function: Any, /) -> Any: ...
