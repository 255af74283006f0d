"""The child process: read a request, render, answer; nothing else. See the package's docstring."""

import gc
import os
import resource
import signal
import sys
import time
import traceback
from collections import OrderedDict
from typing import Any

import orjson

from taskflow.content.jail import frames, limits
from taskflow.content.jail.inspection import inspect
from taskflow.content.jail.program import Problem, ProblemError, Program, limit, warm_up

_SOCKET = 0
_CACHED_PROGRAMS = 64
_CACHED_CHARS = 4 * 1024 * 1024  # of sources; compiled, those dense with code take twenty times as much
_FLUSH_BYTES = 128 * 1024
_FLUSH_SECONDS = 0.01
_RECURSION = 1500
_MEMORY = "it needs more memory than a message may take"


def main(memory_bytes: int, output_limit: int, parent: int) -> None:
    """Enter the jail and serve until the keeper closes the socket."""
    try:
        warm_up()
        limits.enter(memory_bytes, parent)
        sys.setrecursionlimit(_RECURSION)
    except Exception:  # noqa: BLE001  # whatever went wrong, the keeper must hear of it
        _send(frames.FAILED, traceback.format_exc().encode())
        return
    _send(frames.READY)
    Jail(output_limit).serve()


class Jail:
    """The request loop and its bounded cache of compiled templates."""

    def __init__(self, output_limit: int) -> None:
        """Start with an empty cache."""
        self._output_limit = output_limit
        self._programs: OrderedDict[bytes, Program] = OrderedDict()

    def serve(self) -> None:
        """Answer requests until the socket ends."""
        while True:
            header = _receive(frames.HEADER.size)
            if not header:
                return
            length, kind = frames.HEADER.unpack(header)
            payload = _receive(length)
            if kind == frames.COMPILE:
                self._compile(orjson.loads(payload))
            elif kind == frames.INSPECT:
                self._inspect(payload)
            else:
                self._render(payload)
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _compile(self, request: dict[str, Any]) -> None:
        _allow_cpu(request["seconds"], 1)
        signal.setitimer(signal.ITIMER_PROF, request["seconds"])
        try:
            program = self._program(request)
        except ProblemError as error:
            answer: dict[str, Any] = {"problems": list(error.problems)}
        except (MemoryError, RecursionError):
            answer = {"problems": [limit(_MEMORY)]}
        except BaseException as error:  # noqa: BLE001  # a compiler stumbled over a stranger's text (Rust's panics are no Exception)
            answer = {"problems": [{"code": "template_syntax", "message": f"{type(error).__name__}: {error}"[:500]}]}
        else:
            self._programs[bytes.fromhex(request["id"])] = program
            self._forget_oldest()
            answer = {
                "required": sorted(program.requirements.required),
                "optional": sorted(program.requirements.optional),
                "text_source": program.text_source,
            }
        _send(frames.COMPILED, orjson.dumps(answer))

    def _program(self, request: dict[str, Any]) -> Program:
        try:
            return Program(request, self._output_limit)
        except MemoryError:
            if not self._programs:
                raise
            self._programs.clear()
        gc.collect()  # a program is a circle: its functions and their globals
        return Program(request, self._output_limit)

    def _forget_oldest(self) -> None:
        """Keep the newest, and of the others what fits: nobody's template may take the memory of another's."""
        size = sum(program.size for program in self._programs.values())
        while len(self._programs) > 1 and (len(self._programs) > _CACHED_PROGRAMS or size > _CACHED_CHARS):
            size -= self._programs.popitem(last=False)[1].size

    def _inspect(self, payload: bytearray) -> None:
        [seconds] = frames.INSPECT_HEAD.unpack_from(payload)
        _allow_cpu(seconds, 1)
        signal.setitimer(signal.ITIMER_PROF, seconds)
        try:
            facts: dict[str, Any] | None = inspect(payload[frames.INSPECT_HEAD.size :].decode(errors="replace"))
        except (MemoryError, RecursionError, ValueError):
            facts = None
        _send(frames.INSPECTED, orjson.dumps(facts))

    def _render(self, payload: bytearray) -> None:
        identity, seconds, careful = frames.RENDER_HEAD.unpack_from(payload)
        program = self._programs.get(identity)
        if program is None:
            _send(frames.UNKNOWN)
            return
        self._programs.move_to_end(identity)
        contexts = orjson.loads(memoryview(payload)[frames.RENDER_HEAD.size :])
        del payload
        _allow_cpu(seconds, len(contexts))
        answer = _Answer()
        for context in contexts:
            signal.setitimer(signal.ITIMER_PROF, seconds)  # SIGPROF's default action ends the process, even inside C
            try:
                answer.add(*self._message(program, identity, context))
            except ProblemError as error:
                answer.add_problem(error.problems[0])
            except MemoryError:
                answer.flags = frames.RETIRE
                answer.add_problem(limit(_MEMORY))
            if careful or answer.is_due():
                answer.flush()
        answer.flush(frames.LAST)

    def _message(self, program: Program, identity: bytes, context: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
        """Render; if there is no memory for it, once more without the templates of others."""
        try:
            return program.render(context)
        except MemoryError:
            if len(self._programs) == 1:
                raise
            self._programs = OrderedDict({identity: program})
        gc.collect()
        return program.render(context)


class _Answer:
    """Collects rendered messages and sends them in frames of about 128 KB."""

    def __init__(self) -> None:
        self.flags = 0
        self._table: list[bytes] = []
        self._parts: list[bytes] = []
        self._size = 0
        self._flushed = time.monotonic()

    def add(self, subject: bytes, html: bytes, text: bytes) -> None:
        self._table.append(frames.RESULT.pack(frames.OK, len(subject), len(html), len(text)))
        self._parts += (subject, html, text)
        self._size += len(html) + len(text)

    def add_problem(self, problem: Problem) -> None:
        detail = orjson.dumps(problem)
        self._table.append(frames.RESULT.pack(frames.PROBLEM, len(detail), 0, 0))
        self._parts.append(detail)

    def is_due(self) -> bool:
        return self._size >= _FLUSH_BYTES or time.monotonic() - self._flushed > _FLUSH_SECONDS

    def flush(self, flags: int = 0) -> None:
        head = frames.RESULTS_HEAD.pack(self.flags | flags, len(self._table))
        _send(frames.RESULTS, head, *self._table, *self._parts)
        self._table.clear()
        self._parts.clear()
        self._size = 0
        self._flushed = time.monotonic()


def _allow_cpu(seconds: float, messages: int) -> None:
    """Renew `RLIMIT_CPU` for one request: a net behind the timer, which is exact."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit_seconds = int(used.ru_utime + used.ru_stime + seconds * messages) + 2
    resource.setrlimit(resource.RLIMIT_CPU, (limit_seconds, resource.RLIM_INFINITY))


def _receive(length: int) -> bytearray:
    """Return exactly `length` bytes, or none at the end of the stream."""
    received = bytearray(length)
    view = memoryview(received)
    place = 0
    while place < length:
        count = os.readv(_SOCKET, [view[place:]])
        if count == 0:
            return bytearray()
        place += count
    return received


def _send(kind: int, *parts: bytes) -> None:
    length = sum(map(len, parts))
    left = memoryview(b"".join((frames.HEADER.pack(length, kind), *parts)))
    while left:
        left = left[os.write(_SOCKET, left) :]
