"""Append-only ledgers, one JSON object a line, written by whoever saw it happen: the client, a task's body, the sink.

A line is one `write` to a file opened for appending, so many processes share a ledger and a kill -9 cuts no line.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


class Ledger:
    """The writing side."""

    def __init__(self, path: Path) -> None:
        """Open it."""
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, **facts: Any) -> None:
        """Append a line with the time."""
        os.write(self._file, orjson.dumps({"at": time.time(), **facts}) + b"\n")

    def close(self) -> None:
        """Close it."""
        os.close(self._file)


class Reading:
    """The reading side: keeps what was written since it was made, and how often each event was."""

    def __init__(self, path: Path) -> None:
        """Begin at the present end."""
        self._path = path
        self._offset = path.stat().st_size if path.exists() else 0
        self.lines: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()

    def count(self, event: str) -> int:
        """Return how many lines are about `event`."""
        self.read()
        return self._counts[event]

    def read(self) -> list[dict[str, Any]]:
        """Return every whole line up to now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                raw = file.read()
            whole = raw[: raw.rfind(b"\n") + 1]
            self._offset += len(whole)
            new = [orjson.loads(line) for line in whole.splitlines()]
            self.lines += new
            self._counts.update(line["event"] for line in new)
        return self.lines

    def of(self, event: str) -> Iterator[dict[str, Any]]:
        """Yield the lines about `event`."""
        return (line for line in self.read() if line["event"] == event)
