"""Budgets over two sending processes, one of them killed half-way, and a Redis that forgets everything."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from support.processes import TESTS, kill_group
from support.router_node import LANES
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.router.budgets import UNWRITTEN

BUDGET = 2_000


async def node(environment: dict[str, str], notes: Path) -> asyncio.subprocess.Process:
    path = os.pathsep.join(filter(None, (str(TESTS), environment.get("PYTHONPATH"))))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "support.router_node", str(notes), str(2 * BUDGET), str(BUDGET),
        env={**environment, "PYTHONPATH": path}, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize("flush", [False, True], ids=["", "flushed"])
async def test_two_nodes_stay_within_a_budget_though_one_is_killed(
    environment: dict[str, str], database: Database, broker: RedisBroker, tmp_path: Path, flush: bool
) -> None:
    notes = tmp_path / "notes"

    def sent() -> list[str]:
        return notes.read_text().split() if notes.exists() else []

    doomed, other = await asyncio.gather(node(environment, notes), node(environment, notes))
    try:
        await eventually(lambda: len(set(sent())) == 2 and len(sent()) > BUDGET // 4, seconds=60)
        if flush:
            await broker.redis.flushall()
        kill_group(doomed)
        await doomed.wait()
        async with asyncio.timeout(120):
            assert await other.wait() == 0
    finally:
        for process in (doomed, other):
            kill_group(process)
            await process.wait()
    # A flush may cost what each of them had not written yet. What the dead one had reserved and not sent is lost.
    slack = 2 * (UNWRITTEN + LANES * 10) if flush else 0
    assert BUDGET - LANES * 10 - slack <= len(sent()) <= BUDGET + slack
    if not flush:
        assert await database.pool.fetchval("SELECT sum(messages) FROM provider_usage") <= BUDGET
