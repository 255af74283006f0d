"""What integration tests of the engine share."""

import pytest

from support.duties import open_dispatch
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine


@pytest.fixture
async def engine(database: Database, broker: RedisBroker) -> Engine:
    """The direct client; the dispatch is open, as after the relay's first run."""
    await open_dispatch(database, broker)
    return Engine(database, broker)
