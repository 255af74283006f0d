"""The API process, and a caller that has a key for it."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import orjson

from benchmarks.people import EXAMPLE
from benchmarks.system import System, until
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin

_READY_SECONDS = 60.0
_UPLOAD_SECONDS = 600.0
_CAMPAIGN_SECONDS = 600.0
_GLANCE = 0.2  # the API answers 1,000 times a minute
_LOOK = 1.0


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Gateway:
    """The API of a system, spoken to over HTTP."""

    def __init__(self, pid: int, http: httpx.AsyncClient) -> None:
        """Use `open`."""
        self.pid = pid
        self._http = http

    @classmethod
    @asynccontextmanager
    async def open(cls, system: System) -> AsyncIterator["Gateway"]:
        """Start an API process and wait until it is ready."""
        port = free_port()
        await ensure_first_admin(system.database, system.settings)
        key = (await ensure_cli_key(system.database, system.settings)).read_text(encoding="ascii").strip()
        pid = await system.start("api", "--no-first-admin", "--port", str(port))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=30
        ) as http:
            await until(lambda: _answers(http), _READY_SECONDS, "the API")
            yield cls(pid, http)

    async def upload(self, recipients: Path) -> dict[str, Any]:
        """Create the campaign of examples/black-friday (HTML of 10 KB), without a rate limit, from a CSV file."""
        fields = orjson.loads((EXAMPLE / "campaign.json").read_bytes())
        fields["template_subject"] = (EXAMPLE / "subject.txt").read_text(encoding="utf-8").strip()
        fields["template_body"] = (EXAMPLE / "template.html").read_text(encoding="utf-8")
        form = {
            name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in fields.items()
        }
        with recipients.open("rb") as file:
            answer = await self._http.post(
                "/api/v1/campaigns",
                data=form,
                files={"recipients": (recipients.name, file, "text/csv")},
                timeout=_UPLOAD_SECONDS,
            )
        return _json(answer)

    async def import_contacts(self, people: Path, fields: dict[str, Any]) -> dict[str, Any]:
        """Upload a file of contacts and return the import that was made of it."""
        form = {
            name: value if isinstance(value, str) else orjson.dumps(value).decode() for name, value in fields.items()
        }
        with people.open("rb") as file:
            answer = await self._http.post(
                "/api/v1/contacts/imports",
                data=form,
                files={"file": (people.name, file, "text/csv")},
                timeout=_UPLOAD_SECONDS,
            )
        return _json(answer)

    async def sent(self, campaign_id: str, count: int) -> None:
        """Wait until a campaign has sent so many mails."""

        async def enough() -> bool:
            return bool((await self.get(f"/campaigns/{campaign_id}"))["sent_count"] >= count)

        await until(enough, _CAMPAIGN_SECONDS, f"{count} mails of the campaign", every=_GLANCE)

    async def completed(self, campaign_id: str) -> dict[str, Any]:
        """Wait until a campaign is completed, and return it."""

        async def is_completed() -> bool:
            return bool((await self.get(f"/campaigns/{campaign_id}"))["status"] == "COMPLETED")

        await until(is_completed, _CAMPAIGN_SECONDS, "the campaign", every=_LOOK)
        return await self.get(f"/campaigns/{campaign_id}")

    async def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """POST."""
        return _json(await self._http.post(f"/api/v1{path}", json=body))

    async def get(self, path: str) -> dict[str, Any]:
        """GET."""
        return _json(await self._http.get(f"/api/v1{path}"))


def _json(answer: httpx.Response) -> dict[str, Any]:
    assert answer.is_success, f"{answer.request.method} {answer.request.url.path}: {answer.text[:500]}"
    found: dict[str, Any] = answer.json()
    return found


async def _answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/ready")).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
