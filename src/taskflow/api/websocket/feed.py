"""What every way to hear live events shares: go on from a cursor, or `resync`, and ask for rights again."""

from abc import ABC, abstractmethod

import asyncpg

from taskflow.api.websocket.hub import Batch, EventHub, Subscription
from taskflow.base.errors import UnauthenticatedError
from taskflow.broker.redis.events import Cursor
from taskflow.db.outages import DATABASE_AWAY
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Principal

CONFIRM_SECONDS = 2.0
PING_SECONDS = 15.0


class Feed(ABC):
    """One client's view of the stream."""

    def __init__(self, caller: Principal, hub: EventHub, authenticator: Authenticator) -> None:
        """Feed `caller` from the hub."""
        self._caller = caller
        self._hub = hub
        self._authenticator = authenticator
        self._topics: frozenset[str] = frozenset()

    @abstractmethod
    async def _acknowledge(self, cursor: Cursor) -> None:
        """Say what the client is subscribed to, and from where."""

    @abstractmethod
    async def _say_resync(self, cursor: Cursor) -> None:
        """Say that the client has to look at the whole again, and go on from this cursor."""

    @abstractmethod
    async def _deliver(self, batch: Batch) -> Cursor:
        """Send what the client wants of a batch; return the cursor behind it."""

    async def _continue(self, given: Cursor, subscription: Subscription, sent: Cursor) -> Cursor:
        """Send what lies between the client's cursor and what it was sent last, then go on from there."""
        if subscription.must_resync or not await self._hub.can_continue(given, sent):
            return await self._resync(subscription)
        await self._acknowledge(given)
        async for batch in self._hub.replay(given, sent):
            await self._deliver(batch)
        return sent

    async def _resync(self, subscription: Subscription) -> Cursor:
        subscription.resync()
        subscription.must_resync = False
        cursor = self._hub.cursor
        await self._say_resync(cursor)
        return cursor

    async def _is_revoked(self) -> bool:
        """Tell whether the client's rights have ended or changed."""
        try:
            await self._authenticator.confirm(self._caller)
        except UnauthenticatedError:
            return True
        except (*DATABASE_AWAY, asyncpg.PostgresError):
            return False  # PostgreSQL is away: nothing is known against the client
        return False
