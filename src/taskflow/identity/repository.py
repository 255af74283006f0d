"""Rows of users, API keys, refresh tokens and sign-in attempts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7
from taskflow.db import queries
from taskflow.db.pool import Connection, Pool
from taskflow.identity.models import ApiKey, Role, User
from taskflow.identity.tokens import NewApiKey

sql = queries.load(__file__)


def to_user(row: asyncpg.Record) -> User:
    """Read a row of `users`."""
    return User(
        row["user_id"],
        row["email"],
        Role(row["role"]),
        row["is_active"],
        row["token_version"],
        row["created_at"],
        row["last_login_at"],
    )


def to_key(row: asyncpg.Record) -> ApiKey:
    """Read a row of `api_keys`."""
    return ApiKey(**{**dict(row), "role": Role(row["role"])})


async def find_credentials(db: Pool | Connection, email: str) -> tuple[User, str] | None:
    """Return the user of an address and the hash of their password."""
    row = await db.fetchrow(sql.find_credentials, email)
    return (to_user(row), row["password_hash"]) if row else None


async def insert_user(db: Pool | Connection, email: str, password_hash: str, role: Role) -> User | None:
    """Add a user; None when the address is taken."""
    try:
        row = await db.fetchrow(sql.insert_user, uuid7(), email, password_hash, role.value)
    except asyncpg.UniqueViolationError:
        return None
    return to_user(row) if row else None


async def get_user(db: Pool | Connection, user_id: UUID) -> User | None:
    """Return a user."""
    row = await db.fetchrow(sql.get_user, user_id)
    return to_user(row) if row else None


async def list_users(db: Pool | Connection, before: UUID | None, limit: int) -> list[User]:
    """Return users, newest first, older than `before`."""
    return [to_user(row) for row in await db.fetch(sql.list_users, before, limit)]


async def insert_key(
    db: Pool | Connection, user_id: UUID, new: NewApiKey, *, name: str, role: Role, **options: Any
) -> ApiKey:
    """Add an API key; `options` are scopes, from_domains, rate_limit_per_minute and expires_at."""
    row = await db.fetchrow(
        sql.insert_key,
        uuid7(),
        user_id,
        name,
        new.prefix,
        new.secret_hash,
        role.value,
        options.get("scopes", []),
        options.get("from_domains", []),
        options.get("rate_limit_per_minute"),
        options.get("expires_at"),
    )
    assert row is not None  # noqa: S101 - INSERT … RETURNING
    return to_key(row)


async def list_keys(db: Pool | Connection, user_id: UUID | None, before: UUID | None, limit: int) -> list[ApiKey]:
    """Return the keys of a user, or of all, newest first, older than `before`."""
    return [to_key(row) for row in await db.fetch(sql.list_keys, user_id, before, limit)]


async def count_attempt(
    db: Pool | Connection, subjects: Sequence[str], window_seconds: float
) -> dict[str, tuple[int, float]]:
    """Count a sign-in for every subject; return count and seconds left of each."""
    rows = await db.fetch(sql.count_attempt, list(subjects), window_seconds)
    return {row["subject"]: (row["failures"], row["seconds"]) for row in rows}
