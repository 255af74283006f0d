"""The parent of a worker node: none of its parts stops without the node."""

import asyncio
from unittest.mock import AsyncMock

import asyncpg
import pytest

from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.worker.child_process import ChildProcess
from taskflow.engine.worker.heartbeat import Heartbeat
from taskflow.engine.worker.node import Node
from taskflow.settings import Settings


@pytest.fixture
def node(database: Database, broker: RedisBroker, settings: Settings) -> Node:
    """A node of one child, which has a second to drain."""
    settings.worker.processes = 1
    settings.worker.drain_seconds = 1
    return Node(settings, database, broker)


async def test_a_node_whose_heart_fails_for_good_ends_instead_of_working_on_unseen(
    node: Node, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Heartbeat, "beat", AsyncMock(side_effect=asyncpg.UndefinedTableError("no such table")))
    async with asyncio.timeout(60):
        with pytest.raises(asyncpg.UndefinedTableError):
            await node.run()
    assert await database.pool.fetchval("SELECT stopped_at IS NOT NULL FROM workers")


async def test_a_node_that_cannot_start_a_child_ends_instead_of_waiting_without_one(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChildProcess, "start", AsyncMock(side_effect=BlockingIOError("no more processes")))
    async with asyncio.timeout(60):
        with pytest.raises(BlockingIOError):
            await node.run()
