"""A client with a ledger of its own, outside the product: what it asked for and what it was told.

Every submission carries an Idempotency-Key and is repeated under it until an answer comes. A few are impatient: after
the first unknown outcome they give up, so what they asked for may exist or not, but not twice.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from support.chaos_ledger import Ledger

BULK = 60
_UNKNOWN = frozenset({409, 429, 502, 503, 504})  # 409: the first request under the key is still under way
_PATIENCE = 60.0

KINDS = {  # of a hundred tasks
    "chaos_quick": 64,
    "chaos_tells": 30,
    "chaos_flaky": 3,
    "chaos_doomed": 2,
    "chaos_slot": 1,
}


@dataclass
class Submission:
    """One request and what became of it: `acked`, `unknown`, or `refused`."""

    key: str
    path: str
    body: dict[str, Any]
    labels: list[str]
    impatient: bool = False
    outcome: str = "unsent"
    ids: list[str] = field(default_factory=list)
    tries: int = 0
    status: int = 0


@dataclass
class Campaign:
    """A campaign that the client made."""

    run: str
    size: int
    refused: int
    campaign_id: str = ""
    addresses: set[str] = field(default_factory=set)

    @property
    def is_started(self) -> bool:
        """Whether the client was told that it runs."""
        return bool(self.campaign_id)


class Client:
    """Submits one run's work."""

    def __init__(self, base_url: str, key: str, run: str, ledger: Path, *, seed: int) -> None:
        """`run` begins every label and address of this run; 8 characters."""
        self.run = run
        self._ledger = Ledger(ledger)
        self._random = random.Random(seed)  # noqa: S311
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(15.0, connect=2.0),
            limits=httpx.Limits(max_connections=16),
        )
        self.submissions: list[Submission] = []
        self.campaign: Campaign | None = None
        self.answered = 0

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()
        self._ledger.close()

    def plan(self, tasks: int, *, singles: int = 60) -> list[Submission]:
        """Lay out submissions of `tasks` tasks: bulks, and `singles` requests of one task."""
        labels = [f"{self.run}-{number}" for number in range(tasks)]
        names = self._random.choices(list(KINDS), list(KINDS.values()), k=tasks)
        tasks_of = [self._task(name, label) for name, label in zip(names, labels, strict=True)]
        planned = [
            Submission(f"{label}", "/api/v1/tasks", task, [label])
            for label, task in zip(labels[:singles], tasks_of[:singles], strict=True)
        ]
        planned += [
            Submission(
                f"{self.run}-bulk-{start}",
                "/api/v1/tasks/bulk",
                {"tasks": tasks_of[start : start + BULK]},
                labels[start : start + BULK],
            )
            for start in range(singles, tasks, BULK)
        ]
        self._random.shuffle(planned)
        for submission in planned:
            submission.impatient = self._random.random() < 0.1
        self.submissions = planned
        return planned

    def _task(self, name: str, label: str) -> dict[str, Any]:
        task: dict[str, Any] = {"task_name": name, "args": {"label": label}, "queue": "chaos", "timeout_seconds": 60}
        task["priority"] = self._random.choice(["CRITICAL", "HIGH", "MEDIUM", "LOW"])
        if self._random.random() < 0.02:
            soon = datetime.now(UTC) + timedelta(seconds=self._random.uniform(0.2, 2.0))
            task["scheduled_at"] = soon.isoformat()
        return task

    async def submit_all(self, *, lanes: int = 3, seconds: float = 2.0) -> None:
        """Submit what was planned over about `seconds`, a few requests at a time."""
        waiting = list(self.submissions)
        pause = seconds * lanes / max(1, len(waiting))

        async def lane() -> None:
            while waiting:
                await self.submit(waiting.pop())
                await asyncio.sleep(pause)

        await asyncio.gather(*(lane() for _ in range(lanes)))

    async def submit(self, submission: Submission) -> None:
        """Submit until an answer comes."""
        give_up = time.monotonic() + _PATIENCE
        while time.monotonic() < give_up:
            submission.tries += 1
            answer = await self._post(submission.path, submission.body, submission.key)
            submission.status = answer.status_code if answer is not None else 0
            if answer is not None and answer.status_code == 201:
                made = answer.json()
                submission.ids = made["task_ids"] if "task_ids" in made else [made["task_id"]]
                submission.outcome = "acked"
                break
            if answer is not None and answer.status_code not in _UNKNOWN:
                submission.outcome = "refused"
                break
            submission.outcome = "unknown"
            if submission.impatient and submission.status != 429:
                break
            await asyncio.sleep(self._random.uniform(0.05, 0.3))
        self.answered += 1
        self._ledger.write(
            event="submitted",
            run=self.run,
            key=submission.key,
            outcome=submission.outcome,
            status=submission.status,
            tries=submission.tries,
            ids=submission.ids,
        )

    async def _post(self, path: str, body: Any, key: str | None = None) -> httpx.Response | None:
        """POST once; None when nobody can say what became of it."""
        try:
            return await self._http.post(path, json=body, headers={"Idempotency-Key": key} if key else {})
        except httpx.TransportError:
            return None

    async def ask_again(self, submission: Submission) -> tuple[int, list[str]]:
        """Repeat an acknowledged submission; return status and ids of the answer."""
        answer = await self._http.post(
            submission.path, json=submission.body, headers={"Idempotency-Key": submission.key}
        )
        made = answer.json()
        return answer.status_code, made.get("task_ids") or [made.get("task_id")]

    async def misuse(self, submission: Submission) -> int:
        """Use a submission's key for something else; return the status."""
        other = {"task_name": "chaos_quick", "args": {"label": f"{self.run}-never"}, "queue": "chaos"}
        body = other if submission.path.endswith("/tasks") else {"tasks": [other]}
        answer = await self._http.post(submission.path, json=body, headers={"Idempotency-Key": submission.key})
        return answer.status_code

    async def get(self, path: str) -> Any:
        """GET JSON, as often as it takes."""
        give_up = time.monotonic() + _PATIENCE
        while True:
            with suppress(httpx.TransportError):
                answer = await self._http.get(path)
                if answer.status_code == 200:
                    return answer.json()
            if time.monotonic() > give_up:
                raise AssertionError(f"GET {path} was not answered")
            await asyncio.sleep(0.1)

    # -- campaigns

    async def run_campaign(self, size: int, *, per_minute: int | None = None) -> Campaign:
        """Create a campaign and start it: 2 % of its addresses are refused, 2 % deferred at first."""
        words = self._random.choices(["refuse", "defer", "to"], [2, 2, 96], k=size)
        recipients = [
            {"email": f"{word}.{self.run}.{number}@example.com", "first_name": f"Zoë {number}"}
            for number, word in enumerate(words)
        ]
        campaign = Campaign(self.run, size, words.count("refuse"))
        campaign.addresses = {recipient["email"] for recipient in recipients}
        self.campaign = campaign
        body = {
            "name": self.run,
            "template_subject": "Hello {{ first_name }}",
            "template_body": "<p>Dear {{ first_name }}, <a href='{{ unsubscribe_url }}'>stop</a></p>",
            "from_email": "shop@sender.example",
            "rate_limit_per_minute": per_minute,
            "recipients": recipients,
        }
        created = await self._until("/api/v1/campaigns", body, f"{self.run}-campaign", {201})
        campaign_id = created["campaign_id"]
        await self._until(f"/api/v1/campaigns/{campaign_id}/start", None, None, {200, 409})
        campaign.campaign_id = campaign_id
        self._ledger.write(event="campaign", run=self.run, campaign_id=campaign_id, recipients=size)
        return campaign

    async def _until(self, path: str, body: Any, key: str | None, good: set[int]) -> Any:
        give_up = time.monotonic() + _PATIENCE
        while True:
            answer = await self._post(path, body, key)
            if answer is not None and answer.status_code in good and not _is_under_way(answer):
                return answer.json()
            if answer is not None and answer.status_code not in _UNKNOWN:
                raise AssertionError(f"POST {path}: {answer.status_code} {answer.text}")
            if time.monotonic() > give_up:
                raise AssertionError(f"POST {path} was not answered")
            await asyncio.sleep(0.1)

    def tasks_by_label(self) -> dict[str, str]:
        """Return the task name of each label."""
        found: dict[str, str] = {}
        for submission in self.submissions:
            bodies: Sequence[dict[str, Any]] = submission.body.get("tasks") or [submission.body]
            found.update((body["args"]["label"], body["task_name"]) for body in bodies)
        return found


def _is_under_way(answer: httpx.Response) -> bool:
    return answer.status_code == 409 and answer.json().get("code") == "idempotency_key_in_use"
