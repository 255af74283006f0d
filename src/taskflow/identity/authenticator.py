"""From a credential to a principal, with a short memory.

A credential is looked at in PostgreSQL at most every `TRUST_SECONDS`; in between its principal is remembered. So a
deactivated user, a changed role, a signed-out session or a revoked key is refused within that time, on HTTP and on
open sockets alike, while a busy client costs one query per few seconds. Signature and expiry need no database.
"""

import hmac
import time
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from taskflow.base.errors import UnauthenticatedError
from taskflow.db.pool import Database
from taskflow.identity.models import Principal, Role
from taskflow.identity.repository import sql
from taskflow.identity.tokens import API_KEY_MARK, InvalidTokenError, TokenSigner, hash_api_secret, split_api_key

TRUST_SECONDS = 3.0
_REMEMBERED = 10_000
_MAX_CREDENTIAL_CHARS = 2048


@dataclass(frozen=True, slots=True)
class _Memory:
    principal: Principal
    until: float  # monotonic seconds


class Authenticator:
    """Knows who calls."""

    def __init__(self, database: Database, signer: TokenSigner) -> None:
        """Take the pools and the signer."""
        self._pool = database.pool
        self._signer = signer
        self._memory: dict[str, _Memory] = {}

    async def authenticate(self, credential: str) -> Principal:
        """Return whose credential (an access token or an API key) it is.

        Raises:
            UnauthenticatedError: nobody's, or no longer.
        """
        if len(credential) > _MAX_CREDENTIAL_CHARS:
            raise InvalidTokenError
        known = self._memory.get(credential)
        if known is not None and known.until > time.monotonic():
            return known.principal
        if credential.startswith(API_KEY_MARK):
            principal, life = await self._from_key(credential), TRUST_SECONDS
        else:
            claims = self._signer.read_access_token(credential)
            life = min(TRUST_SECONDS, max(claims.expires_at - time.time(), 0.0))
            principal = await self._session(claims.user_id, claims.token_version, claims.session_id)
        self._remember(credential, principal, life)
        return principal

    async def confirm(self, principal: Principal) -> None:
        """Look again whether an earlier principal still stands, for a socket that stays open.

        Raises:
            UnauthenticatedError: it does not, or its rights have changed.
        """
        if principal.key_id is not None:
            row = await self._pool.fetchrow(sql.key_principal_by_id, principal.key_id)
            if row is None or _key_principal(row) != principal:
                raise InvalidTokenError
        elif principal.session_id is not None:
            await self._session(principal.user_id, principal.token_version, principal.session_id)
        else:
            raise UnauthenticatedError

    async def _session(self, user_id: UUID, version: int, session_id: UUID) -> Principal:
        row = await self._pool.fetchrow(sql.session_principal, user_id, version, session_id)
        if row is None:
            raise InvalidTokenError
        return Principal(
            user_id=row["user_id"],
            email=row["email"],
            role=Role(row["role"]),
            token_version=row["token_version"],
            session_id=session_id,
        )

    async def _from_key(self, credential: str) -> Principal:
        prefix, secret = split_api_key(credential)
        row = await self._pool.fetchrow(sql.key_principal, prefix)
        stored = row["secret_hash"] if row is not None else bytes(32)
        if not hmac.compare_digest(stored, hash_api_secret(secret)) or row is None:
            raise InvalidTokenError
        await self._pool.execute(sql.touch_key, row["key_id"])
        return _key_principal(row)

    def _remember(self, credential: str, principal: Principal, life: float) -> None:
        self._memory.pop(credential, None)
        if len(self._memory) >= _REMEMBERED:
            del self._memory[next(iter(self._memory))]
        self._memory[credential] = _Memory(principal, time.monotonic() + life)


def _key_principal(row: asyncpg.Record) -> Principal:
    """A key may do what both it and its user may."""
    own, user = Role(row["key_role"]), Role(row["role"])
    return Principal(
        user_id=row["user_id"],
        email=row["email"],
        role=min(own, user, key=lambda role: role.rank),
        token_version=row["token_version"],
        key_id=row["key_id"],
        key_name=row["name"],
        scopes=frozenset(row["scopes"]),
        from_domains=frozenset(row["from_domains"]),
        rate_limit_per_minute=row["rate_limit_per_minute"],
    )
