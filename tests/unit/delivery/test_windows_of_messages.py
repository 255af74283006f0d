"""How much of what is to be sent is in memory at a time."""

from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest

from taskflow.delivery.messages import sender as module
from taskflow.delivery.messages.composer import Composed
from taskflow.delivery.messages.ledger import MessageLedger
from taskflow.delivery.messages.models import Letter, StoredSubmission
from taskflow.delivery.messages.sender import MessageSender


async def test_a_large_mail_is_read_when_those_before_it_are_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WINDOW_BYTES", 100)
    read: list[UUID] = []

    class Pool:
        async def fetchrow(self, _: str, submission_id: UUID) -> dict[str, Any]:
            read.append(submission_id)
            return {"raw": b"x" * 40, "files": None}

    class Composer:
        async def size_of(self, submission: StoredSubmission) -> int:
            return submission.raw_bytes or 0

        async def compose(self, submission: StoredSubmission, rows: list[Any]) -> list[Composed]:
            return [Composed(cast("Any", None), submission.raw or b"", None) for _ in rows]

    ledger = MessageLedger(cast("Any", Pool()), cast("Any", None), {})
    composers = cast("Any", {"email": Composer()})
    sender = MessageSender(ledger, composers, cast("Any", None), cast("Any", None), lease_seconds=1.0)
    submissions = {
        UUID(int=n): StoredSubmission(UUID(int=n), "email", None, None, "full", Letter("a@b.example"), 40)
        for n in range(5)
    }
    waiting = [(SimpleNamespace(), SimpleNamespace(submission_id=one)) for one in submissions]
    ahead = []
    out = 0
    async for window in sender._windows(cast("Any", None), cast("Any", waiting), submissions):
        ahead.append(len(read) - out)
        out += len(window)
    assert ahead == [2, 2, 1], "two of forty bytes are what fits into a hundred"
    assert read == list(submissions)
