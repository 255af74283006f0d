"""A slot: a process that runs one sync task at a time and can be killed without harming anything else.

It is forked from a preloaded fork server, speaks JSON over a pipe, and dies with the server, which dies with the
child. SIGTERM raises `Interrupted` inside the function, so that `finally` blocks run; who ignores it gets SIGKILL.
"""

import signal
import sys
import traceback
from importlib import import_module
from multiprocessing.connection import Connection
from types import FrameType
from typing import Any
from uuid import UUID

import orjson

from taskflow.base.process import die_with_parent
from taskflow.engine.context import TaskContext, current
from taskflow.engine.definition import check_json, registry
from taskflow.engine.retry import NoRetry, Retry


class Interrupted(BaseException):
    """The task is being stopped: its time is up, or somebody cancelled it."""


def serve(pipe: "Connection[Any, Any]", modules: list[str]) -> None:
    """Run tasks from `pipe` until it closes."""
    die_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for module in modules:
        import_module(module)
    pipe.send_bytes(b'{"ready":true}')
    while True:
        try:
            request = orjson.loads(pipe.recv_bytes())
        except (EOFError, OSError):
            return
        try:
            pipe.send_bytes(orjson.dumps(_run(pipe, request)))
        except (BrokenPipeError, OSError):
            return


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise Interrupted


def _run(pipe: "Connection[Any, Any]", request: dict[str, Any]) -> dict[str, Any]:
    def emit(level: str, message: str, metadata: Any) -> None:
        pipe.send_bytes(orjson.dumps({"log": [level, message, metadata]}, default=str))

    context = TaskContext(UUID(request["task_id"]), request["name"], request["epoch"], request["attempt"], emit)
    token = current.set(context)
    try:
        definition = registry.get(request["name"])
        arguments = definition.validate(request["args"], request["kwargs"])
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            result = definition.function(**arguments)
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        return {"ok": check_json(result, "The result")}
    except Interrupted:
        return {"interrupted": True}
    except Retry as error:
        return {"error": str(error), "retry": True, "after": error.after}
    except NoRetry as error:
        return {"error": f"{type(error).__name__}: {error}", "retry": False, "stack": traceback.format_exc()}
    except (KeyboardInterrupt, SystemExit) as error:
        return {"error": f"{type(error).__name__}: {error}", "retry": True, "stack": traceback.format_exc()}
    except Exception as error:  # noqa: BLE001 - whatever a task raises is its outcome
        return {"error": f"{type(error).__name__}: {error}", "retry": True, "stack": traceback.format_exc()}
    finally:
        current.reset(token)
        sys.stdout.flush()
