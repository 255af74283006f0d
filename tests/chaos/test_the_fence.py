"""A worker that was stopped for longer than its lease and woken: its completions come too late and change nothing.

The same run with the fence taken out of the worker's completion statements proves that the checker would see it.
"""

import asyncio
import signal
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support import chaos_mutant
from support.chaos_checker import Checker
from support.chaos_client import Client, Submission
from support.chaos_system import DEAD_AFTER, System
from support.waiting import eventually

pytestmark = pytest.mark.chaos

MUTANT = Path(next(iter(chaos_mutant.__path__)))
SECONDS = 2.0  # a body
TASKS = 8


@asynccontextmanager
async def worker(system: System, name: str, queue: str, *, mutated: bool) -> AsyncIterator[None]:
    """Run a node for one queue, with or without the fence."""
    environment = {"TASKFLOW_WORKER_QUEUES": f'["{queue}"]'}
    proof = system.folder / f"{name}-mutated"
    if mutated:
        environment["PYTHONPATH"] = f"{MUTANT}:{system.environment(name)['PYTHONPATH']}"
        environment["CHAOS_MUTATED"] = str(proof)
    system.add(name, "worker", environment=environment)
    try:
        yield
        assert proof.exists() == mutated
    finally:
        system.remove(name)
        proof.unlink(missing_ok=True)


async def run_late(system: System, checker: Checker, client: Client, queue: str, *, mutated: bool) -> int:
    """Stop a node in the middle of its tasks, let another begin them anew, wake it; return its stale completions."""
    async with worker(system, "worker_c", queue, mutated=mutated):
        await eventually(lambda: checker.bodies.count("start") >= TASKS, seconds=30, what="the first bodies begin")
        system.send("worker_c", signal.SIGSTOP, group=True)
        children = system.children("worker_c")
        async with worker(system, "worker_d", queue, mutated=mutated):
            began = 2 * TASKS
            await eventually(
                lambda: checker.bodies.count("start") >= began, seconds=DEAD_AFTER + 40, what="the second bodies begin"
            )
            # The children first: their parent, once awake, hears that it was declared dead and kills them.
            for child in children:
                system.send_to(child, signal.SIGCONT)
            await eventually(lambda: checker.bodies.count("end") >= TASKS, seconds=20, what="the first bodies end")
            await asyncio.sleep(0.5)  # long enough to write, too short for the second bodies
            system.send("worker_c", signal.SIGCONT, group=True)
            await checker.drained()
        await eventually(lambda: system.attempts("worker_c")["stale"] or mutated, seconds=20, what="the count")
        return system.attempts("worker_c")["stale"]


@pytest.mark.parametrize("mutated", [False, True], ids=["fenced", "unfenced"])
async def test_a_late_completion_changes_nothing_and_without_the_fence_the_checker_objects(
    system: System, mutated: bool
) -> None:
    run = f"{uuid.uuid4().int & 0xFFFFFFFF:08x}"
    queue = f"late-{run}"
    client = Client(system.url(""), system.key, run, system.folder / "client.jsonl", seed=0)
    try:
        checker = Checker(system, client)
        labels = [f"{run}-{number}" for number in range(TASKS)]
        tasks = [
            {"task_name": "chaos_holds", "args": {"label": label, "seconds": SECONDS}, "queue": queue}
            for label in labels
        ]
        submission = Submission(f"{run}-late", "/api/v1/tasks/bulk", {"tasks": tasks}, labels)
        client.submissions = [submission]
        await client.submit(submission)
        before = time.time()
        stale = await run_late(system, checker, client, queue, mutated=mutated)
        wrong = await checker.check()
        if mutated:
            assert any(sentence.startswith("I4") for sentence in wrong), "the checker has seen nothing"
        else:
            assert not wrong, "\n".join(wrong)
            assert stale == TASKS
        assert not system.ends(before)
    finally:
        await client.close()
