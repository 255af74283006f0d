"""Tasks: a typed function with a name, found again by that name in every process.

    @task(queue="images", timeout=60)
    async def resize(image_id: int, width: int = 640) -> str: ...

Arguments are checked against the annotations twice: when the task is enqueued, so that a mistake surfaces where it
was made, and when it runs, so that a row written by something else cannot reach the function unchecked.
"""

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Self, TypeVar, overload

import orjson
from pydantic import ConfigDict, ValidationError, create_model
from pydantic_core import PydanticSerializationError, to_jsonable_python

from taskflow.base.errors import ConfigurationError, InvalidInputError, NotFoundError
from taskflow.engine.default import current_engine
from taskflow.engine.states import Priority

if TYPE_CHECKING:
    from taskflow.engine.batch import Batch
    from taskflow.engine.requests import TaskHandle

P = ParamSpec("P")
R = TypeVar("R")

MAX_PAYLOAD_BYTES = 1024 * 1024
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class UnknownTaskError(NotFoundError):
    """No task of this name is registered here."""

    code = "unknown_task"


class InvalidTaskArgumentsError(InvalidInputError):
    """The arguments do not fit the task."""

    code = "invalid_task_arguments"


def check_queue_name(name: str) -> str:
    """Return `name` if it can name a queue.

    Raises:
        InvalidInputError: it has other characters, or too many.
    """
    if not _QUEUE_NAME.fullmatch(name):
        raise InvalidInputError(f"Queue name {name!r}: use 1 to 100 letters, digits, '_', '.', ':' or '-'.")
    return name


def check_json(value: Any, what: str, *, exactly: bool = False) -> Any:
    """Return `value` as JSON-safe data that PostgreSQL can keep. NaN and infinity become null, unless `exactly`.

    Raises:
        InvalidTaskArgumentsError: it is no JSON, holds a NUL character, or is larger than a megabyte.
    """
    try:
        plain = to_jsonable_python(value)
        encoded = orjson.dumps(plain)
        if exactly and b"null" in encoded:  # of a None, or of a NaN
            json.dumps(plain, allow_nan=False)
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise InvalidTaskArgumentsError(f"{what} cannot be written as JSON: {error}") from error
    if len(encoded) > MAX_PAYLOAD_BYTES:
        raise InvalidTaskArgumentsError(f"{what} takes {len(encoded):,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}.")
    if b"\\u0000" in encoded and _ESCAPED_NUL.search(encoded):
        raise InvalidTaskArgumentsError(f"{what} holds a NUL character, which PostgreSQL cannot keep.")
    return plain


@dataclass(frozen=True, slots=True)
class Task(Generic[P, R]):
    """A registered function and its options. Calling it runs the function here and now."""

    name: str
    function: Callable[P, Awaitable[R] | R]
    queue: str = "default"
    priority: int = Priority.MEDIUM
    max_retries: int = 5
    timeout: int = 300
    batch: int | None = None
    delay: float | None = None
    idempotency_key: str | None = None
    is_async: bool = True
    _arguments: "_Arguments | None" = field(default=None, repr=False, compare=False)

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

    def options(
        self,
        *,
        queue: str | None = None,
        priority: int | str | None = None,
        max_retries: int | None = None,
        timeout: int | None = None,
        delay: float | None = None,
        idempotency_key: str | None = None,
    ) -> Self:
        """Return the task with other options for one enqueueing.

        Args:
            queue: another queue.
            priority: 1 to 10, or CRITICAL, HIGH, MEDIUM, LOW.
            max_retries: attempts after the first.
            timeout: seconds an attempt may take.
            delay: seconds until it may start.
            idempotency_key: a second enqueueing under the same key within a day returns the first task.
        """
        changes: dict[str, Any] = {"delay": delay, "idempotency_key": idempotency_key}
        if queue is not None:
            changes["queue"] = check_queue_name(queue)
        if priority is not None:
            changes["priority"] = Priority.parse(priority)
        if max_retries is not None:
            changes["max_retries"] = max_retries
        if timeout is not None:
            changes["timeout"] = timeout
        return replace(self, **changes)

    def validate(self, args: Any, kwargs: Any) -> dict[str, Any]:
        """Return every argument by name, converted to its annotated type.

        Raises:
            InvalidTaskArgumentsError: they do not fit; the sentence names each misfit.
        """
        if self._arguments is None:  # a batch function takes the batch; its tasks' arguments are its own business
            return dict(kwargs or {})
        return self._arguments.validate(args, kwargs)


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


class _Arguments:
    """The signature of a function as a Pydantic model."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self._name = name
        self._signature = inspect.signature(function, eval_str=True)
        fields: dict[str, Any] = {}
        for parameter in self._signature.parameters.values():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                raise ConfigurationError(f"Task {name!r}: *args and **kwargs cannot be checked; name the parameters.")
            annotation = Any if parameter.annotation is parameter.empty else parameter.annotation
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (annotation, default)
        self._names = tuple(fields)
        self.model = create_model(
            f"{name}.arguments", __config__=ConfigDict(extra="forbid", arbitrary_types_allowed=True), **fields
        )

    def validate(self, args: Any, kwargs: Any) -> dict[str, Any]:
        if not args and not kwargs and not self._names:
            return {}
        given = dict(kwargs or {})
        if args:
            if len(args) > len(self._names):
                raise InvalidTaskArgumentsError(
                    f"{self._name} takes {len(self._names)} arguments, {len(args)} were given."
                )
            for name, value in zip(self._names, args, strict=False):
                if name in given:
                    raise InvalidTaskArgumentsError(f"{self._name}: {name} is given twice.")
                given[name] = value
        try:
            checked = self.model.model_validate(given)
        except ValidationError as error:
            problems = [
                {"field": ".".join(map(str, item["loc"])), "message": item["msg"]}
                for item in error.errors(include_url=False, include_input=False)
            ]
            sentence = "; ".join(f"{problem['field']}: {problem['message']}" for problem in problems)
            raise InvalidTaskArgumentsError(f"{self._name}: {sentence}", problems=problems) from error
        return {name: getattr(checked, name) for name in self._names}


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
def task(
    *,
    name: str | None = ...,
    queue: str = ...,
    priority: int | str = ...,
    max_retries: int = ...,
    timeout: int = ...,
    aliases: tuple[str, ...] = ...,
) -> "_Decorator": ...
@overload
def task(
    *,
    name: str | None = ...,
    queue: str = ...,
    priority: int | str = ...,
    max_retries: int = ...,
    timeout: int = ...,
    aliases: tuple[str, ...] = ...,
    batch: int,
) -> "Callable[[Callable[[Batch], Awaitable[None]]], AsyncTask[..., Any]]": ...
def task(
    function: Any = None,
    /,
    *,
    name: str | None = None,
    queue: str = "default",
    priority: int | str = Priority.MEDIUM,
    max_retries: int = 5,
    timeout: int = 300,
    aliases: tuple[str, ...] = (),
    batch: int | None = None,
) -> Any:
    """Make a function a task.

    Args:
        function: the function, when the decorator is used bare.
        name: what rows call it; the function's own name by default.
        queue: where it waits.
        priority: 1 to 10, or CRITICAL, HIGH, MEDIUM, LOW.
        max_retries: attempts after the first.
        timeout: seconds an attempt may take; then it is stopped and the attempt counts as TIMEOUT.
        aliases: further names that rows may use.
        batch: hand the function up to so many tasks at once, as a `Batch`.

    Raises:
        ConfigurationError: the name is taken, or the signature cannot be checked.
    """

    def decorate(inner: Callable[..., Any]) -> Task[..., Any]:
        chosen: str = name or inner.__name__
        is_async = inspect.iscoroutinefunction(inner)
        definition: Task[..., Any] = (AsyncTask if is_async else SyncTask)(
            name=chosen,
            function=inner,
            queue=check_queue_name(queue),
            priority=Priority.parse(priority),
            max_retries=max_retries,
            timeout=timeout,
            batch=batch,
            is_async=is_async,
            _arguments=None if batch else _Arguments(chosen, inner),
        )
        registry.add(definition, *aliases)
        return definition

    return decorate(function) if function is not None else decorate


class _Decorator:
    """The type of `task(...)` without `batch`."""

    @overload
    def __call__(  # type: ignore[overload-overlap]  # an async one fits both
        self, function: Callable[P, Awaitable[R]], /
    ) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> SyncTask[P, R]: ...
    def __call__(self, function: Any, /) -> Any: ...
