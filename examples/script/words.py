"""A plain script: count the words of files, one task a file, and wait for all of them. No event loop here.

To run it, in this folder:

    TASKFLOW_WORKER_IMPORTS='["words"]' taskflow up          # in one terminal
    python words.py ../README.md ../../CHANGELOG.md          # in another
"""

import sys
from pathlib import Path

from taskflow.engine import task
from taskflow.engine.remote import SyncTaskFlow


@task(queue="words", timeout=60)
def count_words(path: str) -> int:
    """Count the words of a file; a worker does this."""
    return len(Path(path).read_text(encoding="utf-8").split())


def main(paths: list[str]) -> None:
    """Enqueue a task for each file and print what comes back."""
    with SyncTaskFlow() as taskflow:
        calls = [{"path": str(Path(path).resolve())} for path in paths]
        handles = taskflow.enqueue_many(count_words, calls)
        for path, handle in zip(paths, handles, strict=True):
            print(f"{handle.result(timeout=60):>8,}  {path}")


if __name__ == "__main__":
    main(sys.argv[1:])
