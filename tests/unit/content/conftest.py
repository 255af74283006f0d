"""A rendering pool for each test; its limits are the defaults."""

from collections.abc import AsyncIterator

import pytest

from taskflow.content.rendering import RenderPool
from taskflow.settings import CampaignSettings


@pytest.fixture
async def pool() -> AsyncIterator[RenderPool]:
    """One rendering process."""
    async with RenderPool(CampaignSettings(), 1) as running:
        yield running
