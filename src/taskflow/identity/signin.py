"""Brakes on guessing: sign-in attempts are counted per account and address, per account, and per address.

The counts live in PostgreSQL, so a flush of Redis gives an attacker nothing. An attempt is counted before the
password is looked at and taken back when it was right: parallel guesses cannot pass together. Unknown addresses
count alike, so a lock tells nothing about who has an account.

An attempt that its own address's limits refuse does not reach the account's count: locking an account for everybody
takes ten addresses, not one. An IPv6 address counts as its /64, as for the rate limit.
"""

import hashlib
from collections.abc import Mapping

from taskflow.base.errors import RateLimitedError
from taskflow.base.networks import subscriber
from taskflow.db.pool import Pool
from taskflow.identity import repository

WINDOW_SECONDS = 15 * 60
_WIDER = 10  # an account from everywhere, or an address for every account, gets so many times as much


class SignInLockedError(RateLimitedError):
    """Too many failed sign-ins: wait before you try again."""

    code = "sign_in_locked"


class SignInGuard:
    """Counts attempts and refuses beyond the limit."""

    def __init__(self, pool: Pool, *, attempts: int) -> None:
        """Allow `attempts` failures per account and address in 15 minutes."""
        self._pool = pool
        self._attempts = attempts

    async def admit(self, email: str, address: str) -> None:
        """Count an attempt.

        Raises:
            SignInLockedError: with `retry_after` in seconds.
        """
        pair, network, account = _subjects(email, address)
        await self._count({pair: self._attempts, network: self._attempts * _WIDER})
        await self._count({account: self._attempts * _WIDER})

    async def forgive(self, email: str, address: str) -> None:
        """Take back the attempt that turned out to be right."""
        pair, *wide = _subjects(email, address)
        await self._pool.execute(repository.sql.forgive_attempt, wide, pair)

    async def _count(self, limits: Mapping[str, int]) -> None:
        counts = await repository.count_attempt(self._pool, list(limits), WINDOW_SECONDS)
        waits = [seconds for subject, (count, seconds) in counts.items() if count > limits[subject]]
        if waits:
            raise SignInLockedError(retry_after=max(1, int(max(waits)) + 1))


def _subjects(email: str, address: str) -> list[str]:
    account = hashlib.sha256(email.strip().lower().encode()).hexdigest()[:32]
    network = subscriber(address)
    return [f"pair:{account}:{network}", f"address:{network}", f"account:{account}"]
