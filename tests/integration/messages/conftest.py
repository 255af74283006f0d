"""The application in this process, and a mail server."""

from collections.abc import AsyncIterator

import httpx
import pytest

from support.api import Api, running_without_limits
from support.scripted_smtp import ScriptedSmtp
from taskflow.identity.models import Role
from taskflow.settings import Settings
from taskflow.testing.worker import environment_of


@pytest.fixture
def environment(settings: Settings) -> dict[str, str]:
    """The environment of a process; without a sync task to know, a worker starts no fork server."""
    return environment_of(settings)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    async with running_without_limits(settings) as found:
        yield found


@pytest.fixture
async def marketer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtp]:
    """A mail server that does as it is told."""
    async with ScriptedSmtp() as server:
        yield server


@pytest.fixture
def mailing(environment: dict[str, str], smtp: ScriptedSmtp) -> dict[str, str]:
    """The environment of processes that send through the mail server, which is the sandbox's too."""
    return environment | {
        "TASKFLOW_SANDBOX_PORT": str(smtp.port),
        "TASKFLOW_SMTP_HOST": "127.0.0.1",
        "TASKFLOW_SMTP_PORT": str(smtp.port),
        "TASKFLOW_SMTP_SECURITY": "none",
        "TASKFLOW_WORKER_PROCESSES": "1",
    }
