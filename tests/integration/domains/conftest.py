"""A zone that does as it is told, and the domains of this test."""

from collections.abc import AsyncIterator

import pytest

from support.dns_server import DnsServer
from taskflow.db.pool import Database
from taskflow.delivery.domains.service import DomainService
from taskflow.settings import Settings
from taskflow.testing.worker import environment_of


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process; without a sync task to know, a worker starts no fork server."""
    return environment_of(settings)


@pytest.fixture
async def zone(settings: Settings) -> AsyncIterator[DnsServer]:
    """A name server that this test's settings name."""
    async with DnsServer() as server:
        settings.domain.nameservers = [server.address]
        settings.domain.dns_timeout = 1.0
        yield server


@pytest.fixture
def domains(database: Database, settings: Settings, zone: DnsServer) -> DomainService:
    """The service."""
    return DomainService(database, settings)
