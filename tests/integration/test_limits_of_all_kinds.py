"""Limits and terms of queues hold however a task comes in: in a graph, by a schedule, encrypted, under a unique key."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from support import sample_tasks as tasks
from support.duties import add_worker, open_dispatch
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, Every, Graph, PayloadEncryption, Request, Schedule, task
from taskflow.engine.dependencies.release import announce
from taskflow.engine.limits.overrides import Overrides
from taskflow.engine.limits.publishing import publish_limits
from taskflow.engine.limits.routing import reroute
from taskflow.engine.middleware.stack import MiddlewareStack
from taskflow.engine.outcomes import completed
from taskflow.engine.queues.meeting import QueueMeeter
from taskflow.engine.queues.service import QueueService
from taskflow.engine.queues.terms import QueueBook, QueueDrainingError
from taskflow.engine.store import Lease, TaskStore
from taskflow.engine.worker.claims import Claims

ADA = "default/task:serve/ada"


@task(name="limits.names_a_tenant")
async def names_a_tenant() -> str:
    """Return the key of another task."""
    return "ada"


@pytest.fixture
async def engine(database: Database, broker: RedisBroker) -> Engine:
    await open_dispatch(database, broker)
    await publish_limits(database, broker, [tasks.serve])
    return Engine(database, broker)


@pytest.fixture
def encrypting(database: Database, broker: RedisBroker, engine: Engine) -> Engine:
    return Engine(database, broker, middleware=MiddlewareStack(PayloadEncryption({"k": bytes(32)}, current="k")))


class Worker:
    """Claims as a child does."""

    def __init__(self, database: Database, broker: RedisBroker, worker_id: Any) -> None:
        self._broker = broker
        self.store = TaskStore(database)
        self.overrides = Overrides()
        self._claims = Claims(
            self.store,
            broker,
            MiddlewareStack(),
            worker_id=worker_id,
            process_id=uuid7(),
            reroute=lambda lease, suggested: reroute(lease, suggested, self.overrides.subjects),
        )

    async def take(self) -> list[Lease]:
        claimed = await self._broker.dispatch.claim("c", limit=100, quota=100, lease=30)
        return (await self._claims.take(claimed))[1]


@pytest.fixture
async def worker(database: Database, broker: RedisBroker) -> Worker:
    return Worker(database, broker, await add_worker(database))


async def row(database: Database, task_id: object) -> Any:
    return await database.pool.fetchrow("SELECT * FROM tasks WHERE task_id = $1", task_id)


async def test_an_operator_limits_a_task_whose_definition_limits_nothing(
    database: Database, broker: RedisBroker, engine: Engine, worker: Worker
) -> None:
    before = await engine.enqueue_many(tasks.noop, [{}, {}])
    await engine.limits.override("noop", None, {"concurrency": 1})
    await worker.overrides.refresh(database.pool)
    assert await worker.take() == [], "they waited in the queue's own line, and go to wait in the right one"
    [first] = await worker.take()
    assert first.task_id == before[0].task_id
    assert await worker.take() == []
    other = Engine(database, broker)  # a process that starts now
    await other.enqueue(tasks.noop)
    await publish_limits(database, broker, [tasks.noop])
    assert await broker.dispatch.sizes(["default", "default/task:noop"]) == [(0, 0), (2, 1)]
    assert [row["subject"] for row, _ in await engine.limits.page(None, 9)] == ["task:noop", "task:serve/*"]
    await engine.limits.reset("noop", None)
    await worker.overrides.refresh(database.pool)
    assert len(await worker.take()) == 2, "whatever line they wait in, nothing holds them up any more"


async def test_a_queue_that_cannot_be_is_not_met(database: Database) -> None:
    meeter = QueueMeeter(database)
    meeter.see(["mail", "mail/task:serve/ada", "a b", "x" * 101, "nul\x00"])
    assert await meeter.run_once() == 1
    meeter.see(["mail/campaign:1"])
    assert await meeter.run_once() == 0
    assert await database.pool.fetchval("SELECT array_agg(name::text) FROM queues") == ["mail"]


async def test_a_purge_leaves_alone_what_begins_while_it_looks(
    database: Database, broker: RedisBroker, engine: Engine, worker: Worker
) -> None:
    first, second = await engine.enqueue_many(tasks.noop, [{}, {}])

    async def late(task_ids: Sequence[UUID]) -> int:
        await worker.store.claim(uuid7(), uuid7(), uuid7(), [str(first.task_id)])
        return await engine.queues._cancel(task_ids)

    queues = QueueService(database, broker, QueueBook(), late)
    assert await queues.purge("default") == 1
    found = [(await row(database, one.task_id)) for one in (first, second)]
    assert [(task["status"], task["cancel_requested_at"] is None) for task in found] == [
        ("RUNNING", True),
        ("CANCELLED", False),
    ]


async def test_a_task_of_a_graph_waits_in_its_own_line(
    database: Database, broker: RedisBroker, engine: Engine, worker: Worker
) -> None:
    graph = Graph()
    first = graph.add(names_a_tenant)
    child = graph.add(tasks.serve.options(after=[first]), tenant="ada")
    await engine.submit_graph(graph)
    assert (await row(database, child.task_id))["dispatch_key"] == ADA
    [lease] = await worker.take()
    assert lease.task_id == first.task_id
    finished = await worker.store.finish([completed(lease, 0.1)])
    await announce(broker.dispatch, finished.freed)
    [lease] = await worker.take()
    assert (lease.task_id, lease.dispatch_key) == (child.task_id, ADA)


async def test_a_key_that_is_the_result_of_another_task_is_known_when_it_is_claimed(
    database: Database, broker: RedisBroker, engine: Engine, worker: Worker
) -> None:
    graph = Graph()
    first = graph.add(names_a_tenant)
    child = graph.add(tasks.serve, tenant=first.output)
    await engine.submit_graph(graph)
    assert (await row(database, child.task_id))["dispatch_key"] == "default"
    [lease] = await worker.take()
    finished = await worker.store.finish([completed(lease, 0.1, "ada")])
    assert [freed.task_id for freed in finished.freed] == [child.task_id]
    await announce(broker.dispatch, finished.freed)
    assert await worker.take() == [], "it goes to its own line"
    assert await broker.dispatch.peek(ADA, 9) == [str(child.task_id)]
    [lease] = await worker.take()
    assert (lease.task_id, lease.dispatch_key, lease.kwargs) == (child.task_id, ADA, {"tenant": "ada", "seconds": 0.0})


async def test_one_that_is_cancelled_on_its_way_to_another_line_tells_its_children(
    database: Database, engine: Engine, worker: Worker
) -> None:
    graph = Graph()
    first = graph.add(tasks.alone)
    child = graph.add(tasks.noop.options(after=[first]))
    await engine.submit_graph(graph)
    [lease] = await worker.take()
    await engine.cancel(first.task_id)
    [moved], [freed] = await worker.store.reroute([(lease, "default/task:alone/x")])
    assert (moved.task_id, moved.status, moved.dispatch_key) == (first.task_id, "CANCELLED", "default/task:alone/x")
    assert freed.task_id == child.task_id
    assert (await row(database, child.task_id))["completed_at"] is not None


async def test_a_schedule_keeps_the_line_of_its_task(database: Database, engine: Engine, encrypting: Engine) -> None:
    for number, maker in enumerate((engine, encrypting)):
        schedule_id = await maker.schedule(Schedule(f"s{number}", Every(3600)), tasks.serve, tenant="ada")
        made = await maker.schedules.run(schedule_id)
        assert (await row(database, made.task_id))["dispatch_key"] == ADA
        await maker.schedules.update(schedule_id, {"priority": 9, "queue": "other"})
        made = await maker.schedules.run(schedule_id)
        assert (await row(database, made.task_id))["dispatch_key"] == "other/task:serve/ada"
        await maker.schedules.update(schedule_id, {"task_kwargs": {"tenant": "bob"}})
        made = await maker.schedules.run(schedule_id)
        assert (await row(database, made.task_id))["dispatch_key"] == "other/task:serve/bob"


async def test_the_line_is_chosen_before_the_arguments_are_sealed(
    database: Database, encrypting: Engine, worker: Worker
) -> None:
    one = await encrypting.enqueue(tasks.serve, tenant="ada")
    await encrypting.enqueue_many(tasks.serve, [{"tenant": "ada"}])
    rows = await database.pool.fetch("SELECT dispatch_key, task_kwargs FROM tasks")
    assert [item["dispatch_key"] for item in rows] == [ADA, ADA]
    assert all("$encrypted" in item["task_kwargs"] for item in rows)
    leases = await worker.take()
    assert len(leases) == 2
    sealed = next(lease for lease in leases if lease.task_id == one.task_id)
    unknowing = sealed._replace(dispatch_key="default")
    assert reroute(unknowing, "default") == "default/task:serve/~", "nobody can read it: it must not run uncounted"


async def test_whom_a_unique_key_replaces_leaves_its_line(
    database: Database, broker: RedisBroker, engine: Engine
) -> None:
    keyed = tasks.serve.options(unique_key="one", on_conflict="replace")
    await engine.enqueue(keyed, tenant="ada")
    second = await engine.enqueue(keyed, tenant="ada")
    assert await broker.dispatch.peek(ADA, 9) == [str(second.task_id)]
    assert (await engine.enqueue(keyed.options(on_conflict="return"), tenant="ada")).line == ADA


async def test_one_that_starts_over_waits_in_its_line(broker: RedisBroker, engine: Engine) -> None:
    one = await engine.enqueue(tasks.serve, tenant="ada")
    await engine.cancel(one.task_id)
    assert await broker.dispatch.peek(ADA, 9) == []
    await engine.retry(one.task_id)
    assert await broker.dispatch.peek(ADA, 9) == [str(one.task_id)]


async def test_a_limited_claim_leaves_the_expired_alone(database: Database, engine: Engine, worker: Worker) -> None:
    late, early = await engine.enqueue_many(tasks.serve.options(expires_in=3600), [{"tenant": "ada"}] * 2)
    await database.pool.execute("UPDATE tasks SET expires_at = now() WHERE task_id = $1", late.task_id)
    assert [lease.task_id for lease in await worker.take()] == [early.task_id]


async def test_terms_of_queues_hold_for_graphs_and_bulks(database: Database, engine: Engine) -> None:
    await engine.queues.change("default", {"priority": 9, "max_retries": 1, "timeout_seconds": 7})
    graph = Graph()
    plain = graph.add(names_a_tenant)
    chosen = graph.add(names_a_tenant.options(max_retries=3, after=[plain]))
    await engine.submit_graph(graph)
    [bulk] = await engine.submit_many([Request("limits.names_a_tenant", priority=2)])
    for one, terms in ((plain, (9, 1, 7)), (chosen, (9, 3, 7)), (bulk, (2, 1, 7))):
        written = await row(database, one.task_id)
        assert (written["priority"], written["max_retries"], written["timeout_seconds"]) == terms


async def test_a_queue_that_drains_takes_no_graph(database: Database, engine: Engine) -> None:
    await engine.queues.drain("sums")
    graph = Graph()
    graph.group([graph.add(names_a_tenant), graph.add(names_a_tenant.options(queue="sums"))])
    with pytest.raises(QueueDrainingError, match="'sums'"):
        await engine.submit_graph(graph)
    assert await database.pool.fetchval("SELECT count(*) FROM tasks") == 0
