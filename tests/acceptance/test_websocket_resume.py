"""A browser whose connection is cut again and again still ends up with what PostgreSQL says."""

import asyncio
import socket
from collections import Counter
from contextlib import AsyncExitStack

import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from support.processes import running
from support.sample_tasks import noop
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin
from taskflow.settings import Settings

TASKS = 5_000
CUTS = 50


class Browser:
    """A client that keeps its cursor over connections, and what it was told of completions."""

    def __init__(self, url: str, key: str) -> None:
        """Connect to `url` with an API key."""
        self._url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self.cursor: str | None = None
        self.told: Counter[str] = Counter()
        self.cuts = 0
        self.resyncs = 0
        self.subscribed = asyncio.Event()

    async def run(self) -> None:
        """Listen; cut the connection each time another share of the tasks has been heard of."""
        while True:
            try:
                async with connect(self._url, additional_headers=self._headers, max_size=None) as connection:
                    await self._listen(connection)
            except (ConnectionClosed, OSError):
                await asyncio.sleep(0.01)

    async def _listen(self, connection: ClientConnection) -> None:
        command = {"op": "subscribe", "topics": ["tasks"], "cursor": self.cursor}
        await connection.send(orjson.dumps(command).decode())
        async for raw in connection:
            message = orjson.loads(raw)
            if "cursor" in message:
                self.cursor = message["cursor"]
            if message["type"] == "subscribed":
                self.subscribed.set()
            self.resyncs += message["type"] == "resync"
            for event in message.get("events", ()):
                if event["data"].get("status") == "COMPLETED":
                    self.told[event["data"]["task_id"]] += 1
            if self.cuts < CUTS and len(self.told) >= (self.cuts + 1) * TASKS // (CUTS + 1):
                self.cuts += 1
                connection.transport.abort()  # no close frame: the line is cut, with whatever was on it
                return


async def test_a_client_that_is_cut_fifty_times_hears_of_every_completion(
    environment: dict[str, str], settings: Settings, database: Database, broker: RedisBroker
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.home.mkdir(parents=True, exist_ok=True)
    await ensure_first_admin(database, settings)
    key = (await ensure_cli_key(database, settings)).read_text().strip()
    environment |= {"TASKFLOW_HTTP_PORT": str(port), "TASKFLOW_HTTP_RATE_LIMIT_IP_PER_MINUTE": "100000"}
    browser = Browser(f"ws://127.0.0.1:{port}/api/v1/ws", key)
    async with AsyncExitStack() as stack:
        for command in ("coordinator", "worker", "api"):
            await stack.enter_async_context(running(environment, command))
        listening = asyncio.create_task(browser.run())
        try:
            async with asyncio.timeout(60):
                await browser.subscribed.wait()
            # A portion follows upon each cut: its tasks end while the line is down.
            for portion in range(CUTS):
                await Engine(database, broker).enqueue_many(noop, [{} for _ in range(TASKS // CUTS)])
                await eventually(lambda due=portion + 1: browser.cuts >= due, seconds=30, what="the next cut")

            async def all_told() -> bool:
                return len(browser.told) >= TASKS

            await eventually(all_told, seconds=90, what="every completion was told")
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    rows = await database.pool.fetch("SELECT task_id::text FROM tasks WHERE status = 'COMPLETED'")
    assert browser.cuts == CUTS
    assert browser.resyncs == 0
    assert set(browser.told) == {row[0] for row in rows}
    assert max(browser.told.values()) == 1, "a completion was told twice although the cursor had passed it"
