"""The application in this process, on this test's database and Redis, and clients for every role."""

import logging
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog
from argon2 import PasswordHasher

from support.api import Api, running_without_limits
from taskflow.identity import passwords
from taskflow.identity.models import Role
from taskflow.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def _quiet_logs() -> None:
    """A line a request would drown a failure."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


@pytest.fixture(scope="module", autouse=True)
def hashes() -> Iterator[None]:
    """Passwords are hashed at once: nearly every test makes a user and signs in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        patch.setattr(passwords, "_dummy", None)
        yield


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with running_without_limits(settings) as found:
        yield found


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.ADMIN) as client:
        yield client


@pytest.fixture
async def operator(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.OPERATOR) as client:
        yield client


@pytest.fixture
async def viewer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.VIEWER) as client:
        yield client


@pytest.fixture
async def marketer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client
