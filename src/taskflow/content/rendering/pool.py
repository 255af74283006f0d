"""A pool of jail processes: compile a template once, render many recipients a call.

A child that dies is replaced and what it had not answered is asked again, one message per frame (*careful*), so that
the next death names its message. Each death halves the processor time that a message of the same call may take: a
template that never ends costs a call about two seconds, not one per recipient, while an innocent message, far
below a millisecond, never notices.

What was compiled lately is remembered: an application that says the same words in every call has them compiled once.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile
from typing import Any, Self

import orjson

from taskflow.base.errors import InvalidInputError
from taskflow.base.logging import get_logger
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.jail import frames
from taskflow.content.rendering.models import (
    CompiledTemplate,
    Format,
    Inspection,
    ProblemCode,
    Rendered,
    RenderProblem,
    Template,
    TextSource,
)
from taskflow.content.rendering.process import JailDied, JailProcess, RenderingUnavailableError, results
from taskflow.content.variables import SUPPLIED
from taskflow.settings import CampaignSettings

log = get_logger(__name__)

_CALL = 256
"""Contexts of one request to a child: bounds what a death can undo."""
_STRIKES = 10
_LEAST_SECONDS = 0.02
_WALL_GRACE_SECONDS = 5.0
_KEPT = 64
_KEPT_BYTES = 128 * 1024
"""Templates whose request is larger are not kept."""
_JSON = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_SUBCLASS


class RenderPool:
    """`size` jail processes. Use as an async context manager; every method may be called concurrently.

    `render_seconds` of the settings is processor time for one message (and for compiling one template).
    """

    def __init__(self, settings: CampaignSettings, size: int = 1) -> None:
        """Start nothing yet."""
        self._settings = settings
        self._size = size
        self._idle: asyncio.LifoQueue[JailProcess | None] = asyncio.LifoQueue()
        self._processes: set[JailProcess] = set()
        self._compiled: OrderedDict[bytes, CompiledTemplate] = OrderedDict()

    async def __aenter__(self) -> Self:
        """Start the processes.

        Raises:
            RenderingUnavailableError: one does not start.
        """
        try:
            for process in await asyncio.gather(*(self._start() for _ in range(self._size))):
                self._idle.put_nowait(process)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the processes."""
        await self.aclose()

    async def aclose(self) -> None:
        """End the processes; calls that are under way fail."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()
        self._processes.clear()

    @property
    def pids(self) -> list[int]:
        """The ids of the running children."""
        return [process.pid for process in self._processes]

    async def compile(self, template: Template) -> CompiledTemplate:
        """Check a template and find the variables that it needs.

        Raises:
            TemplateSyntaxProblem: it cannot be read; `context["problems"]` has part, line and message of each finding.
            TemplateLimitError: it is too large, or needs too much time or memory.
        """
        identity, request = self._request(template)
        if identity in self._compiled:
            self._compiled.move_to_end(identity)
            return self._compiled[identity]
        try:
            async with self._process() as process:
                answer = await self._compile(process, request)
                if any(problem["code"] == ProblemCode.TEMPLATE_LIMIT for problem in answer.get("problems", ())):
                    self._discard(process)
        except JailDied as death:
            raise TemplateLimitError(f"The template cannot be compiled: {death.reason}.") from death
        if "problems" in answer:
            raise _error(answer["problems"])
        given = SUPPLIED.union(template.variables)
        required = [path for path in answer["required"] if path[0] not in given]
        names = {path[0] for path in required}
        optional = {path[0] for path in answer["optional"]} - names - given
        compiled = CompiledTemplate(
            identity,
            template,
            tuple(sorted(names)),
            tuple(sorted(optional)),
            tuple(sorted({".".join(_dotted(path)) for path in required})),
            TextSource(answer["text_source"]),
        )
        if len(request) <= _KEPT_BYTES:
            self._compiled[identity] = compiled
            if len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
        return compiled

    async def render(
        self, template: CompiledTemplate, contexts: Sequence[Mapping[str, Any]]
    ) -> list[Rendered | RenderProblem]:
        """Return one result per context, in order. Contexts are plain JSON data.

        Raises:
            InvalidInputError: a context is not JSON data.
            RenderingUnavailableError: no rendering process can be started.
        """
        done: list[Rendered | RenderProblem] = []
        for start in range(0, len(contexts), _CALL):
            done += await self._render_call(template, contexts[start : start + _CALL])
        return done

    async def inspect(self, html: bytes) -> Inspection | None:
        """Return what stands in finished HTML, or None when it is too entangled to be read.

        Raises:
            RenderingUnavailableError: no rendering process can be started.
        """
        seconds = self._settings.render_seconds
        try:
            async with self._process() as process:
                process.send(frames.INSPECT, frames.INSPECT_HEAD.pack(seconds), html)
                _, payload = await process.receive(5 * seconds + _WALL_GRACE_SECONDS)
        except JailDied:
            return None
        facts = orjson.loads(payload)
        if facts is None:
            return None
        return Inspection(
            tuple((link["href"], link["text"]) for link in facts["links"]),
            tuple((image["src"], image["alt"]) for image in facts["images"]),
            tuple(facts["removed"]),
            facts["words"],
        )

    async def _render_call(
        self, template: CompiledTemplate, contexts: Sequence[Mapping[str, Any]]
    ) -> list[Rendered | RenderProblem]:
        done: list[Rendered | RenderProblem] = []
        strikes = 0
        while (left := len(contexts) - len(done)) > 0:
            seconds = max(self._settings.render_seconds / 2**strikes, _LEAST_SECONDS)
            careful = strikes > 0
            try:
                async with self._process() as process:
                    await self._render_on(process, template, contexts[len(done) :], seconds, careful, done)
            except JailDied as death:
                log.warning("rendering.child_died", reason=death.reason, template=template.id.hex(), strikes=strikes)
                strikes += 1
                still = len(contexts) - len(done)
                problem = RenderProblem(ProblemCode.TEMPLATE_LIMIT, death.reason)
                if strikes >= _STRIKES:
                    done += [problem] * still
                elif still and (careful or (left == 1 and death.by_limit)):
                    done.append(problem)
        return done

    async def _render_on(
        self,
        process: JailProcess,
        template: CompiledTemplate,
        contexts: Sequence[Mapping[str, Any]],
        seconds: float,
        careful: bool,
        done: list[Rendered | RenderProblem],
    ) -> None:
        """Ask one child; what it answers is appended to `done` as it comes, also when it dies on the way."""
        try:
            encoded = orjson.dumps(contexts, option=_JSON)
        except TypeError as error:
            raise InvalidInputError("The recipient's values must be plain JSON data.") from error
        head = frames.RENDER_HEAD.pack(template.id, seconds, careful)
        wall = 5 * seconds + _WALL_GRACE_SECONDS
        process.send(frames.RENDER, head, encoded)
        flags = 0
        while not flags & frames.LAST:
            kind, payload = await process.receive(wall)
            if kind == frames.UNKNOWN:
                await self._compile(process, self._request(template.source)[1])
                process.send(frames.RENDER, head, encoded)
                continue
            flags, messages = results(payload)
            done += messages
        if flags & frames.RETIRE:
            self._discard(process)

    def _request(self, template: Template) -> tuple[bytes, bytes]:
        """Return a template's id and its COMPILE request.

        Raises:
            TemplateLimitError: a source is longer than `template_bytes`.
        """
        longest = self._settings.template_bytes
        written = (template.subject, template.preheader or "", template.html, template.text or "")
        for source in (*written, *template.snippets.values()):
            if len(source) > longest or len(source.encode(errors="replace")) > longest:
                raise TemplateLimitError(f"A template may have {longest} bytes.")
        sources = {
            "subject": template.subject,
            "preheader": template.preheader,
            "html": None if template.format is Format.TEXT else template.html,
            "text": template.text,
            "format": template.format,
            "inline_css": template.inline_css,
            "snippets": dict(template.snippets),
            "locale": template.locale,
            "variables": dict(template.variables),
            "seconds": self._settings.render_seconds,
        }
        try:
            identity = hashlib.blake2b(orjson.dumps(sources, option=_JSON), digest_size=16).digest()
            return identity, orjson.dumps({**sources, "id": identity.hex()}, option=_JSON)
        except TypeError as error:
            raise InvalidInputError("A template and its variables must be plain JSON data.") from error

    async def _compile(self, process: JailProcess, request: bytes) -> dict[str, Any]:
        process.send(frames.COMPILE, request)
        _, payload = await process.receive(5 * self._settings.render_seconds + _WALL_GRACE_SECONDS)
        answer: dict[str, Any] = orjson.loads(payload)
        return answer

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[JailProcess]:
        """Lend a child, a new one if the last died. One that is left in the middle of an answer is not used again."""
        process = await self._idle.get()
        try:
            if process is None or not process.is_alive:
                if process is not None:
                    self._discard(process)
                process = None
                process = await self._start()
            yield process
        except BaseException:
            if process is not None:
                self._discard(process)
            raise
        finally:
            self._idle.put_nowait(process if process in self._processes else None)

    async def _start(self) -> JailProcess:
        process = await JailProcess.start(self._settings)
        self._processes.add(process)
        return process

    def _discard(self, process: JailProcess) -> None:
        process.kill()
        process.wait()
        self._processes.discard(process)


def _dotted(path: Sequence[str]) -> Iterator[str]:
    """Yield the names of a path up to one with a dot in it, which nothing could tell from two names."""
    return takewhile(lambda name: "." not in name, path)


def _error(problems: list[dict[str, Any]]) -> TemplateSyntaxProblem | TemplateLimitError:
    """Turn the jail's findings into a domain error with the first of them as its sentence."""
    first = problems[0]
    part = {"html": "HTML ", None: ""}.get(first.get("part"), f"{first.get('part')} ")
    line = f", line {first['line']}" if first.get("line") else ""
    if first.get("snippet"):
        part = f"snippet '{first['snippet']}' in the {part}"
    kind = TemplateLimitError if first["code"] == ProblemCode.TEMPLATE_LIMIT else TemplateSyntaxProblem
    return kind(f"The {part}template{line}: {first['message']}", problems=problems)


__all__ = ["RenderPool", "RenderingUnavailableError"]
