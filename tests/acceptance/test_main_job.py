"""The main job with 2,000 recipients through real processes: API, coordinator, worker node, sandbox inbox."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.waiting import eventually
from taskflow.cli.campaign import upload
from taskflow.cli.client import Client
from taskflow.embedded.supervisor import AllInOne
from taskflow.identity.first_start import CLI_KEY_FILE
from taskflow.settings import Settings

RECIPIENTS = 2_000
REFUSED = 12
GREYLISTED = 20
DEFERRALS = 2  # of each greylisted address
FIELDS: dict[str, Any] = {
    "name": "Main job",
    "template_subject": "Für {{ first_name }}",
    "template_body": "<p>Dear {{ first_name }}, <a href='{{ unsubscribe_url }}'>stop</a></p>",
    "from_email": "shop@sender.example.com",
    "rate_limit_per_minute": None,
}
RULES = [
    {"pattern": "*@refused.example.com", "action": "reject", "times": None},
    {"pattern": "*@greylist.example.com", "action": "defer", "times": DEFERRALS},
]


def domain(number: int) -> str:
    """Return where a made-up person lives."""
    if number <= REFUSED:
        return "refused.example.com"
    return "greylist.example.com" if number <= REFUSED + GREYLISTED else "mail.example.com"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A file of 2,000 people, one of them twice, and a row that is no good."""
    rows = [f"p{number}@{domain(number)},Zoë {number}" for number in range(1, RECIPIENTS + 1)]
    file = tmp_path / "people.csv"
    bad = [f"P50@{domain(50)},again", "nobody,Bob"]
    file.write_text("\n".join(["email,first_name", *rows, *bad, ""]), encoding="utf-8")
    return file


@pytest.fixture
async def system(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AllInOne]:
    """The whole system on this test's database and Redis."""
    monkeypatch.setenv("TASKFLOW_LOG_LEVEL", "WARNING")
    async with AllInOne(settings, show_logs=False).running() as running:
        yield running


@pytest.fixture
def client(system: AllInOne) -> Iterator[Client]:
    """A caller with the key that the supervisor left in the home."""
    key = (system.home.path / CLI_KEY_FILE).read_text(encoding="ascii").strip()
    with httpx.Client(base_url=system.url, timeout=60, trust_env=False) as http:
        yield Client(system.url, key, http)


async def test_two_thousand_people_get_one_mail_each(client: Client, people: Path) -> None:
    await asyncio.to_thread(client.request, "PUT", "/inbox/rules", json=RULES)
    campaign = await asyncio.to_thread(upload, client, FIELDS, people)
    report = campaign["import"]
    assert (report["accepted"], report["rejected"], report["duplicates"]) == (RECIPIENTS, 1, 1)
    path = f"/campaigns/{campaign['campaign_id']}"
    await asyncio.to_thread(client.post, f"{path}/start")

    async def over() -> dict[str, Any] | None:
        found: dict[str, Any] = await asyncio.to_thread(client.get, path)
        return found if found["completed_at"] else None

    ended = await eventually(over, seconds=240, every=0.5, what="the end of the campaign")
    assert (ended["status"], ended["outcome"]) == ("COMPLETED", "partial")
    assert ended["summary"] == f"{RECIPIENTS - REFUSED:,} sent, {REFUSED} failed"

    rows = await asyncio.to_thread(lambda: list(client.pages(f"{path}/recipients")))
    inbox = Counter(await asyncio.to_thread(lambda: [mail["rcpt_to"] for mail in client.pages("/inbox")]))
    sent = {row["email"] for row in rows if row["status"] == "SENT"}
    assert inbox == dict.fromkeys(sent, 1)
    assert {row["email"] for row in rows if row["status"] == "FAILED"} == {
        f"p{number}@{domain(number)}" for number in range(1, REFUSED + 1)
    }
    assert sum(row["attempt"] - 1 for row in rows) == GREYLISTED * DEFERRALS
