"""Everybody at once: workers end tasks, others submit children, cancel, and start over. Nothing gets stuck."""

import asyncio
import contextlib
import random
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from support.graphs import FakeWorker, assert_settled, completes, fails, is_cancelled
from support.sample_tasks import noop
from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Database
from taskflow.engine import After, Engine, Graph
from taskflow.engine.states import IllegalTransitionError

ROUNDS = 40
ENDS = [completes, completes, fails, is_cancelled]


class Storm:
    """What everybody does, for so many rounds."""

    def __init__(self, engine: Engine, database: Database, seed: int) -> None:
        self.engine, self.database = engine, database
        self.chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self.known: list[UUID] = []

    async def works(self) -> None:
        worker = await FakeWorker.register(self.database)
        for _ in range(ROUNDS):
            waiting = await worker.pending()
            leases = await worker.claim(self.chance.sample(waiting, min(len(waiting), self.chance.randint(1, 12))))
            ends = [self.chance.choice(ENDS)(lease) for lease in leases]
            finished = await repeat_when_deadlocked(partial(worker.store.finish, ends))  # as the publisher does
            assert finished.stale == set()

    async def submits(self) -> None:
        for _ in range(ROUNDS):
            graph = Graph()
            nodes: list[Any] = []
            for _ in range(self.chance.randint(1, 6)):
                some = self.chance.sample(self.known, 3)
                parents = [After(one, self.chance.choice(["fail", "skip", "run"])) for one in some]
                nodes.append(graph.add(noop.options(after=[*parents, *nodes[-2:]])))
            nodes.append(graph.group(nodes))
            await self.engine.submit_graph(graph)
            self.known.extend(node.task_id for node in nodes)

    async def steers(self) -> None:
        graphs = self.engine.dependencies
        for _ in range(ROUNDS):
            one, some = self.chance.choice(self.known), self.chance.sample(self.known, 5)
            order = self.chance.choice(
                [
                    partial(graphs.cancel_subtree, one),
                    partial(graphs.retry_from_failed, one),
                    partial(self.engine.cancel_many, some),
                    partial(self.engine.retry_many, some),
                ]
            )
            with contextlib.suppress(IllegalTransitionError):
                await order()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_is_stuck_after_a_storm(engine: Engine, database: Database, seed: int) -> None:
    storm = Storm(engine, database, seed)
    storm.known += [(await engine.enqueue(noop)).task_id for _ in range(10)]
    await asyncio.gather(
        *(storm.works() for _ in range(3)), *(storm.submits() for _ in range(2)), *(storm.steers() for _ in range(2))
    )
    await (await FakeWorker.register(database)).run_all()
    await assert_settled(database)
    wrong = await database.pool.fetch(
        "SELECT g.task_id FROM tasks g WHERE g.task_name = 'taskflow.group' AND g.status = 'COMPLETED' AND EXISTS ("
        " SELECT FROM task_dependencies d JOIN tasks p ON p.task_id = d.parent_id"
        " WHERE d.child_id = g.task_id AND p.status <> 'COMPLETED')"
    )
    assert not wrong  # a group that completed has members that did
