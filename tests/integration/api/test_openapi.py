"""The committed `openapi.json`: it is fresh, and the server keeps to it under schemathesis."""

import asyncio
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from support.api import PASSWORD, serving
from support.scripted_smtp import ScriptedSmtp
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
    key = await administrator(settings, database)
    async with serving(settings) as url:
        file = tmp_path / "openapi.json"
        file.write_text(json.dumps(shallow()), encoding="utf-8")
        await schemathesis(file, url, key, tmp_path, examples=6)


async def test_nor_where_the_ids_are_of_something_that_is_there(
    settings: Settings, database: Database, tmp_path: Path
) -> None:
    """Of a random id every answer is 404: proofs are asked of a template and of campaigns with and without one."""
    key = await administrator(settings, database)
    async with ScriptedSmtp() as smtp:
        settings.smtp.host, settings.smtp.port, settings.smtp.security = "127.0.0.1", smtp.port, "none"
        await proofs(settings, key, tmp_path)


async def proofs(settings: Settings, key: str, folder: Path) -> None:
    async with serving(settings) as url, httpx.AsyncClient(base_url=f"{url}/api/v1") as client:
        client.headers["Authorization"] = f"Bearer {key}"

        async def made(path: str, noun: str, body: dict[str, Any]) -> str:
            answer = await client.post(path, json=body)
            assert answer.status_code == 201, answer.text
            return str(answer.json()[f"{noun}_id"])

        condition = {"type": "tags", "values": ["vip"]}
        segment = await made("/segments", "segment", {"name": "S", "definition": {"condition": condition}})
        contact = await made("/contacts", "contact", {"email": "a@x.example", "tags": ["vip"], "attributes": {"a": 1}})
        variants = [{"subject": "Hi {{ a }}", "body": "<p>{{ a }}</p>"}, {"locale": "de", "subject": "H", "body": "b"}]
        template = await made("/templates", "template", {"name": "T", "variants": variants})
        fields = {"name": "C", "from_email": "s@b.example"}
        own = fields | {"template_subject": "Hi", "template_body": "b", "recipients": [{"email": "a@x.example"}]}
        campaigns = [
            await made("/campaigns", "campaign", own),
            await made(
                "/campaigns", "campaign", fields | {"template_id": template, "audience": {"segments": [segment]}}
            ),
        ]
        known = {"template_id": [template], "campaign_id": campaigns, "contact_id": [contact]}
        file = folder / "openapi.json"
        file.write_text(json.dumps(about(known)), encoding="utf-8")
        await schemathesis(file, url, key, folder, examples=15)


def shallow() -> dict[str, Any]:
    """Return the document with conditions in one level of groups: all combinations of a tree have no end."""
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    for name in ("AllCondition-Input", "AnyCondition-Input", "NotCondition-Input"):
        properties = schemas[name]["properties"]
        choice = properties["condition"] if "condition" in properties else properties["conditions"]["items"]
        choice["oneOf"] = [option for option in choice["oneOf"] if not option["$ref"].endswith("-Input")]
        mapping = choice["discriminator"]["mapping"]
        choice["discriminator"]["mapping"] = {k: ref for k, ref in mapping.items() if not ref.endswith("-Input")}
        assert len(choice["oneOf"]) == 5
    return document


def about(known: dict[str, list[str]]) -> dict[str, Any]:
    """Return the routes of proofs and versions alone, and these ids as the only ones."""
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    wanted = re.compile(r"/api/v1/(campaigns|templates)/\{\w+\}/(preview|test|lint|versions|versions/.*|diff)")
    document["paths"] = {path: item for path, item in document["paths"].items() if wanted.fullmatch(path)}
    assert len(document["paths"]) == 10
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] in known:
                    parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    for body in ("PersonIn", "VersionedPerson", "TestIn", "CampaignTestIn"):
        contact = document["components"]["schemas"][body]["properties"]["contact_id"]
        contact["anyOf"][0] = {"type": "string", "enum": known["contact_id"]}
    return document


async def administrator(settings: Settings, database: Database) -> str:
    """Return the key of an administrator whom no limit holds up."""
    settings.http.rate_limit_ip_per_minute = 10**9
    signer = TokenSigner(settings.secret_key or SecretStr(""), access_seconds=3600)
    identity = IdentityService(database, settings.security, signer)
    user = await identity.create_user("admin@example.com", PASSWORD, Role.ADMIN)
    owner = Principal(user.user_id, user.email, Role.ADMIN)
    _, key = await identity.create_key(owner, name="st", role=Role.ADMIN, scopes=[], rate_limit_per_minute=10**6)
    return key


async def schemathesis(file: Path, url: str, key: str, folder: Path, *, examples: int) -> None:
    """Ask what a document promises, and fail with what was not kept."""
    command = shutil.which("st", path=str(Path(sys.executable).parent))
    assert command is not None
    process = await asyncio.create_subprocess_exec(
        command,
        *("run", str(file), "--url", url, "-H", f"Authorization: Bearer {key}"),
        # A schema cannot say that a cursor was handed out, or that two rules differ: such input is valid to it.
        *("--exclude-path", "/api/v1/events"),  # it does not end
        *("--checks", "all", "--exclude-checks", "positive_data_acceptance"),
        *("--phases", "examples,coverage,fuzzing", "--seed", SEED, "--max-examples", str(examples)),
        *("--no-shrink", "--suppress-health-check", "all", "--warnings", "off", "--max-response-time", "60"),
        *os.environ.get("TASKFLOW_SCHEMATHESIS", "").split(),
        cwd=folder,
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
