"""TaskFlow's processes, as tests start and kill them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

TESTS = Path(__file__).parents[1]


def free_port() -> int:
    """Return a port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(environment: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    """Start `taskflow <arguments>` in a process group of its own."""
    path = os.pathsep.join(filter(None, (str(TESTS), environment.get("PYTHONPATH"))))
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "taskflow.cli.main",
        *arguments,
        env={**environment, "PYTHONPATH": path},
        start_new_session=True,
    )


async def stop(process: asyncio.subprocess.Process, *, seconds: float = 20) -> int:
    """Ask a process to end and return its status; kill its group if it does not."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(seconds):
            return await process.wait()
    finally:
        kill_group(process)
        await process.wait()


def kill_group(process: asyncio.subprocess.Process) -> None:
    """Send SIGKILL to a process and everything it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@asynccontextmanager
async def running(environment: Mapping[str, str], *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `taskflow <arguments>` for the length of a block."""
    process = await start(environment, *arguments)
    try:
        yield process
    finally:
        with contextlib.suppress(TimeoutError):
            await stop(process)
