"""A sending process of its own, for tests that kill one: sends through the router and notes what went out.

    python -m support.router_node NOTES COUNT PER_DAY

It writes one line to NOTES for each message that its provider took, before anything else learns of it.
"""

import asyncio
import os
import sys
from collections.abc import Sequence

from support.routing import ACCEPTED, DEADLINE, RECEIPT, mails
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.router.carrier import RoutedCarrier
from taskflow.delivery.router.models import Budgets, Route
from taskflow.delivery.router.service import Router
from taskflow.settings import Settings

LANES = 4  # windows on the wire at a time


class NotingProvider:
    """Takes everything."""

    def __init__(self, notes: str) -> None:
        self.file = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    async def send(self, mails: Sequence[Mail], _deadline: float) -> list[Outcome]:
        outcomes = []
        for _ in mails:
            os.write(self.file, f"{os.getpid()}\n".encode())
            await asyncio.sleep(0.001)  # what a mail server takes
            outcomes.append(ACCEPTED)
        return outcomes


async def main(notes: str, count: int, per_day: int) -> None:
    """Send windows until so many were asked for."""
    settings = Settings()
    route = Route("ses", budgets=Budgets(per_day=per_day))

    async def routes() -> Sequence[Route]:
        return [route]

    async with Database.open(settings.database) as database, RedisBroker.open(settings.redis) as broker:
        slot = 1 + os.getpid() % 32_000
        async with Router(database, broker, settings.router, routes, slot=slot) as router:
            carrier = RoutedCarrier(router, {"ses": NotingProvider(notes)}, RECEIPT)

            async def lane() -> None:
                for _ in range(count // (10 * LANES)):
                    await carrier.send(mails(*["ada@example.com"] * 10), DEADLINE)

            await asyncio.gather(*(lane() for _ in range(LANES)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
