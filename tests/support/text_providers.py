"""Servers that speak the protocols of SMS providers and take every text, and rows that lead to them."""

from itertools import count
from typing import Any

import httpx

from support.receiver import Message, Receiver, Reply
from support.texts import says

ACCOUNT = "AC" + "0" * 32
TEMPLATE = {
    "name": "otp", "template_id": "1107161234567890123", "entity_id": "1101234567890123456", "header": "TSKFLW",
    "category": "transactional", "body": "{#var#} is your code for {#var#}.", "provider_template_id": "171234",
}  # fmt: skip
_NUMBERS = count(1)


def takes_bulksms(message: Message) -> Reply:
    [text] = message.json
    made = {"id": f"b-{next(_NUMBERS)}", "userSuppliedId": text["userSuppliedId"]}
    return says(201, [made])


def takes_twilio(_: Message) -> Reply:
    return says(201, {"sid": f"SM{next(_NUMBERS)}", "status": "queued", "error_code": None})


def takes_fast2sms(_: Message) -> Reply:
    return says(200, {"return": True, "request_id": f"f-{next(_NUMBERS)}", "message": ["SMS sent successfully."]})


_KINDS: dict[str, tuple[Any, dict[str, Any], dict[str, str]]] = {
    "bulksms": (takes_bulksms, {"token_id": "me"}, {"token_secret": "the secret"}),
    "twilio": (takes_twilio, {"account_sid": ACCOUNT, "sender": "+4930123456"}, {"auth_token": "the token"}),
    "fast2sms": (takes_fast2sms, {"route": "dlt_manual"}, {"api_key": "the api key"}),
}


async def add_provider(admin: httpx.AsyncClient, kind: str, receiver: Receiver, **more: Any) -> dict[str, Any]:
    """Let a server take texts, and add it as a provider of a kind under the kind's name."""
    receiver.answer, settings, secrets = _KINDS[kind]
    settings = settings | {"api_url": receiver.url} | more.pop("settings", {})
    body = {"name": kind, "kind": kind, "settings": settings, "secrets": secrets} | more
    answer = await admin.post("/api/v1/providers", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def add_template(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    """Keep a DLT template."""
    answer = await client.post("/api/v1/sms/templates", json=TEMPLATE | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()
