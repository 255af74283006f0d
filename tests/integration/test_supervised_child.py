"""A supervised process is started again, stopped in good order, and gives up with a sentence."""

import os
import signal
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from support.waiting import eventually, eventually_sync
from taskflow.embedded.child import Child, ChildKeepsEndingError
from taskflow.embedded.server import command_line

FOREVER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)

Make = Callable[[str], Child]


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Make children that run a line of Python; they are killed at the end of the test."""
    made: list[Child] = []

    def child(code: str) -> Child:
        one = Child(
            name="test",
            arguments=["-c", code],
            environment=os.environ,
            log=tmp_path / "test.log",
            drain_seconds=0.5,
            on_start=lambda: None,
            program=(sys.executable,),
        )
        made.append(one)
        one.start()
        return one

    yield child
    for one in made:
        one.kill()
        await one.stop()


async def test_a_killed_process_is_started_again(make: Make) -> None:
    child = make(FOREVER)
    before = await eventually(lambda: child.pid)
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: child.pid not in {None, before})


async def test_a_process_that_the_machine_has_no_room_for_is_started_later(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    spawn = Child._spawn
    refusals = [BlockingIOError("no more processes"), OSError("too many open files")]

    async def reluctant(child: Child) -> Process:
        if refusals:
            raise refusals.pop()
        return await spawn(child)

    monkeypatch.setattr(Child, "_spawn", reluctant)
    child = make(FOREVER)
    await eventually(lambda: child.pid)
    assert not refusals


async def test_a_process_that_cannot_start_is_reported_with_its_last_words(make: Make) -> None:
    child = make("raise SystemExit('the port is taken')")
    await eventually(lambda: child.deaths >= 5)
    with pytest.raises(ChildKeepsEndingError, match=r"exit code 1.*(?s:.)*the port is taken"):
        child.check()


async def test_a_process_that_ignores_sigterm_is_killed(make: Make, tmp_path: Path) -> None:
    child = make(STUBBORN)
    await eventually(lambda: (tmp_path / "test.log").exists() and "up" in (tmp_path / "test.log").read_text())
    pid = child.pid
    assert pid is not None
    await child.stop()
    assert command_line(pid) == ""


async def test_stopping_during_the_pause_between_two_starts_is_immediate(make: Make) -> None:
    child = make("raise SystemExit(1)")
    await eventually(lambda: child.deaths >= 4)
    await child.stop()
    assert child.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_children_do_not_outlive_a_killed_supervisor() -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-P', '-m', 'taskflow.embedded.leash', str(os.getpid()),"
        f" sys.executable, '-c', {FOREVER!r}])\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        child = int(supervisor.stdout.readline())
        eventually_sync(lambda: "time.sleep" in command_line(child))
        supervisor.kill()
        eventually_sync(lambda: command_line(child) == "")
