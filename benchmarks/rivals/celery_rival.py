"""Celery: prefork with two processes, Redis as broker and for results, settings as they come.

    celery_rival.py enqueue COUNT | work | result

Where Redis is say BENCH_BROKER_URL and BENCH_RESULTS_URL; BENCH_FOLDER takes a file per process with the time of its
first task. Every command but `work` prints one JSON object.
"""

import json
import os
import sys
import time
from datetime import datetime
from pathlib import Path

from celery import Celery
from redis import Redis

FOLDER = Path(os.environ["BENCH_FOLDER"])
BROKER = os.environ["BENCH_BROKER_URL"]
RESULTS = os.environ["BENCH_RESULTS_URL"]


def _celery_url(url: str) -> str:
    """Translate redis-py's unix:// into what Celery reads."""
    path, _, number = url.removeprefix("unix://").partition("?db=")
    return f"redis+socket://{path}?virtual_host={number}"


app = Celery("celery_rival", broker=_celery_url(BROKER), backend=_celery_url(RESULTS))
_started: list[float] = []


@app.task(name="noop")
def noop() -> None:
    """Do nothing, but the first one in a process writes down when."""
    if not _started:
        _started.append(time.time())
        (FOLDER / f"first-{os.getpid()}").write_text(str(_started[0]))


def enqueue(count: int) -> dict[str, float]:
    """Enqueue one by one: Celery has no bulk."""
    noop.delay()  # connects
    started = time.perf_counter()
    for _ in range(count - 1):
        noop.delay()
    return {"seconds": time.perf_counter() - started}


def result() -> dict[str, float]:
    """Read from the results when the last task had succeeded."""
    redis = Redis.from_url(RESULTS)
    keys = list(redis.scan_iter("celery-task-meta-*", count=1000))
    last, done = 0.0, 0
    for first in range(0, len(keys), 1000):
        for raw in redis.mget(keys[first : first + 1000]):
            meta = json.loads(raw)
            done += meta["status"] == "SUCCESS"
            last = max(last, datetime.fromisoformat(meta["date_done"]).timestamp())
    begun = min(float(file.read_text()) for file in FOLDER.glob("first-*"))
    return {"done": done, "seconds": last - begun}


def work() -> dict[str, float]:
    """Run the worker until SIGTERM."""
    app.worker_main(["worker", "--pool=prefork", "--concurrency=2", "--loglevel=WARNING"])
    return {}


COMMANDS = {"enqueue": enqueue, "work": work, "result": result}

if __name__ == "__main__":
    print(json.dumps(COMMANDS[sys.argv[1]](*map(int, sys.argv[2:]))))
