"""Providers of mail as a sender holds them, and mails to send through them."""

import time
from typing import Any

from support.mail_apis import letter
from taskflow.base.ids import uuid7
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers import fields
from taskflow.delivery.providers.contract import Mail, MailProvider, Surroundings
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.registry import Registry

NEW: dict[str, Any] = {
    "kind": "sandbox", "enabled": True, "weight": 1, "settings": {}, "secrets": {}, "classes": [], "domains": [],
    "per_second": None, "per_minute": None, "per_day": None, "warm_up": [],
}  # fmt: skip


class Providers:
    """Opens providers of any kind."""

    def __init__(self, client: HttpClient, sandbox: tuple[str, int] = ("127.0.0.1", 1)) -> None:
        self.surroundings = Surroundings(client, sandbox)

    def open(self, kind: str, settings: dict[str, Any], secrets: dict[str, str]) -> Any:
        found = Registry().kind(kind)
        return found.open(fields.read(found, settings, secrets), self.surroundings)


def mail(**changes: Any) -> Mail:
    told = {"message_id": uuid7(), "mail_from": "bounce@example.org", "rcpt_to": "anna@example.com", "body": letter()}
    return Mail(**(told | changes))


async def send(provider: MailProvider, *mails: Mail) -> list[Outcome]:
    return await provider.send(mails, time.monotonic() + 60)


async def send_one(provider: MailProvider, **changes: Any) -> Outcome:
    [outcome] = await send(provider, mail(**changes))
    return outcome
