"""The options of tasks: their types, and the rules that hold for them wherever they come from."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, TypedDict

from taskflow.base.errors import InvalidInputError
from taskflow.engine.dependencies.models import Parent
from taskflow.engine.states import Priority

OnConflict = Literal["return", "raise", "replace"]
UniqueKey = str | Callable[..., str]

TERMS = ("priority", "max_retries", "timeout")
"""What a task gets from its queue unless it, or its definition, says otherwise."""

MAX_TAGS = 20
MAX_TAG_CHARS = 50
MAX_KEY_CHARS = 255
MAX_VERSION = 32_767
MAX_EXPIRY_SECONDS = 366 * 86_400
_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,100}")


class CallOptions(TypedDict, total=False):
    """What `Task.options` takes, for one enqueueing.

    Args:
        queue: where it waits.
        priority: 1 to 10, or CRITICAL, HIGH, MEDIUM, LOW; the queue's by default, or MEDIUM.
        max_retries: attempts after the first; the queue's by default, or 5.
        timeout: seconds an attempt may take; then it is stopped and the attempt counts as TIMEOUT. The queue's by
            default, or 300.
        tags: up to 20 short words by which the task is found again.
        expires_in: seconds from its enqueueing within which it must begin; else it ends CANCELLED.
        unique_key: while another task of this name holds the same key, `on_conflict` decides. A string, or a function
            of some of the arguments.
        unique_for: seconds for which the key is held; as long as its task has not ended, when left out.
        on_conflict: "return" the task that holds the key, "raise" DuplicateTaskError, or "replace" (cancel) it.
        delay: seconds until it may start.
        idempotency_key: a second enqueueing under the same key within a day returns the first task.
        after: tasks that must end first: handles, ids, or `After` with a policy.
    """

    queue: str
    priority: int | str
    max_retries: int
    timeout: int
    tags: Iterable[str]
    expires_in: float
    unique_key: UniqueKey
    unique_for: float
    on_conflict: OnConflict
    delay: float
    idempotency_key: str
    after: Sequence[Parent]


class TaskOptions(TypedDict, total=False):
    """What `@task` takes: besides what `CallOptions` explains,

    Args:
        name: what rows call it; the function's own name by default.
        aliases: further names that rows may use.
        version: of its arguments; raise it when they change, and add `upgrade` functions for the older ones.
        heartbeat: seconds; an attempt that calls neither `heartbeat()` nor `progress()` for so long is stopped.
        keep_result: whether what it returns is kept.
        result_ttl: seconds for which what it returned is kept; as long as the task, when left out.
        max_result_bytes: what it returns may take so many bytes as JSON.
        concurrency: how many of it run at a time, over all workers.
        rate: how many of it start in a while, over all workers: `100/m`, `10/s`, `5/30s`, `1000/h`.
        concurrency_key: makes both count for each key by itself. It is called with those arguments of the task that it
            names (`lambda tenant_id: tenant_id`); None means that nothing limits this call.
    """

    name: str | None
    queue: str
    priority: int | str
    max_retries: int
    timeout: int
    aliases: tuple[str, ...]
    tags: Iterable[str]
    expires_in: float
    unique_key: UniqueKey
    unique_for: float
    on_conflict: OnConflict
    version: int
    heartbeat: float
    keep_result: bool
    result_ttl: float
    max_result_bytes: int
    concurrency: int | None
    rate: str | None
    concurrency_key: Callable[..., object] | None


def is_queue_name(name: str) -> bool:
    """Tell whether a queue can have this name."""
    return _QUEUE_NAME.fullmatch(name) is not None


def check_queue_name(name: str) -> str:
    """Return `name` if it can name a queue.

    Raises:
        InvalidInputError: it has other characters, or too many.
    """
    if not is_queue_name(name):
        raise InvalidInputError(f"Queue name {name!r}: use 1 to 100 letters, digits, '_', '.', ':' or '-'.")
    return name


def check_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Return tags sorted, each once.

    Raises:
        InvalidInputError: there are too many, or one is empty, too long, or not printable.
    """
    if isinstance(tags, str):
        raise InvalidInputError(f"Tags are a list of strings, not one string: [{tags!r}].", field="tags")
    chosen = tuple(sorted(set(tags)))
    for tag in chosen:
        if not 0 < len(tag) <= MAX_TAG_CHARS or not tag.isprintable():
            raise InvalidInputError(f"Tag {tag!r}: use 1 to {MAX_TAG_CHARS} printable characters.", field="tags")
    if len(chosen) > MAX_TAGS:
        raise InvalidInputError(f"A task has at most {MAX_TAGS} tags; these are {len(chosen)}.", field="tags")
    return chosen


def check_key(key: str, what: str) -> str:
    """Return a unique or an idempotency key.

    Raises:
        InvalidInputError: it is empty, too long, or not printable.
    """
    if not isinstance(key, str) or not 0 < len(key) <= MAX_KEY_CHARS or not key.isprintable():
        raise InvalidInputError(f"{what} {key!r}: use 1 to {MAX_KEY_CHARS} printable characters.")
    return key


def checked(options: CallOptions | TaskOptions) -> dict[str, Any]:
    """Return options in the form in which a task keeps them.

    Raises:
        InvalidInputError: one of them cannot be so; the sentence says which and why.
    """
    given: dict[str, Any] = dict(options)
    if "queue" in given:
        check_queue_name(given["queue"])
    if "priority" in given:
        given["priority"] = Priority.parse(given["priority"])
    if "tags" in given:
        given["tags"] = check_tags(given["tags"])
    for name in ("expires_in", "unique_for", "heartbeat", "result_ttl", "max_result_bytes", "timeout"):
        if name in given and not given[name] > 0:
            raise InvalidInputError(f"{name} is {given[name]!r}; it must be more than 0.", field=name)
    if not 1 <= given.get("version", 1) <= MAX_VERSION:
        raise InvalidInputError(f"version is {given['version']!r}; it is a number from 1.", field="version")
    if given.get("on_conflict", "return") not in ("return", "raise", "replace"):
        raise InvalidInputError(
            f"on_conflict is {given['on_conflict']!r}; it is one of return, raise, replace.", field="on_conflict"
        )
    if "after" in given:
        given["after"] = tuple(given["after"])
    if isinstance(given.get("unique_key"), str):
        check_key(given["unique_key"], "Unique key")
    if given.get("idempotency_key") is not None:
        check_key(given["idempotency_key"], "Idempotency key")
    return given
