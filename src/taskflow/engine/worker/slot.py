"""A slot: a process that runs one sync task at a time and can be killed without harming anything else.

It is forked from a preloaded fork server, speaks JSON over a pipe, and dies with the server, which dies with the
child. A stop goes by steps: `TaskContext.cancelled` becomes true; SIGTERM raises `Interrupted` inside the function, so
that `finally` blocks run; who ignores that gets SIGKILL.
"""

import signal
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from importlib import import_module
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any, Final
from uuid import UUID

import orjson

from taskflow.base.process import die_with_parent
from taskflow.engine.context import Level, Progress, TaskContext, current
from taskflow.engine.definition import registry
from taskflow.engine.injection import SlotScope
from taskflow.engine.lifespan import open_slot
from taskflow.engine.outcomes import FINAL_ERRORS
from taskflow.engine.payload import check_result
from taskflow.engine.retry import Retry

CANCEL: Final = b'{"cancel":true}'
"""What the child sends while a task runs that shall stop."""

_THROTTLE_SECONDS = 0.2


class Interrupted(BaseException):
    """The task is being stopped: its time is up, or somebody cancelled it."""


class PipeReporter:
    """What a sync task says, on its way to its child: progress and heartbeats a few times a second at most."""

    def __init__(self, pipe: "Connection[Any, Any]") -> None:
        """Speak over `pipe`."""
        self._pipe = pipe
        self._cancelled = False
        self._watches = False
        self._progress: Progress | None = None
        self._progress_at = self._heartbeat_at = -_THROTTLE_SECONDS

    def log(self, level: Level, message: str, metadata: Mapping[str, Any] | None) -> None:
        """Send a log line."""
        self._send({"log": [level, message, metadata]})

    def progress(self, progress: Progress) -> None:
        """Send how far the task is, or keep it for a moment."""
        self._progress = progress
        if time.monotonic() - self._progress_at >= _THROTTLE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Send what is kept."""
        if self._progress is not None:
            self._send({"progress": list(self._progress)})
            self._progress, self._progress_at = None, time.monotonic()

    def heartbeat(self) -> None:
        """Send a sign of life."""
        now = time.monotonic()
        if now - self._heartbeat_at >= _THROTTLE_SECONDS:
            self._heartbeat_at = now
            self._send({"heartbeat": True})

    def is_cancelled(self) -> bool:
        """Look whether the child has asked for a stop."""
        if not self._watches:
            self._watches = True
            self._send({"watches": True})
        if not self._cancelled and self._pipe.poll():
            self._cancelled = self._pipe.recv_bytes() == CANCEL
        return self._cancelled

    def _send(self, message: dict[str, Any]) -> None:
        self._pipe.send_bytes(orjson.dumps(message, default=str))


def serve(pipe: "Connection[Any, Any]", modules: list[str]) -> None:
    """Run tasks from `pipe` until it closes."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for module in modules:
        import_module(module)
    with ExitStack() as stack:
        try:
            open_slot(stack)
        except Exception as error:  # noqa: BLE001 - whatever a hook raises is told to whoever waits for this slot
            pipe.send_bytes(orjson.dumps({"failed": f"A lifespan hook failed: {type(error).__name__}: {error}"}))
            return
        pipe.send_bytes(b'{"ready":true}')
        _serve(pipe, SlotScope(stack))


def _serve(pipe: "Connection[Any, Any]", scope: SlotScope) -> None:
    while True:
        try:
            message = pipe.recv_bytes()
            if message != CANCEL:  # one that came when the task had ended
                pipe.send_bytes(orjson.dumps(_run(pipe, scope, orjson.loads(message))))
        except (EOFError, OSError):
            return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _run(pipe: "Connection[Any, Any]", scope: SlotScope, request: dict[str, Any]) -> dict[str, Any]:
    reporter = PipeReporter(pipe)
    context = TaskContext(UUID(request["task_id"]), request["name"], request["epoch"], request["attempt"], reporter)
    token = current.set(context)
    try:
        result = _call(scope, request)
        reporter.flush()
        return {"ok": result}
    except Interrupted:
        return {"interrupted": True}
    except Retry as error:
        return {"error": str(error), "retry": True, "after": error.after}
    except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - whatever a task raises is its outcome
        retry = not isinstance(error, FINAL_ERRORS)
        return {"error": f"{type(error).__name__}: {error}", "retry": retry, "stack": traceback.format_exc()}
    finally:
        current.reset(token)
        sys.stdout.flush()


def _call(scope: SlotScope, request: dict[str, Any]) -> Any:
    definition = registry.get(request["name"])
    arguments = definition.read(request["args"], request["kwargs"], request["version"])
    with ExitStack() as stack:
        if definition.injection is not None:
            arguments |= stack.enter_context(definition.injection.opened_in(scope))
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            result = definition.function(**arguments)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return check_result(result, request["limit"]) if definition.keep_result and result is not None else None
