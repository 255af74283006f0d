"""Strangers' templates get nothing, reach nothing and harm nobody."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import taskflow
from support.hostile_templates import EATERS, ESCAPES
from support.waiting import eventually
from taskflow.base.errors import InvalidInputError, TaskFlowError
from taskflow.content.errors import TemplateLimitError
from taskflow.content.jail import frames
from taskflow.content.rendering import Rendered, RenderPool, RenderProblem, Template
from taskflow.content.rendering.models import ProblemCode
from taskflow.content.rendering.process import _Receiver
from taskflow.settings import CampaignSettings

CANARY = "canary-3f9d1c"
GOOD = Template("Hello {{ name }}", "<p>{{ name }}</p>")
CONTEXT = {"name": "Ada", "values": {"name": "Ada"}, "letters": ["b", "a"]}


@pytest.fixture(scope="module", autouse=True)
def _canary() -> None:
    os.environ["TASKFLOW_CANARY"] = CANARY


async def outcome(pool: RenderPool, source: str, *, text: str | None = None) -> str:
    """What a reader would see of a template: its output, or its refusal."""
    try:
        compiled = await pool.compile(Template("s", source, text))
    except TaskFlowError as error:
        return f"refused: {error} {error.context}"
    [result] = await pool.render(compiled, [CONTEXT])
    return f"{result.html} {result.text}" if isinstance(result, Rendered) else f"refused: {result}"


async def test_no_escape_gets_anything(pool: RenderPool) -> None:
    for source in ESCAPES:
        seen = await outcome(pool, source)
        assert CANARY not in seen
        assert "root:" not in seen
        leaks = [
            word for word in ("<class", "&lt;class", "subclasses", "<function", "<module", "<built-in") if word in seen
        ]
        assert seen.startswith("refused") or not leaks, (source, seen)
    [result] = await pool.render(await pool.compile(GOOD), [CONTEXT])
    assert isinstance(result, Rendered)


@pytest.mark.parametrize("source", EATERS, ids=lambda source: source[:40])
async def test_an_eater_is_refused_within_its_limits_and_its_neighbours_render(source: str) -> None:
    async with RenderPool(CampaignSettings(render_seconds=0.3), 1) as pool:
        good = await pool.compile(GOOD)
        async with asyncio.timeout(60):
            eater, neighbours = await asyncio.gather(outcome(pool, source), pool.render(good, [CONTEXT] * 20))
        assert eater.startswith("refused"), eater[:200]
        assert all(isinstance(result, Rendered) for result in neighbours)
        [after] = await pool.render(good, [CONTEXT])
        assert isinstance(after, Rendered)


async def test_ten_to_the_ninth_letters_fail_for_want_of_memory_and_not_of_time() -> None:
    async with asyncio.timeout(60), RenderPool(CampaignSettings(render_seconds=600), 1) as pool:
        compiled = await pool.compile(Template("s", "{{ 'a' * 10**9 }}"))
        [result] = await pool.render(compiled, [{}])
    assert isinstance(result, RenderProblem)
    assert result.code == ProblemCode.TEMPLATE_LIMIT
    assert "more memory" in result.message


async def test_only_the_guilty_recipient_of_a_batch_fails(pool: RenderPool) -> None:
    hungry = await pool.compile(Template("s", "{{ 'a' * n }}"))
    results = await pool.render(hungry, [{"n": 10**9 if place == 7 else place} for place in range(50)])
    assert [place for place, result in enumerate(results) if isinstance(result, RenderProblem)] == [7]
    slow = await pool.compile(
        Template("s", "{% for i in 'x' * n %}{% for j in 'x' * n %}{% endfor %}{% endfor %}{{ n }}")
    )
    results = await pool.render(slow, [{"n": 10**6 if place == 7 else place} for place in range(50)])
    assert [place for place, result in enumerate(results) if isinstance(result, RenderProblem)] == [7]
    assert [result.html for result in results if isinstance(result, Rendered)] == [str(n) for n in range(50) if n != 7]


async def test_a_template_that_never_ends_costs_a_call_ten_deaths_not_one_per_recipient(
    pool: RenderPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    endless = await pool.compile(
        Template("s", "{% for i in 'x' * 100000 %}{% for j in 'x' * 100000 %}{% endfor %}{% endfor %}")
    )
    allowed: list[float] = []
    render_on = RenderPool._render_on

    async def watched(pool: RenderPool, *request: Any) -> None:
        allowed.append(request[3])
        await render_on(pool, *request)

    monkeypatch.setattr(RenderPool, "_render_on", watched)
    async with asyncio.timeout(60):
        results = await pool.render(endless, [{}] * 100)
    assert len(results) == 100
    assert all(isinstance(result, RenderProblem) for result in results)
    assert len(allowed) == 10, "one process after another"
    assert sum(allowed) < 2.2, "seconds of processor time"


async def test_a_killed_child_costs_nobody_a_message(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "{% for i in 'x' * 2000 %}{{ n }}{% endfor %}"))
    call = asyncio.create_task(pool.render(compiled, [{"n": n} for n in range(200)]))
    await asyncio.sleep(0.02)
    killed = pool.pids
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    results = await call
    assert [result.html[:3] for result in results if isinstance(result, Rendered)] == [
        (str(n) * 3)[:3] for n in range(200)
    ]


async def test_an_abandoned_call_leaves_a_working_pool(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "{% for i in 'x' * 20000 %}{{ n }}{% endfor %}"))
    call = asyncio.create_task(pool.render(compiled, [{"n": n} for n in range(200)]))
    await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    [result] = await pool.render(compiled, [{"n": 1}])
    assert isinstance(result, Rendered)


async def test_objects_never_reach_a_template(pool: RenderPool) -> None:
    class Row:
        def delete(self) -> str:
            raise AssertionError("a template called a method of ours")

    compiled = await pool.compile(Template("s", "{{ row.delete() }}"))
    with pytest.raises(InvalidInputError):
        await pool.render(compiled, [{"row": Row()}])


async def test_more_templates_than_the_cache_holds_still_render(pool: RenderPool) -> None:
    compiled = [await pool.compile(Template("s", f"{number} {{{{ name }}}}")) for number in range(70)]
    for number, template in enumerate(compiled):
        [result] = await pool.render(template, [{"name": "Ada"}])
        assert isinstance(result, Rendered)
        assert result.html == f"{number} Ada"


async def test_a_source_beyond_the_limit_is_refused() -> None:
    async with RenderPool(CampaignSettings(template_bytes=100), 1) as pool:
        with pytest.raises(TemplateLimitError):
            await pool.compile(Template("s", "ä" * 51))
        with pytest.raises(TemplateLimitError):
            await pool.compile(Template("s", "x", "x" * 101))


async def test_children_end_with_the_pool() -> None:
    async with RenderPool(CampaignSettings(), 2) as pool:
        pids = pool.pids
        assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


PROBES = {
    "open a file": "open('/etc/hostname').read()",
    "read its memory map": "open('/proc/self/environ').read()",
    "make a socket": "__import__('_socket').socket()",
    "fork": "os.fork()",
    "start a program": "os.execv('/bin/true', ['true'])",
    "signal its parent": "os.kill(os.getppid(), 0)",
    "limit its parent": "resource.prlimit(os.getppid(), resource.RLIMIT_CPU)",
    "list a folder": "os.listdir('/')",
    "become root": "os.setresuid(0, 0, 0)",
    "eat memory": "bytearray(300 * 1024 * 1024)",
    "get the files back": "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))",
}


@pytest.mark.skipif(sys.platform != "linux", reason="the system call filter is Linux's")
@pytest.mark.parametrize("probe", PROBES)
def test_even_python_code_in_the_jail_cannot(probe: str) -> None:
    code = f"""
import os, resource, sys, _socket
sys.path[:0] = {[str(Path(taskflow.__file__).parent.parent), *sys.path]!r}
from taskflow.content.jail import limits
limits.enter(256 * 1024 * 1024, os.getppid())
try:
    {PROBES[probe]}
except (OSError, MemoryError, ValueError) as error:
    os.write(1, b'refused')
else:
    os.write(1, b'done')
os._exit(0)
"""
    command = [sys.executable, "-I", "-S", "-c", code]
    assert subprocess.run(command, stdout=subprocess.PIPE, env={}, cwd="/", check=True).stdout == b"refused"


@pytest.mark.skipif(sys.platform != "linux", reason="PDEATHSIG is Linux's")
async def test_a_child_dies_with_its_parent() -> None:
    code = """
import asyncio, os, signal
from taskflow.content.rendering import RenderPool
from taskflow.settings import CampaignSettings
async def main():
    async with RenderPool(CampaignSettings(), 1) as pool:
        print(pool.pids[0], flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(main())
"""
    source = str(Path(taskflow.__file__).parent.parent)
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=subprocess.PIPE, env={"PYTHONPATH": source}
    )
    printed, _ = await parent.communicate()
    await eventually(lambda: not is_running(int(printed)), seconds=60)


def is_running(pid: int) -> bool:
    """Whether the process exists and is more than a zombie that nobody has reaped yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_broken_unicode_in_a_message_that_becomes_text_is_a_problem_of_that_message(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "<p>{{ '\\ud800' if bad else x | safe }}</p>"))
    pids = pool.pids
    contexts = [{"bad": True, "x": "a"}, *[{"bad": False, "x": "b"}] * 3]
    [broken, *others] = await pool.render(compiled, contexts)
    assert isinstance(broken, RenderProblem)
    assert broken.code is ProblemCode.TEMPLATE_ERROR
    assert all(isinstance(other, Rendered) for other in others)
    assert pool.pids == pids


async def test_large_templates_of_others_take_nobodys_memory() -> None:
    async with RenderPool(CampaignSettings(render_seconds=30, render_memory_mb=128), 1) as pool:
        for number in range(20):
            body = "".join(f"<p class='c{number}'>{{{{ name }}}} is {{{{ name }}}}</p>" for _ in range(1_500))
            large = await pool.compile(Template(f"s{number}", body))
        [result] = await pool.render(await pool.compile(GOOD), [CONTEXT])
        assert isinstance(result, Rendered)
        [result] = await pool.render(large, [CONTEXT])
        assert isinstance(result, Rendered)


async def test_a_child_that_was_taken_over_cannot_fill_our_memory() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        transport, receiver = await asyncio.get_running_loop().create_unix_connection(_Receiver, sock=ours)
        theirs.sendall(frames.HEADER.pack(2**32 - 1, frames.RESULTS))
        with pytest.raises(EOFError):
            await receiver.frame()
        assert transport.is_closing()
