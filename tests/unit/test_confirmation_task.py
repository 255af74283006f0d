"""The task of a confirmation mail: what costs it an attempt, and what does not."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest

from taskflow.engine import Batch, BatchItem
from taskflow.engine.retry import NoRetry
from taskflow.engine.store import Lease, Outcome
from taskflow.tracking.opt_in import tasks
from taskflow.tracking.opt_in.mailer import NotAttemptedError, NotTakenError


class Mailer:
    """Does what it is told."""

    def __init__(self, says: str | Exception) -> None:
        self.says = says
        self.sent: list[UUID] = []

    async def send(self, request_id: UUID) -> str:
        self.sent.append(request_id)
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@pytest.mark.parametrize(
    ("says", "status", "retries", "delay"),
    [
        ("250 ok", "COMPLETED", 0, None),
        (NotAttemptedError("Connect: refused.", 7.0), "SCHEDULED", 0, 7.0),
        (NotTakenError("451 try later"), "SCHEDULED", 1, 30.0),
        (NoRetry("550 no"), "FAILED", 0, None),
    ],
)
async def test_only_what_a_server_was_asked_costs_an_attempt(
    monkeypatch: pytest.MonkeyPatch, says: str | Exception, status: str, retries: int, delay: float | None
) -> None:
    mailer, request_id, ends = Mailer(says), uuid4(), list[Outcome]()

    async def resource(_opens: Any) -> Mailer:
        return mailer

    monkeypatch.setattr(tasks, "worker_context", lambda: SimpleNamespace(resource=resource))
    kwargs = {"request_id": str(request_id)}
    lease = Lease(uuid4(), 1, "send_confirmation", "messages", 8, 1, 8, 300, 0, None, None, kwargs)
    await tasks.send_confirmation.function(Batch([BatchItem(lease, 0.0)], ends.append, 60.0))
    [end] = ends
    assert mailer.sent == [request_id]
    assert (end.status, end.retries) == (status, retries)
    assert end.delay == delay
