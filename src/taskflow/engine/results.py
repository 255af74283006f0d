"""How a task ended, as whoever waits for it sees it: its value, typed as the function says, or an error."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import PydanticUserError, TypeAdapter, ValidationError

from taskflow.base.errors import TaskFlowError
from taskflow.engine.definition import Task
from taskflow.engine.sealed import SealedError, parts_of
from taskflow.engine.states import TaskStatus


class TaskFailedError(TaskFlowError):
    """The task failed.

    `context` holds `task_id`, `status` (FAILED or TIMEOUT) and `stack_trace`.
    """

    code = "task_failed"


class TaskCancelledError(TaskFlowError):
    """The task was cancelled."""

    code = "task_cancelled"


class ResultTypeError(TaskFlowError):
    """The task's result is not of the type that its function declares."""

    code = "result_type"


class WaitTimeoutError(TaskFlowError, TimeoutError):
    """The task has not ended in time; it goes on."""

    code = "wait_timeout"


class TaskEnd(NamedTuple):
    """The end of a task."""

    task_id: UUID
    status: TaskStatus
    result: Any = None
    error: str | None = None
    stack_trace: str | None = None

    def value(self, task: Task[..., Any] | None = None) -> Any:
        """Return what the task returned, converted to what the function of `task` declares.

        Raises:
            TaskFailedError, TaskCancelledError: it did not return.
            SealedError: what it returned is encrypted.
            ResultTypeError: it returned something else than it declares, or its result is not kept.
        """
        about = {"task_id": str(self.task_id), "status": self.status.value}
        if self.status is TaskStatus.CANCELLED:
            raise TaskCancelledError(f"Task {self.task_id} was cancelled.", **about)
        if self.status is not TaskStatus.COMPLETED:
            reason = self.error or "nobody kept why"
            raise TaskFailedError(f"Task {self.task_id} {_ENDED[self.status]}: {reason}",
                                  **about, stack_trace=self.stack_trace)  # fmt: skip
        if (sealed := parts_of(self.result)) is not None:
            raise SealedError(
                f"Task {self.task_id}: its result is sealed with the key {sealed[0]!r}; where PostgreSQL can be read,"
                " `wait()` hands it out as it is, and PayloadEncryption.open opens it.", **about
            )  # fmt: skip
        reader = None if task is None or task.batch else _reader(task.function)  # a batch reports by item
        if reader is None:
            return self.result
        try:
            return reader.validate_python(self.result)
        except ValidationError as error:
            if self.result is None and task is not None and not (task.keep_result and task.result_ttl is None):
                raise ResultTypeError(f"Task {self.task_id}: its result is not kept, or no longer.", **about) from error
            raise ResultTypeError(f"Task {self.task_id}: {error}", **about) from error


_ENDED = {TaskStatus.FAILED: "failed", TaskStatus.TIMEOUT: "took longer than its time limit"}


def timed_out(task_id: UUID, seconds: float | None) -> WaitTimeoutError:
    """Return the error of somebody who has waited for `seconds`."""
    return WaitTimeoutError(f"Task {task_id} has not ended within {seconds:g} s; it goes on.", task_id=str(task_id))


@functools.lru_cache(maxsize=1024)
def _reader(function: Callable[..., Any]) -> TypeAdapter[Any] | None:
    """Return what reads results of `function`, or None where it does not say what they are."""
    declared = inspect.signature(function, eval_str=True).return_annotation
    if declared in (inspect.Signature.empty, Any):
        return None
    try:
        return TypeAdapter(declared)
    except PydanticUserError:  # no type that JSON could be read as
        return None
