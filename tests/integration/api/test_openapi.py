"""The committed `openapi.json`: it is fresh, and the server keeps to it under schemathesis."""

import asyncio
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from support.api import PASSWORD, serving
from taskflow.api import openapi
from taskflow.db.pool import Database
from taskflow.identity.models import Principal, Role
from taskflow.identity.service import IdentityService
from taskflow.identity.tokens import TokenSigner
from taskflow.settings import Settings

FILE = Path(__file__).parents[3] / "openapi.json"
SEED = "20261122"


def test_the_committed_file_is_fresh() -> None:
    assert FILE.read_text(encoding="utf-8") == openapi.render(), "run `python -m taskflow.api.openapi`"


def test_every_operation_has_a_name_of_its_own_and_says_what_it_does() -> None:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    assert all(operation["description"] for operation in operations)
    assert all("application/problem+json" in operation["responses"]["default"]["content"] for operation in operations)


async def test_schemathesis_finds_no_failure(settings: Settings, database: Database, tmp_path: Path) -> None:
    """As an administrator, with every check, a fixed seed and a bounded number of examples."""
    settings.http.rate_limit_ip_per_minute = 10**9
    command = shutil.which("st", path=str(Path(sys.executable).parent))
    assert command is not None
    signer = TokenSigner(settings.secret_key or SecretStr(""), access_seconds=3600)
    identity = IdentityService(database, settings.security, signer)
    user = await identity.create_user("admin@example.com", PASSWORD, Role.ADMIN)
    owner = Principal(user.user_id, user.email, Role.ADMIN)
    _, key = await identity.create_key(owner, name="st", role=Role.ADMIN, scopes=[], rate_limit_per_minute=10**6)
    async with serving(settings) as url:
        process = await asyncio.create_subprocess_exec(
            command,
            *("run", str(FILE), "--url", url, "-H", f"Authorization: Bearer {key}"),
            # A schema cannot say that a cursor was handed out, or that two rules differ: such input is valid to it.
            *("--exclude-path", "/api/v1/events"),  # it does not end
            *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
            *("--phases", "examples,coverage,fuzzing", "--seed", SEED, "--max-examples", "6"),
            *("--no-shrink", "--suppress-health-check", "all", "--warnings", "off", "--max-response-time", "60"),
            *os.environ.get("TASKFLOW_SCHEMATHESIS", "").split(),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            output, _ = await asyncio.wait_for(process.communicate(), 600)
        finally:
            if process.returncode is None:
                process.kill()
    if process.returncode:
        pytest.fail("\n".join(line[:400] for line in output.decode().splitlines())[-40_000:])
