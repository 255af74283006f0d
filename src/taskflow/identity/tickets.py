"""One-use tickets: what a browser puts into a WebSocket's URL instead of a token.

A URL ends up in logs and histories. A ticket in one is worthless after its first use, or after 30 seconds. Tickets
live in Redis under the hash of their text; a flush only means asking for another.
"""

import hashlib
import secrets
from uuid import UUID

import orjson
from redis.exceptions import RedisError

from taskflow.base.errors import UnauthenticatedError, UnavailableError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.identity.models import Principal, Role

LIFE_SECONDS = 30


class TicketBooth:
    """Sells and takes tickets."""

    def __init__(self, broker: RedisBroker) -> None:
        """Take the broker."""
        self._redis = broker.redis
        self._keys = broker.keys

    async def issue(self, principal: Principal) -> str:
        """Return a new ticket for a caller.

        Raises:
            UnavailableError: Redis does not answer.
        """
        ticket = secrets.token_urlsafe(32)
        try:
            await self._redis.set(self._key(ticket), _dump(principal), ex=LIFE_SECONDS)
        except (RedisError, OSError) as error:
            raise UnavailableError("Tickets need Redis, which does not answer.") from error
        return ticket

    async def redeem(self, ticket: str) -> Principal:
        """Take a ticket and return whose it was.

        Raises:
            UnauthenticatedError: unknown, used or expired.
            UnavailableError: Redis does not answer.
        """
        try:
            raw = await self._redis.getdel(self._key(ticket))
        except (RedisError, OSError) as error:
            raise UnavailableError("Tickets need Redis, which does not answer.") from error
        if raw is None:
            raise UnauthenticatedError
        return _load(raw)

    def _key(self, ticket: str) -> str:
        return self._keys.auth("ws-ticket", hashlib.sha256(ticket.encode()).hexdigest())


def _dump(principal: Principal) -> bytes:
    return orjson.dumps(
        {
            "user_id": principal.user_id,
            "email": principal.email,
            "role": principal.role,
            "token_version": principal.token_version,
            "session_id": principal.session_id,
            "key_id": principal.key_id,
            "key_name": principal.key_name,
            "scopes": sorted(principal.scopes),
            "from_domains": sorted(principal.from_domains),
            "rate_limit_per_minute": principal.rate_limit_per_minute,
        },
        default=str,  # asyncpg's own UUID class
    )


def _load(raw: str | bytes) -> Principal:
    fields = orjson.loads(raw)
    return Principal(
        **{
            **fields,
            "user_id": UUID(fields["user_id"]),
            "role": Role(fields["role"]),
            "session_id": UUID(fields["session_id"]) if fields["session_id"] else None,
            "key_id": UUID(fields["key_id"]) if fields["key_id"] else None,
            "scopes": frozenset(fields["scopes"]),
            "from_domains": frozenset(fields.get("from_domains", ())),
        }
    )
