"""Texts to send, and providers' answers of a few lines."""

import asyncio
import json
from typing import Any
from uuid import UUID

from support.receiver import Reply, plain
from taskflow.base.ids import uuid7
from taskflow.delivery.dlt import Facts
from taskflow.delivery.providers.contract import Sms

FACTS = Facts("1107161234567890123", "1101234567890123456", "171234", ("123456", "your sign-in"))
BODY = "{#var#} is your code for {#var#}."
DLT_TEXT = "123456 is your code for your sign-in."


def text(to: str = "+491711234567", body: str = "Hello", *, message_id: UUID | None = None, **more: Any) -> Sms:
    return Sms(message_id or uuid7(), more.pop("sender", None), to, body, **more)


def dlt_text(to: str = "+919876543210", body: str = DLT_TEXT, facts: Facts = FACTS, **more: Any) -> Sms:
    return text(
        to, body, **{"sender": "TSKFLW", "template": facts.as_mapping(), "requires_dlt": True} | more
    )  # fmt: skip


def says(status: int, content: Any, *headers: str) -> Reply:
    """Answer with JSON, and close the connection."""
    return plain(
        status, "Content-Type: application/json", "Connection: close", *headers, body=json.dumps(content).encode()
    )


async def cut(writer: asyncio.StreamWriter) -> None:
    """Close the connection without a word."""


async def cut_in_the_body(writer: asyncio.StreamWriter) -> None:
    """Begin a fine answer and close the connection in the middle of it."""
    writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 400\r\n\r\n[{"id": "17", ')
    await writer.drain()


async def half_closed(writer: asyncio.StreamWriter) -> None:
    """Close our direction only, and wait for the other side."""
    writer.write_eof()
    await asyncio.wait_for(writer.wait_closed(), 5)
