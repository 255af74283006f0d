"""Reading the ledger while PostgreSQL is away for a moment."""

from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.campaigns.ledger import Ledger, Row


@pytest.mark.parametrize("name", ["read", "campaign_state", "requeued"])
async def test_what_a_sender_asks_is_asked_again(name: str) -> None:
    recipient = uuid4()
    row = Row(recipient, "FAILED", 1, 1, "a@example.com", {}, None, None)
    cut = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
    pool = AsyncMock()
    pool.fetch.side_effect = [cut, [row]]
    pool.fetchrow.side_effect = [cut, ("RUNNING", "hold")]
    ledger = Ledger(cast("Any", pool), erasure=ErasureKey(SecretStr("a key")))
    asked: dict[str, Any] = {
        "read": lambda: ledger.read(uuid4(), [recipient]),
        "campaign_state": lambda: ledger.campaign_state(uuid4()),
        "requeued": lambda: ledger.requeued([row]),
    }
    expected = {"read": {recipient: row}, "campaign_state": ("RUNNING", "hold"), "requeued": {recipient}}
    assert await asked[name]() == expected[name]
