"""What tests of messages share: calls made of a few values, and a look at the ledger."""

from typing import Any
from uuid import UUID

import httpx

from taskflow.db.pool import Database

PATH = "/api/v1/messages"


def call(*to: Any, **changes: Any) -> dict[str, Any]:
    """Return the body of a call with own words."""
    body = {
        "to": list(to) or ["ann@example.com"],
        "from_email": "shop@sender.example",
        "subject": "Your order",
        "text": "It is on its way.",
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


async def send(client: httpx.AsyncClient, *to: Any, key: str | None = None, **changes: Any) -> dict[str, Any]:
    """Submit messages and return the answer."""
    return await _submit(client, call(*to, **changes), key)


async def ledger(database: Database) -> dict[str, dict[str, Any]]:
    """Return every message's row by address."""
    return {row["address"]: dict(row) for row in await database.pool.fetch("SELECT * FROM messages")}


async def status_of(database: Database, message_id: str | UUID) -> str:
    """Return a message's status."""
    status: str = await database.pool.fetchval(
        "SELECT status FROM messages WHERE message_id = $1", UUID(str(message_id))
    )
    return status


def text_call(*to: Any, **changes: Any) -> dict[str, Any]:
    """Return the body of a call for texts with own words."""
    body = {"channel": "sms", "to": list(to) or ["+491711234567"], "text": "Your code is 4711."}
    return {name: value for name, value in (body | changes).items() if value is not None}


async def send_text(client: httpx.AsyncClient, *to: Any, key: str | None = None, **changes: Any) -> dict[str, Any]:
    """Submit texts and return the answer."""
    return await _submit(client, text_call(*to, **changes), key)


async def _submit(client: httpx.AsyncClient, body: dict[str, Any], key: str | None) -> dict[str, Any]:
    answer = await client.post(PATH, json=body, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 201, answer.text
    return answer.json()
