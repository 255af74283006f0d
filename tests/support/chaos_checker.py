"""The checker: compares the ledgers kept outside the product with PostgreSQL, Redis and the API, after the healing.

The invariants are those of docs/explanation/reliability.md. `check` returns every violation as a sentence that begins
with the invariant's name, so that a test can also say which one it wants to see broken.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from support.chaos_client import Client, Submission
from support.chaos_faults import Fired
from support.chaos_ledger import Reading
from support.chaos_system import CONNECTIONS, WINDOW, System

TERMINAL = frozenset({"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT"})
RECIPIENT_TERMINAL = frozenset({"SENT", "FAILED", "UNCERTAIN", "SUPPRESSED", "CANCELLED", "BOUNCED", "UNSUBSCRIBED"})
COUNTED = ("sent", "failed", "deferred", "uncertain", "suppressed", "cancelled")
CRASH_LIMIT = 3
_MOVES = (
    "SELECT *, extract(epoch FROM at)::float8 AS moment FROM witness_recipients WHERE campaign_id = $1 ORDER BY seq"
)
_SUMS = f"""SELECT {", ".join(f"coalesce(sum({name}), 0)::int AS {name}" for name in COUNTED)}
            FROM campaign_counters WHERE campaign_id = $1"""  # noqa: S608 - fixed names
_UNDER_WAY = 1.0  # seconds; PostgreSQL finishes the statement that it had when its sender died, late on a busy machine
_CLOCK = 0.002  # seconds; one machine, but a ledger's line and PostgreSQL's now() are two reads of its clock

Row = asyncpg.Record


class Checker:
    """Looks at one run."""

    def __init__(self, system: System, client: Client) -> None:
        """Keep the ledgers from here on: make it before the run begins."""
        self._system = system
        self._client = client
        self._fired = Fired("nothing", 0.0, "")
        self.bodies = system.bodies()
        self.sink = system.sink()

    async def drained(self, *, seconds: float = 90) -> float:
        """Wait until everything that was accepted has ended; return how long that took.

        Raises:
            AssertionError: it has not, within `seconds` (I1).
        """
        started = time.monotonic()
        connection = await self._system.connect()
        try:
            while True:
                left = await connection.fetch(
                    "SELECT status, dispatch_key, count(*) FROM tasks WHERE completed_at IS NULL GROUP BY 1, 2"
                )
                campaign = self._client.campaign
                open_campaign = (
                    campaign
                    and campaign.campaign_id
                    and await connection.fetchval(
                        "SELECT status FROM campaigns WHERE campaign_id = $1 AND status <> 'COMPLETED'",
                        UUID(campaign.campaign_id),
                    )
                )
                if not left and not open_campaign:
                    return time.monotonic() - started
                if time.monotonic() - started > seconds:
                    where = [tuple(row) for row in left]
                    raise AssertionError(f"I1: not drained in {seconds} s: {where}, campaign {open_campaign}")
                await asyncio.sleep(0.1)
        finally:
            await connection.close()

    async def check(self, fired: Fired | None = None) -> list[str]:
        """Return what is wrong. `fired`: what was done to the system meanwhile."""
        self._fired = fired or self._fired
        connection = await self._system.connect()
        try:
            wrong = [sentence async for sentence in self._tasks(connection)]
            wrong += [sentence async for sentence in self._campaign(connection)]
            wrong += await self._quiet(connection)
        finally:
            await connection.close()
        return wrong

    async def uncertain(self) -> int:
        """Return how many recipients of the campaign are UNCERTAIN."""
        assert self._client.campaign is not None
        connection = await self._system.connect()
        try:
            return int(
                await connection.fetchval(
                    "SELECT count(*) FROM email_recipients WHERE campaign_id = $1 AND status = 'UNCERTAIN'",
                    UUID(self._client.campaign.campaign_id),
                )
            )
        finally:
            await connection.close()

    # -- tasks

    async def _tasks(self, connection: Any) -> Any:
        rows = await connection.fetch(
            "SELECT *, task_kwargs ->> 'label' AS label, extract(epoch FROM completed_at)::float8 AS ended_at "
            "FROM tasks WHERE task_kwargs ->> 'label' LIKE $1 || '-%'",
            self._client.run,
        )
        for sentence in self._against_the_client(rows):
            yield sentence
        ids = [row["task_id"] for row in rows]

        async def of_these(statement: str) -> list[Row]:
            return list(await connection.fetch(f"{statement} WHERE task_id = ANY($1)", ids))

        executions, ends = defaultdict(list), defaultdict(list)
        for row in await of_these("SELECT * FROM task_executions"):
            executions[row["task_id"]].append(row)
        for row in await of_these("SELECT * FROM witness_tasks"):
            ends[row["task_id"]].append(row)
        results = {row[0]: row[1] for row in await of_these("SELECT task_id, result_data FROM task_results")}
        letters = Counter(row[0] for row in await of_these("SELECT task_id FROM dead_letter_queue"))
        bodies = _Bodies(self.bodies)
        for row in rows:
            task_id = row["task_id"]
            for sentence in _task(row, executions[task_id], ends[task_id], letters[task_id]):
                yield sentence
            for sentence in bodies.check(row, results.get(task_id)):
                yield sentence

    def _against_the_client(self, rows: Sequence[Row]) -> Iterator[str]:
        """Lost, unexpected, doubled: Jepsen's total queue."""
        found = Counter(row["label"] for row in rows)
        by_id = {str(row["task_id"]): row for row in rows}
        for submission in self._client.submissions:
            yield from _submission(submission, by_id, found)
        names = self._client.tasks_by_label()
        for label, count in found.items():
            if count > 1:
                yield f"I3: {label} exists {count} times"
            if label not in names:
                yield f"I2: nobody asked for {label}"
        for row in rows:
            expected = "FAILED" if row["task_name"] == "chaos_doomed" else "COMPLETED"
            if row["status"] != expected:
                yield f"I1: {row['label']} ({row['task_name']}) is {row['status']} after {row['crash_count']} crashes"

    # -- the campaign

    async def _campaign(self, connection: Any) -> Any:
        campaign = self._client.campaign
        if campaign is None:
            return
        campaign_id = UUID(campaign.campaign_id)
        rows = await connection.fetch("SELECT * FROM email_recipients WHERE campaign_id = $1", campaign_id)
        moves = defaultdict(list)
        for row in await connection.fetch(_MOVES, campaign_id):
            moves[row["email"]].append(row)
        mails = defaultdict(list)
        for line in self.sink.of("accepted"):
            if line["rcpt"].split(".")[1] == campaign.run:
                mails[line["rcpt"]].append(line)
        for address in {row["email"] for row in rows} ^ campaign.addresses:
            yield f"I1: {address} is not on both lists"
        for address in mails.keys() - campaign.addresses:
            yield f"I2: a mail to {address}, whom nobody named"
        for row in rows:
            for sentence in _recipient(row, mails[row["email"]], moves[row["email"]], self._fired):
                yield sentence
        counts = Counter(row["status"] for row in rows)
        # Every lane of a lost sender may have had one window on the wire: the commit that begins one ends the last.
        most = self._fired.senders * CONNECTIONS * WINDOW
        if counts["UNCERTAIN"] > most:
            yield f"I6: {counts['UNCERTAIN']} uncertain; no more than {most} can have been in flight"
        async for sentence in self._counters(connection, campaign_id, counts):
            yield sentence

    async def _counters(self, connection: Any, campaign_id: UUID, counts: Counter[str]) -> Any:
        rows = {name: counts[name.upper()] for name in COUNTED}
        total = sum(counts.values())
        sums = dict(await connection.fetchrow(_SUMS, campaign_id))
        if sums != rows:
            yield f"I7: campaign_counters say {sums}, the rows {rows}"
        head = await connection.fetchrow("SELECT * FROM campaigns WHERE campaign_id = $1", campaign_id)
        said = (head["sent_count"], head["failed_count"], head["total_recipients"])
        if said != (rows["sent"], rows["failed"], total):
            yield f"I7: the campaign says {said}, the rows {rows}"
        shown = (await self._client.get(f"/api/v1/campaigns/{campaign_id}"))["progress"]
        if {name: shown[name] for name in COUNTED} != rows:
            yield f"I7: the API shows {shown}, the rows {rows}"
        told = await self._told(campaign_id, {**rows, "total": total})
        if told != {**rows, "total": total}:
            was_over = head["completed_at"].timestamp() < self._fired.at
            if told or not (self._fired.redis_lost and was_over):  # Redis keeps no history
                yield f"I7: Redis shows {told}, the rows {rows}"

    async def _told(self, campaign_id: UUID, wanted: dict[str, int]) -> dict[str, int]:
        """Return the progress in Redis once it is as wanted; the duty writes it within a second."""
        told: dict[str, int] = {}
        for _ in range(30):
            raw = self._system.redis().hgetall(f"campaign:{campaign_id}:progress")
            told = {name.decode(): int(float(value)) for name, value in raw.items() if name.decode() in wanted}
            if told == wanted:
                break
            await asyncio.sleep(0.1)
        return told

    # -- the whole, at rest

    async def _quiet(self, connection: Any) -> list[str]:
        """Nothing is left over anywhere: queues, leases, journal, SENDING rows."""
        left: list[str] = []
        for _ in range(150):  # leases in Redis run out, the journal is tidied
            redis = self._system.redis()
            waiting = {key: redis.zcard(key) for key in redis.scan_iter("task:queue:*")}
            running = {key: redis.zcard(key) for key in redis.scan_iter("task:running:*")}
            claims = await connection.fetchval("SELECT count(*) FROM task_claims")
            left = [
                f"I7: {what} left over: {n}"
                for what, n in (*waiting.items(), *running.items(), ("claims", claims))
                if n
            ]
            if not left:
                break
            await asyncio.sleep(0.1)
        return left + await self._shown()

    async def _shown(self) -> list[str]:
        """Return what /stats still shows once it has had the time to be counted anew: every two seconds."""
        shown: list[str] = []
        for _ in range(20):
            queues = (await self._client.get("/api/v1/stats"))["tasks"]["queues"]
            shown = [f"I7: /stats shows {queue}" for queue in queues if queue["running"] or queue["ready"]]
            if not shown:
                break
            await asyncio.sleep(0.5)
        return shown


class _Bodies:
    """What task bodies wrote while they ran."""

    def __init__(self, ledger: Reading) -> None:
        self._starts: Counter[tuple[str, int]] = Counter()
        self._ends: dict[tuple[str, int], float] = {}
        for line in ledger.read():
            attempt = (line["task_id"], line["epoch"])
            if line["event"] == "start":
                self._starts[attempt] += 1
            else:
                self._ends[attempt] = line["at"]

    def check(self, row: Row, result: Any) -> Iterator[str]:
        """The attempt that ended the task is the one that held its lease, and it had returned."""
        attempt = (str(row["task_id"]), row["lease_epoch"])
        if self._starts[attempt] > 1:
            yield f"I4: {row['label']} began {self._starts[attempt]} times under epoch {row['lease_epoch']}"
        if row["status"] != "COMPLETED":
            return
        if attempt not in self._ends:
            yield f"I4: {row['label']} is COMPLETED under epoch {row['lease_epoch']}, whose body has not returned"
        elif self._ends[attempt] > row["ended_at"] + _CLOCK:
            yield f"I4: {row['label']} was COMPLETED before the body of its epoch returned"
        if result is not None and result["epoch"] != row["lease_epoch"]:
            yield f"I4: {row['label']} keeps the result of epoch {result['epoch']}, its lease is {row['lease_epoch']}"


def _task(row: Row, executions: Sequence[Row], ends: Sequence[Row], letters: int) -> Iterator[str]:
    label = row["label"]
    if len(ends) != 1 or ends[0]["became"] != row["status"] or ends[0]["epoch"] != row["lease_epoch"]:
        history = [(end["was"], end["became"], end["epoch"], end["by"]) for end in ends]
        yield f"I4: {label} is {row['status']} under epoch {row['lease_epoch']} by {history}"
    final = [e for e in executions if e["status"] in TERMINAL and e["lease_epoch"] == row["lease_epoch"]]
    if len(final) != 1 or final[0]["status"] != row["status"]:
        yield f"I4: {label} has {[(e['status'], e['lease_epoch']) for e in executions]} as its history"
    good = sum(e["status"] == "COMPLETED" for e in executions)
    if good != (row["status"] == "COMPLETED"):
        yield f"I4: {label} completed {good} times"
    if len(executions) > row["max_retries"] + 1 + CRASH_LIMIT:
        yield f"I5: {label} took {len(executions)} attempts"
    if letters != (row["status"] == "FAILED"):
        yield f"I1: {label} is {row['status']} with {letters} dead letters"


def _submission(submission: Submission, by_id: dict[str, Row], found: Counter[str]) -> Iterator[str]:
    if submission.outcome == "refused":
        yield f"I3: {submission.key} was refused with {submission.status}"
    if submission.outcome == "unknown" and not submission.impatient:
        yield f"I3: {submission.key} got no answer in {submission.tries} tries (last {submission.status})"
    if submission.outcome != "acked":
        if len({found[label] for label in submission.labels}) > 1:
            yield f"I3: half of {submission.key} exists"
        return
    for label, task_id in zip(submission.labels, submission.ids, strict=True):
        if task_id not in by_id:
            yield f"I1: {label} was acknowledged as {task_id} and is lost"
        elif by_id[task_id]["label"] != label:
            yield f"I3: {task_id} is {by_id[task_id]['label']}, not {label}"


def _recipient(row: Row, mails: Sequence[dict[str, Any]], moves: Sequence[Row], fired: Fired) -> Iterator[str]:
    address, status = row["email"], row["status"]
    good = ("FAILED",) if address.startswith("refuse") else ("SENT",)
    if status not in (*good, "UNCERTAIN"):
        yield f"I1: {address} is {status}"
    least, most = {"SENT": (1, 1), "UNCERTAIN": (0, 1)}.get(status, (0, 0))
    if not least <= len(mails) <= most:
        yield f"I6: {address} is {status} and got {len(mails)} mails"
    if len({mail["message_id"] for mail in mails}) > 1:
        yield f"I6: {address} got mails with different Message-IDs"
    ends = [move for move in moves if move["became"] in RECIPIENT_TERMINAL]
    if len(ends) != 1:
        yield f"I4: {address} ended {[(move['was'], move['became']) for move in ends]}"
    if status == "UNCERTAIN":
        begun = [move["moment"] for move in moves if move["became"] == "SENDING"]
        last = fired.until + _UNDER_WAY
        in_flight = ends and ends[-1]["was"] == "SENDING" and begun[-1] <= last and ends[-1]["moment"] >= fired.at
        if not fired.senders or not in_flight:
            why = row["error_message"]
            yield f"I6: {address} is uncertain, but was not in flight when a sender was lost: {begun}, {why}"
