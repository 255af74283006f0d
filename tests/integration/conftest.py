"""What integration tests share."""

from collections.abc import Iterator

import pytest

from support.duties import open_dispatch
from taskflow.broker.redis.broker import RedisBroker
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.engine import Engine


async def _start_later(pool: RenderPool) -> RenderPool:
    for _ in range(pool._size):
        pool._idle.put_nowait(None)
    return pool


@pytest.fixture(scope="module", autouse=True)
def _late_rendering() -> Iterator[None]:
    """Start a rendering process when something is rendered: every application has one, few tests need it.

    A start takes longer than most tests. `tests/unit/content` has the pool as it is.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RenderPool, "__aenter__", _start_later)
        yield


@pytest.fixture
async def engine(database: Database, broker: RedisBroker) -> Engine:
    """The direct client; the dispatch is open, as after the relay's first run."""
    await open_dispatch(database, broker)
    return Engine(database, broker)
