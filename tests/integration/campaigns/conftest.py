"""Fixtures of campaigns: the service with its rendering jail."""

from collections.abc import AsyncIterator

import pytest

from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.settings import Settings
from taskflow.testing.worker import environment_of


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process; without a sync task to know, a worker starts no fork server."""
    return environment_of(settings)


@pytest.fixture
async def service(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[CampaignService]:
    """The campaign service."""
    async with RenderPool(settings.campaign) as rendering:
        yield CampaignService(database, broker, rendering)
