"""Roles, users, API keys and the principal: the authenticated caller of a request or a socket."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal
from uuid import UUID

Scope = Literal["metrics", "messages:send"]
METRICS: Final = "metrics"
"""May read `/metrics`."""
SEND: Final = "messages:send"
"""May send messages, over HTTP and SMTP, and see its own: nothing else, whatever its role is. For applications."""


class Role(StrEnum):
    """What somebody may do; each role may do all that the next one may."""

    ADMIN = "admin"  # users, keys, the audit log
    OPERATOR = "operator"  # tasks, workers, dead letters
    MARKETER = "marketer"  # campaigns, contacts, the inbox
    VIEWER = "viewer"  # reads

    @property
    def rank(self) -> int:
        """Return the role's place: the higher, the more it may."""
        return _RANKS[self]

    def allows(self, needed: "Role") -> bool:
        """Tell whether this role may do what `needed` may."""
        return self.rank >= needed.rank


_RANKS = {Role.VIEWER: 0, Role.MARKETER: 1, Role.OPERATOR: 2, Role.ADMIN: 3}


@dataclass(frozen=True, slots=True)
class User:
    """A row of `users`, without its password."""

    user_id: UUID
    email: str
    role: Role
    is_active: bool
    token_version: int
    created_at: datetime
    last_login_at: datetime | None


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A row of `api_keys`, without its secret."""

    key_id: UUID
    user_id: UUID
    name: str
    prefix: str
    role: Role
    scopes: list[str]
    from_domains: list[str]
    rate_limit_per_minute: int | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller: a signed-in user (`session_id`) or an API key (`key_id`) acting for one.

    It is what a credential meant when it was last looked at in PostgreSQL, at most
    `taskflow.identity.authenticator.TRUST_SECONDS` ago.
    """

    user_id: UUID
    email: str
    role: Role
    token_version: int = 0
    session_id: UUID | None = None
    key_id: UUID | None = None
    key_name: str | None = None
    scopes: frozenset[str] = field(default_factory=frozenset)
    from_domains: frozenset[str] = field(default_factory=frozenset)  # that it may send as; empty: any
    rate_limit_per_minute: int | None = None

    @property
    def actor(self) -> str:
        """Return how the audit log calls the caller."""
        return f"{self.email} (key {self.key_name})" if self.key_name else self.email

    @property
    def is_narrow(self) -> bool:
        """Tell whether it is a key that may do nothing but send messages."""
        return SEND in self.scopes

    @property
    def idempotency_owner(self) -> UUID:
        """Return whose requests repeat each other: a key that sees its own messages only has its own."""
        return self.key_id if self.is_narrow and self.key_id is not None else self.user_id

    @property
    def rate_limit_identity(self) -> str:
        """Return whose request budget the caller spends: a key with a limit of its own has its own."""
        if self.key_id is not None and self.rate_limit_per_minute is not None:
            return f"key:{self.key_id}"
        return f"user:{self.user_id}"
