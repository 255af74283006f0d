"""(f) Graph: ten thousand tasks that wait for each other, submitted at once and run to the last one.

A tenth of them is one chain; the others are fans: one task, then a hundred that wait for it, then one that waits for
the hundred. The bodies do nothing. One node with two worker processes runs them, a coordinator stands by, and the time
is that between the first start and the last end in PostgreSQL.
"""

import time
from typing import Any

from benchmarks import tasks
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import Servers, System, until
from taskflow.engine import Engine, Graph

FAN = 100
_LONGEST = 600.0


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for _ in range(options.runs):
        await _round(servers, options, figures)


async def _round(servers: Servers, options: Options, figures: Figures) -> None:
    async with System.fresh(servers, TASKFLOW_WORKER_IMPORTS='["benchmarks.tasks"]') as system:
        engine = Engine(system.database, system.broker)
        await system.start_coordinator()
        await system.start("worker", "--processes", str(PROCESSES))
        await system.wait_for_workers(PROCESSES)
        await servers.settle()
        graph = Graph()
        chain = _chain(graph, options.nodes // 10)
        while len(graph) + FAN + 2 <= options.nodes:
            _fan(graph)
        started = time.perf_counter()
        await engine.submit_graph(graph)
        figures.add("graph.submit_nodes_per_s", len(graph) / (time.perf_counter() - started), "nodes/s")

        async def done() -> bool:
            return not await system.database.pool.fetchval("SELECT count(*) FROM tasks WHERE completed_at IS NULL")

        await until(done, _LONGEST, "the last task", every=0.1)
        row: Any = await system.database.pool.fetchrow(
            "SELECT count(*) FILTER (WHERE status = 'COMPLETED') AS done,"
            " extract(epoch FROM max(completed_at) - min(started_at))::float8 AS seconds,"
            " extract(epoch FROM max(completed_at) FILTER (WHERE task_id = ANY($1::uuid[]))"
            " - min(started_at) FILTER (WHERE task_id = ANY($1::uuid[])))::float8 AS chain_seconds FROM tasks",
            [chain[0], chain[-1]],
        )
    assert row["done"] == len(graph), f"of {len(graph)} tasks: {dict(row)}"
    figures.add("graph.nodes_per_s", len(graph) / row["seconds"], "nodes/s")
    figures.add("graph.chain_hop_ms", 1000 * row["chain_seconds"] / len(chain), "ms")


def _chain(graph: Graph, length: int) -> list[Any]:
    """Add tasks that wait each for the one before; return their ids."""
    nodes = [graph.add(tasks.noop)]
    for _ in range(length - 1):
        nodes.append(graph.add(tasks.noop.options(after=[nodes[-1]])))
    return [node.task_id for node in nodes]


def _fan(graph: Graph) -> None:
    """Add a fan-out of a hundred and the fan-in behind it."""
    first = graph.add(tasks.noop)
    graph.add(tasks.noop.options(after=[graph.add(tasks.noop.options(after=[first])) for _ in range(FAN)]))
