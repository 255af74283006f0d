"""One jail process as its keeper sees it: start, ask, read the answer, end."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import orjson

from taskflow.base.errors import UnavailableError
from taskflow.content.jail import frames
from taskflow.content.rendering.models import Part, ProblemCode, Rendered, RenderProblem
from taskflow.settings import CampaignSettings

_BOOT = """
import sys
memory, output, parent, *paths = sys.argv[1:]
sys.path[:0] = paths
from taskflow.content.jail.main import main
main(int(memory), int(output), int(parent))
"""
_START_SECONDS = 30.0
_LONGEST_FRAME = 64 * 1024 * 1024  # far above what a child answers: one that was taken over must not fill our memory
_IMPORTED = ("taskflow", "jinja2", "markupsafe", "orjson", "selectolax", "mrml", "css_inline", "babel", "tzdata")


class RenderingUnavailableError(UnavailableError):
    """The rendering process does not start."""

    code = "rendering_unavailable"


class JailDied(Exception):  # noqa: N818  # an event that the pool handles, never an answer to a caller
    """The process ended in the middle of a request; `by_limit` when that was certainly the template's doing."""

    def __init__(self, reason: str, *, by_limit: bool) -> None:
        """Keep the sentence for the guilty message."""
        super().__init__(reason)
        self.reason = reason
        self.by_limit = by_limit


class JailProcess:
    """A running child; one request at a time."""

    def __init__(self, process: subprocess.Popen[bytes], transport: asyncio.Transport, receiver: "_Receiver") -> None:
        """Use `JailProcess.start`."""
        self._process = process
        self._transport = transport
        self._receiver = receiver

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether the socket is open and the process runs."""
        return not self._receiver.closed and self._process.poll() is None

    @classmethod
    async def start(cls, settings: CampaignSettings) -> "JailProcess":
        """Start a child and wait until it is locked up.

        Raises:
            RenderingUnavailableError: it ended or said nothing within 30 s.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            # Blocking for a millisecond or two; a thread must not do it, PDEATHSIG would fire when that thread ends.
            process = subprocess.Popen(  # noqa: ASYNC220, S603  # fixed arguments, no shell
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-c",
                    _BOOT,
                    str(settings.render_memory_mb * 1024 * 1024),
                    str(settings.render_output_bytes),
                    str(os.getpid()),
                    *_import_paths(),
                ],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        transport, receiver = await asyncio.get_running_loop().create_unix_connection(_Receiver, sock=ours)
        child = cls(process, transport, receiver)
        try:
            async with asyncio.timeout(_START_SECONDS):
                kind, payload = await receiver.frame()
        except (TimeoutError, EOFError) as error:
            child.kill()
            raise RenderingUnavailableError(f"it ended with code {child.wait()}") from error
        except BaseException:
            child.kill()
            child.wait()
            raise
        if kind != frames.READY:
            child.kill()
            child.wait()
            raise RenderingUnavailableError(bytes(payload).decode(errors="replace").strip().rpartition("\n")[2])
        return child

    def send(self, kind: int, *parts: bytes) -> None:
        """Write one request."""
        self._transport.write(b"".join((frames.HEADER.pack(sum(map(len, parts)), kind), *parts)))

    async def receive(self, seconds: float) -> tuple[int, bytearray]:
        """Return the next frame of the answer; `seconds` is wall clock.

        Raises:
            JailDied: it ended, or was killed because it said nothing in time.
        """
        try:
            async with asyncio.timeout(seconds):
                return await self._receiver.frame()
        except TimeoutError as error:
            self.kill()
            self.wait()
            raise JailDied("it takes too long", by_limit=False) from error
        except EOFError as error:
            self.kill()
            code = self.wait()
            if code in {-signal.SIGPROF, -signal.SIGXCPU}:
                raise JailDied("it needs more processor time than a message may take", by_limit=True) from error
            if code in {-signal.SIGSEGV, -signal.SIGABRT}:  # a compiler's stack or memory was at its end
                raise JailDied("it is nested too deeply, or needs too much memory", by_limit=False) from error
            raise JailDied(f"its rendering process ended ({_name(code)})", by_limit=False) from error

    def kill(self) -> None:
        """End it at once."""
        self._transport.abort()
        if self._process.poll() is None:
            self._process.kill()

    def wait(self) -> int:
        """Reap the killed process; returns its exit code (negative: the signal). Takes about a millisecond."""
        return self._process.wait()


class _Receiver(asyncio.BufferedProtocol):
    """Reads frames straight into buffers of their size."""

    def __init__(self) -> None:
        self.closed = False
        self._frames: deque[tuple[int, bytearray]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._kind: int | None = None
        self._buffer = bytearray(frames.HEADER.size)
        self._place = 0

    async def frame(self) -> tuple[int, bytearray]:
        """Return the next frame, `EOFError` when there will be none."""
        while not self._frames:
            if self.closed:
                raise EOFError
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._frames.popleft()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._place :]

    def buffer_updated(self, nbytes: int) -> None:
        self._place += nbytes
        if self._place < len(self._buffer):
            return
        if self._kind is None:
            length, self._kind = frames.HEADER.unpack(self._buffer)
            if length > _LONGEST_FRAME:
                self._buffer, self._place = bytearray(1), 0
                self._transport.close()
                return
            if length:
                self._buffer, self._place = bytearray(length), 0
                return
            self._buffer = bytearray()
        self._frames.append((self._kind, self._buffer))
        self._kind, self._buffer, self._place = None, bytearray(frames.HEADER.size), 0
        self._wake()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.closed = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def results(payload: bytearray) -> tuple[int, Iterator[Rendered | RenderProblem]]:
    """Read a RESULTS frame: its flags and the messages in order."""
    flags, count = frames.RESULTS_HEAD.unpack_from(payload)
    return flags, _results(payload, count)


def _results(payload: bytearray, count: int) -> Iterator[Rendered | RenderProblem]:
    view = memoryview(payload)
    start = frames.RESULTS_HEAD.size
    place = start + count * frames.RESULT.size
    for status, subject, html, text in frames.RESULT.iter_unpack(view[start:place]):
        html_at = place + subject
        text_at = html_at + html
        end = text_at + text
        if status == frames.OK:
            subject_line = str(view[place:html_at], "utf-8")
            yield Rendered(subject_line, bytes(view[html_at:text_at]), bytes(view[text_at:end]))
        else:
            yield _problem(orjson.loads(view[place:html_at]))
        place = end


def _problem(found: dict[str, str | int | None]) -> RenderProblem:
    part, line, variable, snippet = (found.get(name) for name in ("part", "line", "variable", "snippet"))
    return RenderProblem(
        ProblemCode(str(found["code"])),
        str(found["message"]),
        Part(str(part)) if part else None,
        int(line) if line is not None else None,
        str(variable) if variable is not None else None,
        str(snippet) if snippet is not None else None,
    )


def _import_paths() -> list[str]:
    """Return the folders from which the child imports, in our order: it has no site-packages of its own."""
    found = [find_spec(name) for name in _IMPORTED]  # found, not imported: this process needs none of them
    folders = [str(Path(spec.origin).resolve().parent.parent) for spec in found if spec is not None and spec.origin]
    return list(dict.fromkeys(folders))


def _name(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"code {code}"
