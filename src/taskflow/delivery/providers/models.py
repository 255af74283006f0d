"""A row of `providers`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any, Self
from uuid import UUID

import asyncpg

from taskflow.base.envelope import Sealed
from taskflow.delivery.providers.contract import Channel


@dataclass(frozen=True, slots=True)
class WarmUp:
    """How much a new provider may send on its first days; after them `per_day` holds."""

    started_on: date
    daily: Sequence[int]  # most messages of day 1, of day 2, …

    def most_on(self, day: date) -> int | None:
        """Return the most messages of a day; None when the schedule says nothing of it any more, or not yet."""
        place = (day - self.started_on).days
        return self.daily[place] if 0 <= place < len(self.daily) else None


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
    settings: Mapping[str, Any]
    sealed: Sealed | None
    secret_names: Sequence[str]
    classes: Sequence[str]  # "transactional", "bulk"; empty: all
    domains: Sequence[str]  # that it sends from; empty: all
    per_second: int | None
    per_minute: int | None
    per_day: int | None
    warm_up: WarmUp | None
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of the table."""
        plain = {field.name: row[field.name] for field in fields(cls) if field.name not in ("sealed", "warm_up")}
        sealed = Sealed(row["secrets_key"], row["secrets"]) if row["secrets"] is not None else None
        told = row["warm_up"]
        warm_up = WarmUp(date.fromisoformat(told["started_on"]), told["daily"]) if told is not None else None
        return cls(**(plain | {"channel": Channel(row["channel"]), "sealed": sealed, "warm_up": warm_up}))

    @property
    def opens_as(self) -> tuple[Any, ...]:
        """Return what an open provider depends on: while it is equal, nothing has to be opened anew."""
        return self.kind, self.settings, self.sealed
