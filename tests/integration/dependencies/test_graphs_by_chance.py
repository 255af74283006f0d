"""Graphs made and ended by chance, through the real statements, held to what the policies say in plain Python."""

import asyncio
import random
from functools import partial
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.graphs import FakeWorker, assert_settled, completes, fails, is_cancelled
from support.sample_tasks import noop
from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Database
from taskflow.engine import After, Engine, Graph
from taskflow.engine.states import IllegalTransitionError
from taskflow.engine.store import Lease, Outcome

ENDS = {"completes": completes, "fails": fails, "is_cancelled": is_cancelled}
POLICIES = [("fail", "run"), ("skip", "run"), ("run", "run"), ("run", "skip")]


@st.composite
def plans(draw: st.DrawFn) -> list[tuple[str, list[tuple[int, tuple[str, str]]]]]:
    """Draw tasks and groups, each with edges from earlier ones."""
    plan: list[tuple[str, list[tuple[int, tuple[str, str]]]]] = []
    for number in range(draw(st.integers(1, 14))):
        earlier = st.integers(0, number - 1) if number else st.nothing()
        parents = draw(st.lists(earlier, max_size=4, unique=True)) if number else []
        kind = draw(st.sampled_from(["task", "task", "task", "group"])) if parents else "task"
        policies = [draw(st.sampled_from(POLICIES)) for _ in parents]
        plan.append((kind, list(zip(parents, policies, strict=True))))
    return plan


def verdict(parent: str, on_failure: str, on_success: str) -> str | None:
    """Return what a parent's end makes of its child: the table of the documentation."""
    if parent == "COMPLETED":
        return "CANCELLED" if on_success == "skip" else None
    if on_failure == "run":
        return None
    return "FAILED" if on_failure == "fail" and parent in ("FAILED", "TIMEOUT") else "CANCELLED"


class Trial:
    """One graph and what becomes of it."""

    def __init__(
        self, database: Database, engine: Engine, worker: FakeWorker, plan: Any, chance: random.Random
    ) -> None:
        self.database, self.engine, self.worker, self.plan, self.chance = database, engine, worker, plan, chance
        self.ids: list[UUID] = []
        self.ends: dict[UUID, str] = {}
        self.kept: set[UUID] = set()  # those that had completed before others started over

    async def submit(self) -> None:
        graph = Graph()
        nodes: list[Any] = []
        for kind, parents in self.plan:
            after = [After(nodes[number], on_failure, on_success) for number, (on_failure, on_success) in parents]
            if kind == "group":
                nodes.append(graph.group([nodes[number] for number, _ in parents]))
            else:
                nodes.append(graph.add(noop.options(after=after)))
        await self.engine.submit_graph(graph)
        self.ids = [node.task_id for node in nodes]

    async def run(self, ends: list[str]) -> None:
        """Claim and end tasks in batches by chance, two at once, until nothing is left to run."""
        while waiting := await self.worker.pending():
            await self._check_order(waiting)
            some = self.chance.sample(waiting, self.chance.randint(1, len(waiting)))
            leases = await self.worker.claim(some)
            self.ends |= {lease.task_id: self.chance.choice(ends) for lease in leases}
            middle = self.chance.randint(0, len(leases))
            batches = [[self._end(lease) for lease in part] for part in (leases[:middle], leases[middle:]) if part]
            finish = self.worker.store.finish
            finished = await asyncio.gather(  # they repeat as the publisher does
                *(repeat_when_deadlocked(partial(finish, batch)) for batch in batches)
            )
            assert not any(one.stale for one in finished)

    def _end(self, lease: Lease) -> Outcome:
        return ENDS[self.ends[lease.task_id]](lease)

    async def _check_order(self, waiting: list[UUID]) -> None:
        """Nobody may run before all its parents have ended."""
        early = await self.database.pool.fetchval(
            "SELECT count(*) FROM task_dependencies d JOIN tasks p ON p.task_id = d.parent_id"
            " WHERE d.child_id = ANY($1::uuid[]) AND p.completed_at IS NULL",
            waiting,
        )
        assert early == 0

    async def check(self) -> None:
        """Every task has the end that the ends of its parents, and its own, say."""
        await assert_settled(self.database)
        rows = {row["task_id"]: row for row in await self.database.pool.fetch("SELECT * FROM tasks")}
        own = {"completes": "COMPLETED", "fails": "FAILED", "is_cancelled": "CANCELLED"}
        for task_id, (kind, edges) in zip(self.ids, self.plan, strict=True):
            status = rows[task_id]["status"]
            parents = [(rows[self.ids[number]]["status"], policy) for number, policy in edges]
            if kind == "group":
                assert status == ("COMPLETED" if all(parent == "COMPLETED" for parent, _ in parents) else "FAILED")
            elif task_id in self.kept:
                assert status == "COMPLETED"
            elif verdicts := {v for parent, policy in parents if (v := verdict(parent, *policy))}:
                assert status in verdicts
            else:
                assert status == own[self.ends[task_id]]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(plan=plans(), chance=st.randoms(use_true_random=False))
async def test_every_graph_ends_as_its_policies_say(
    engine: Engine, database: Database, plan: Any, chance: random.Random
) -> None:
    await database.pool.execute("TRUNCATE tasks, task_dependencies, task_claims, task_executions, task_results")
    trial = Trial(database, engine, await FakeWorker.register(database), plan, chance)
    await trial.submit()
    await trial.run([*ENDS])
    await trial.check()
    # All over again from where it failed, this time without failures: only what nothing was wrong with keeps its end.
    for task_id in trial.ids:
        done = await database.pool.fetch("SELECT task_id FROM tasks WHERE status = 'COMPLETED'")
        trial.kept = {record[0] for record in done}
        try:
            await engine.dependencies.retry_from_failed(task_id)
        except IllegalTransitionError:
            continue
        await trial.run(["completes"])
        await trial.check()
