"""The mail servers of the benchmarks: processes of their own, and what they have written down."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.system import WORK, bounded, clean_environment, end, spawn


class Taken(NamedTuple):
    """A message that a sink has taken.

    `at`: seconds on the machine's monotonic clock; `algorithm`: of its DKIM signature, or `-`.
    """

    recipient: str
    message_id: str
    at: float
    algorithm: str


@dataclass
class Sink:
    """A running sink. What it has taken, and with what it was in trouble, is complete once it has ended."""

    port: int
    pid: int
    _record: Path
    _troubles: Path

    @classmethod
    @asynccontextmanager
    async def running(
        cls, name: str = "sent", *, record: bool = True, troubles: Mapping[str, object] | None = None
    ) -> AsyncIterator["Sink"]:
        """Start one, end it. `troubles`: the options of `troubled_sink.py`, which then runs instead of the fast one."""
        record_at, troubles_at = (WORK / f"{name}.{what}" for what in ("log", "troubles"))
        for path in (record_at, troubles_at):
            path.unlink(missing_ok=True)
        program: list[str | Path] = [sys.executable, "-m", "benchmarks.smtp_sink"]
        if troubles is not None:
            program[2] = "benchmarks.troubled_sink"
            program += ["--troubles", troubles_at]
            program += [f"--{option.replace('_', '-')}={value}" for option, value in troubles.items()]
        process = await spawn(
            [*program, *(("--record", record_at) if record else ())],
            clean_environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            assert process.stdout is not None
            async with bounded(20, "the sink"):
                line = await process.stdout.readline()
            yield cls(int(line.rpartition(b":")[2]), process.pid, record_at, troubles_at)
        finally:
            await end(process)

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment in which TaskFlow sends to it."""
        return {
            "TASKFLOW_SMTP_HOST": "127.0.0.1",
            "TASKFLOW_SMTP_PORT": str(self.port),
            "TASKFLOW_SMTP_SECURITY": "none",
        }

    def provider(self, name: str) -> dict[str, Any]:
        """Return it as a row of `providers`: one of equals."""
        settings = {"host": "127.0.0.1", "port": self.port, "security": "none"}
        return {"name": name, "kind": "smtp", "priority": 1, "settings": settings}

    def taken(self) -> list[Taken]:
        """Return what it took."""
        lines = (line.split() for line in self._record.read_text().splitlines())
        return [Taken(recipient, message_id, float(at), algorithm) for recipient, message_id, at, algorithm in lines]

    def troubles(self) -> list[tuple[str, str]]:
        """Return what went wrong, and with which Message-ID (`-`: with none)."""
        if not self._troubles.exists():
            return []
        lines = (line.split() for line in self._troubles.read_text().splitlines())
        return [(what, message_id) for what, message_id in lines]
