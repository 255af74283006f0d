"""A row of `providers`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

import asyncpg

from taskflow.audience.channels import Channel
from taskflow.base.envelope import Sealed


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """Who carries messages, with what, for whom, and how much. The name is what ledgers keep."""

    provider_id: UUID
    name: str
    kind: str
    channel: Channel
    enabled: bool
    priority: int  # the smallest is asked first
    weight: int  # share among those of one priority
    preferences: Sequence[Mapping[str, Any]]  # others for some messages: message_class, domain, priority, weight
    settings: Mapping[str, Any]
    sealed: Sealed | None
    secret_names: Sequence[str]
    classes: Sequence[str]  # "transactional", "bulk"; empty: all
    domains: Sequence[str]  # that it sends from; empty: all
    per_second: int | None
    per_minute: int | None
    per_day: int | None
    warm_up: Sequence[int]  # most on the first day of use, on the second, …; after them `per_day` alone holds
    price: Decimal | None  # of a mail, or of each part of a text
    prices: Mapping[str, float]  # of each part of a text, by the beginning of the number
    currency: str | None
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of the table."""
        plain = {field.name: row[field.name] for field in fields(cls) if field.name != "sealed"}
        sealed = Sealed(row["secrets_key"], row["secrets"]) if row["secrets"] is not None else None
        return cls(**(plain | {"channel": Channel(row["channel"]), "sealed": sealed}))

    @property
    def opens_as(self) -> tuple[Any, ...]:
        """Return what an open provider depends on: while it is equal, nothing has to be opened anew."""
        return self.kind, self.settings, self.sealed
