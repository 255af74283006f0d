"""PgQueuer: asyncpg, uvloop, batches of 100, its log (its history) on and durable, as it installs itself.

    pgqueuer_rival.py install | enqueue COUNT CHUNK | work | result

Where the database is says BENCH_DATABASE_URL. Every command but `work` prints one JSON object.
"""

import asyncio
import json
import os
import signal
import sys
import time

import asyncpg
import uvloop
from pgqueuer import PgQueuer
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

URL = os.environ["BENCH_DATABASE_URL"]
BATCH = 100


async def install() -> dict[str, float]:
    """Make its tables."""
    connection = await asyncpg.connect(URL)
    await Queries(AsyncpgDriver(connection)).install()
    await connection.close()
    return {}


async def enqueue(count: int, chunk: int) -> dict[str, float]:
    """Enqueue in bulk."""
    connection = await asyncpg.connect(URL)
    queries = Queries(AsyncpgDriver(connection))
    started = time.perf_counter()
    for first in range(0, count, chunk):
        n = min(chunk, count - first)
        await queries.enqueue(["noop"] * n, [None] * n, [0] * n)
    seconds = time.perf_counter() - started
    await connection.close()
    return {"seconds": seconds}


async def work() -> dict[str, float]:
    """Run one worker process until SIGTERM."""
    connection = await asyncpg.connect(URL)
    pgq = PgQueuer(AsyncpgDriver(connection))

    @pgq.entrypoint("noop")
    async def noop(_job: Job) -> None:
        pass

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, pgq.shutdown.set)
    await pgq.run(batch_size=BATCH)
    await connection.close()
    return {}


async def result() -> dict[str, float]:
    """Read from its log when the first job was picked and the last one had succeeded."""
    connection = await asyncpg.connect(URL)
    row = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE status = 'successful') AS done,"
        " extract(epoch FROM max(created) FILTER (WHERE status = 'successful')"
        " - min(created) FILTER (WHERE status = 'picked'))::float8 AS seconds FROM pgqueuer_log"
    )
    await connection.close()
    return {"done": row["done"], "seconds": row["seconds"]}


COMMANDS = {"install": install, "enqueue": enqueue, "work": work, "result": result}

if __name__ == "__main__":
    print(json.dumps(uvloop.run(COMMANDS[sys.argv[1]](*map(int, sys.argv[2:])))))
