"""TaskFlow's processes without the seconds in which each of them imports the same modules.

A process that has imported everything, the nursery, is started once a session; `taskflow …` is forked from it instead
of being started anew, and so are the children of a worker node and of `taskflow up`, from their parents. A forked
process has its own number, session, environment and descriptors, and is the child of whoever started it, as it would
be otherwise: it is waited for, signalled and killed as ever. In `tests/chaos` and `test_up.py` everything starts from
nothing.
"""

import array
import asyncio
import atexit
import contextlib
import ctypes
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import Context
from importlib import import_module, reload
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn

from taskflow.base.process import die_with_parent

_CLI = "taskflow.cli.main"
_CHILD = "taskflow.engine.worker.child"
_LEASH = "taskflow.embedded.leash"
_PR_SET_CHILD_SUBREAPER = 36
_LONGEST = 1 << 20  # bytes of a request: an environment and arguments
_popen: Any = subprocess.Popen  # its private method is not in typeshed
_execute = _popen._execute_child
_spawn = util.spawnv_passfds


def _module(arguments: Sequence[Any]) -> tuple[str, list[str]] | None:
    """Return the module that a command line runs with this Python, and its arguments."""
    match list(map(str, arguments)):
        case [sys.executable, "-P", "-m", name, *rest] | [sys.executable, "-m", name, *rest]:
            return name, rest
    return None


# -- in the tests' process


class Nursery:
    """The process from which others are forked, as the tests see it."""

    def __init__(self) -> None:
        """Start it; what is forked meanwhile waits until it has imported everything."""
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._socket, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _LONGEST)
        path = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, sys.path)])
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"from support.forked import serve; serve({theirs.fileno()})"],
                env={**os.environ, "PYTHONPATH": path},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )

    def fork(self, request: Mapping[str, Any], descriptors: Sequence[int]) -> int:
        """Fork a process and return its number; it is a child of this process."""
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))]
        with _adopting():
            self._socket.sendmsg([json.dumps(request).encode()], ancillary)
            answer = self._socket.recv(32)
        if not answer:
            raise RuntimeError("the nursery has ended; its stderr says why")
        return int(answer)

    def close(self) -> None:
        """End it."""
        self._socket.close()
        self._process.wait()


@contextmanager
def _adopting() -> Iterator[None]:
    """Become the parent of descendants whose own parent ends."""
    prctl = ctypes.CDLL(None).prctl
    prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


@contextmanager
def forking(nursery: Callable[[], Nursery]) -> Iterator[None]:
    """Let `subprocess` and asyncio fork TaskFlow's processes from a nursery as long as the block lasts (on Linux)."""
    if sys.platform != "linux":
        yield
        return

    def execute(self: Any, args: Any, *rest: Any) -> None:
        found = _module(args) if isinstance(args, list | tuple) else None
        (_executable, before, _close, kept, cwd, env, _info, _flags, shell, stdin, stdin_ours, stdout_ours, stdout,
         stderr_ours, stderr, _signals, *_ids, _umask, new_session, _group) = rest  # fmt: skip
        if found is None or found[0] != _CLI or before or kept or shell:
            _execute(self, args, *rest)
            return
        request = {
            "arguments": found[1],
            "environment": dict(os.environ if env is None else env),
            "folder": os.fspath(cwd or Path.cwd()),
            "new_session": new_session,
        }
        given = [own if end == -1 else end for own, end in enumerate((stdin, stdout, stderr))]
        self.pid = nursery().fork(request, given)
        self._child_created = True
        self._close_pipe_fds(stdin, stdin_ours, stdout_ours, stdout, stderr_ours, stderr)

    _popen._execute_child = execute
    try:
        yield
    finally:
        _popen._execute_child = _execute


# -- in the nursery


def serve(descriptor: int) -> None:
    """Import everything, then fork processes until the tests' process closes its end."""
    gc.disable()
    main = import_module(_CLI)
    modules = [entry.target.partition(":")[0] for entry in main.COMMANDS.values()]
    for name in (*modules, "taskflow.cli.task_modules", _CHILD, "taskflow.engine.worker.node", "taskflow.api.server"):
        import_module(name)
    for name in sys.modules["taskflow.cli.task_modules"].BUILT_IN:
        import_module(name)
    gc.freeze()
    gc.enable()
    control = socket.socket(fileno=descriptor)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, _LONGEST, 3)
        if not message:
            return
        read, write = os.pipe()
        if (middle := os.fork()) == 0:
            if (pid := os.fork()) == 0:
                control.close()
                os.close(read)
                os.close(write)
                _become(json.loads(message), descriptors)
            os.write(write, str(pid).encode())
            os._exit(0)
        os.waitpid(middle, 0)  # from now on what it forked is a child of the tests' process
        control.send(os.read(read, 32))
        for each in (read, write, *descriptors):
            os.close(each)


def _become(request: Mapping[str, Any], descriptors: Sequence[int]) -> NoReturn:
    """Be `taskflow …`."""
    if request["new_session"]:
        os.setsid()
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.path[:0] = [request["folder"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    for own, given in enumerate(descriptors):
        os.dup2(given, own)
        os.close(given)
    _popen._execute_child = _fork_here
    util.spawnv_passfds = _fork_server
    _run(_CLI, request["arguments"])


# -- in the processes that were forked


def _fork_here(self: Any, args: Any, *rest: Any) -> None:
    """Fork what this process starts of TaskFlow: the children of a node, the processes of `taskflow up`."""
    name, arguments = (_module(args) if isinstance(args, list | tuple) else None) or ("", [])
    leashed = _module(arguments[1:]) if name == _LEASH else None
    if name != _CHILD and (leashed is None or leashed[0] != _CLI):
        _execute(self, args, *rest)
        return
    (_executable, _before, _close, kept, _cwd, env, _info, _flags, _shell, stdin, stdin_ours, stdout_ours, stdout,
     stderr_ours, stderr, _signals, *_ids, _umask, new_session, _group) = rest  # fmt: skip
    if (pid := os.fork()) == 0:
        for own, given in enumerate((stdin, stdout, stderr)):
            if given != -1:
                os.dup2(given, own)
        _forget(kept)
        if new_session:
            os.setsid()
        if env is not None:
            os.environ.clear()
            os.environ.update(env)
        if leashed is None:
            _run(name, arguments)
        die_with_parent()
        _run(*leashed)
    self.pid = pid
    self._child_created = True
    self._close_pipe_fds(stdin, stdin_ours, stdout_ours, stdout, stderr_ours, stderr)


def _fork_server(path: bytes, args: Sequence[Any], passfds: Sequence[int]) -> int:
    """Start the fork server of slots by forking the child that wants one."""
    if "multiprocessing.forkserver" not in str(args[-1]):
        return int(_spawn(path, args, passfds))
    if (pid := os.fork()) == 0:
        _forget(passfds)
        _finish(lambda: exec(str(args[-1]), {}))  # noqa: S102 - what `python -c` would run
    return pid


def _forget(kept: Sequence[int]) -> None:
    """Be no longer what was forked: its descriptors and signal handlers are gone, its loop is never seen again."""
    asyncio._set_running_loop(None)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    before = 3
    for each in sorted({*kept, os.sysconf("SC_OPEN_MAX")}):
        os.closerange(before, each)
        before = each + 1
    gc.freeze()


def _run(name: str, arguments: Sequence[str]) -> NoReturn:
    """Run a module's `main` as `python -m` does."""
    module = import_module(name)
    sys.modules["__main__"] = module
    sys.argv = [str(module.__file__), *arguments]
    _arm()
    _finish(module.main)


def _arm() -> None:
    """Set the failpoints of this environment: modules took them when they were imported, before anybody named them."""
    failpoints = reload(import_module("taskflow.base.failpoints"))
    for name, module in list(sys.modules.items()):
        if name.startswith("taskflow.") and hasattr(module, "failpoint"):
            module.failpoint = failpoints.failpoint  # type: ignore[attr-defined]


def _finish(work: Callable[[], object]) -> NoReturn:
    """Do it and end this process as the interpreter would."""
    code: Any = 0
    try:
        Context().run(work)
    except SystemExit as end:
        code = 0 if end.code is None else end.code
    except BaseException:  # noqa: BLE001 - it is the end of the process
        traceback.print_exc()
        code = 1
    with contextlib.suppress(BaseException):
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code if isinstance(code, int) else 1)
