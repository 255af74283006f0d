"""Encryption at rest: what opens, and where."""

from collections.abc import Mapping
from typing import Any

import pytest

from taskflow.base.errors import ConfigurationError
from taskflow.base.ids import uuid7
from taskflow.engine import Call, PayloadEncryption, Request
from taskflow.engine.middleware.encryption import Place
from taskflow.engine.requests import TaskRow, prepare
from taskflow.engine.sealed import SealedError
from taskflow.engine.store import Lease

KEYS = {"k": bytes(range(32))}


def call_of(row: TaskRow, **changes: Any) -> Call:
    lease = Lease(
        row.task_id, 1, row.task_name, row.queue, 5, 0, 0, 300, 0, None, row.args, row.kwargs, row.payload_version
    )._replace(**changes)
    return Call(lease, lease.args, lease.kwargs, returned=lease.returned)


@pytest.mark.parametrize(
    "moved",
    [
        {"task_name": "refund"},
        {"place": "error"},
        {"task_id": uuid7()},
        {"task_id": None},
    ],
    ids=lambda moved: next(iter(moved)),
)
def test_a_result_opens_only_where_it_was_sealed(moved: Mapping[str, Any]) -> None:
    seals = PayloadEncryption(KEYS, current="k")
    here: dict[str, Any] = {"task_name": "charge", "place": "result", "task_id": uuid7()}
    stored = seals.seal({"amount": 3}, **here)
    assert seals.open(stored, **here) == {"amount": 3}
    with pytest.raises(SealedError, match="sealed for something else"):
        seals.open(stored, **{**here, **moved})


@pytest.mark.parametrize("place", ["result", "error", "stack"])
def test_arguments_are_no_result_of_their_own_task(place: Place) -> None:
    seals = PayloadEncryption(KEYS, current="k")
    with pytest.raises(SealedError):
        seals.open(seals.seal({}, "charge", "arguments"), "charge", place, uuid7())


@pytest.mark.parametrize("kwargs", [{"amount": 3}, None])
async def test_where_it_is_required_nothing_runs_on_arguments_that_were_never_sealed(
    kwargs: dict[str, Any] | None,
) -> None:
    with pytest.raises(ConfigurationError, match="`required` needs `tasks`"):
        PayloadEncryption(KEYS, current="k", required=True)
    strict = PayloadEncryption(KEYS, current="k", tasks=["charge"], required=True)
    plain = prepare(Request("charge", kwargs=kwargs))
    with pytest.raises(SealedError, match="never sealed"):
        await strict.before_run(call_of(plain))
    await PayloadEncryption(KEYS, current="k").before_run(call_of(plain))
    await strict.before_run(call_of(prepare(Request("another", kwargs=kwargs))))
    call = call_of(await strict.before_enqueue(plain))
    await strict.before_run(call)
    assert call.kwargs == kwargs
