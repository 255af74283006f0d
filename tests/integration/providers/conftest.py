"""An HTTP client that may reach this machine, and providers opened over it."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import pytest

from support.mail_providers import Providers
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.providers.http import HttpClient


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    opened = HttpClient(AddressGuard([ip_network("127.0.0.0/8")]), seconds=5.0)
    yield opened
    await opened.close()


@pytest.fixture
async def hasty(client: HttpClient) -> AsyncIterator[HttpClient]:
    """A client that soon gives up, for servers that never answer."""
    opened = HttpClient(AddressGuard([ip_network("127.0.0.0/8")]), seconds=0.3)
    yield opened
    await opened.close()


@pytest.fixture
def providers(client: HttpClient) -> Providers:
    return Providers(client)
