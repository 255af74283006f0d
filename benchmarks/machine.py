"""Facts about the machine and the versions, printed with every result."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from benchmarks.rival import RIVALS, version_of
from benchmarks.system import ROOT, Servers


async def facts(servers: Servers) -> dict[str, str]:
    """Return what somebody needs to judge or repeat a figure."""
    connection = await asyncpg.connect(servers.database_url)
    try:
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers")
        postgresql = {name: await connection.fetchval(f"SHOW {name}") for name in names}
    finally:
        await connection.close()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "processor": f"{os.cpu_count()}x {_processor()}",
        "memory": f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1024**3:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgresql": ", ".join(
            [postgresql.pop("server_version"), *(f"{name} {value}" for name, value in postgresql.items())]
        ),
        "valkey": servers.redis_version(),
        **{rival: version_of(rival) for rival in RIVALS},
        "load before": f"{os.getloadavg()[0]:.2f}",
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"
