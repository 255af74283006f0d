"""An import of contacts as a row, and what was asked for."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

TASK_NAME: Final = "import_contacts"
QUEUE: Final = "imports"

READING_SHARE: Final = 0.4
"""How much of the way is done when the file is read; the rest is the merge."""


class ImportMode(StrEnum):
    """What becomes of people who are there already, and of those who are not."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


class ImportStatus(StrEnum):
    """How far an import is."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


ENDED: Final = frozenset({ImportStatus.COMPLETED, ImportStatus.FAILED, ImportStatus.CANCELLED})


@dataclass(frozen=True, slots=True)
class Consent:
    """What the imported people have agreed to, as the importer says.

    `confirmed`: they have confirmed it already, elsewhere; then lists with a double opt-in need not ask again.
    """

    wording: str
    channels: tuple[str, ...] = ("email",)
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What is to be done with the people of a file.

    Arguments:
        mapping: what columns become, by title or unique name; the others become what their names suggest.
        ignore_others: leave columns out that `mapping` does not name.
        lists: whom to add to; nobody who has left a list is put back on it.
        tags: added to everybody.
        ask_to_confirm: mail the people who come to a list with a double opt-in, and ask them.
        region: ISO 3166 code of the country that phone numbers without a country code belong to.
    """

    mode: ImportMode = ImportMode.UPSERT
    dry_run: bool = False
    mapping: dict[str, str] = field(default_factory=dict)
    ignore_others: bool = False
    lists: tuple[UUID, ...] = ()
    tags: tuple[str, ...] = ()
    region: str | None = None
    consent: Consent | None = None
    ask_to_confirm: bool = False

    def stored(self) -> dict[str, Any]:
        """Return what is kept in `contact_imports.options`."""
        consent = self.consent
        return {
            "lists": [str(list_id) for list_id in self.lists],
            "tags": list(self.tags),
            "region": self.region,
            "ask_to_confirm": self.ask_to_confirm,
            "consent": consent
            and {"wording": consent.wording, "channels": list(consent.channels), "confirmed": consent.confirmed},
        }


@dataclass(frozen=True, slots=True)
class ImportJob:
    """A row of `contact_imports`."""

    import_id: UUID
    status: str
    mode: str
    dry_run: bool
    filename: str | None
    size: int
    encoding: str | None
    delimiter: str | None
    mapping: list[dict[str, str]]  # title, name, target of each column
    options: dict[str, Any]
    lease_epoch: int
    staging: str | None
    staged: int | None
    merged: int
    merged_keys: list[str]
    rows: int
    created: int
    updated: int
    skipped: int
    rejected: int
    pending: int
    total_rows: int | None
    error_code: str | None
    error_message: str | None
    cancel_requested_at: datetime | None
    created_by: UUID | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @property
    def percent(self) -> float:
        """How far it is: reading comes first, then the merge."""
        if self.status == ImportStatus.COMPLETED:
            return 100.0
        if self.staged is not None:
            share = self.merged / self.staged if self.staged else 1.0
            return round(100 * (READING_SHARE + (1 - READING_SHARE) * share), 1)
        if not self.total_rows:
            return 0.0
        return round(100 * READING_SHARE * min(1.0, self.rows / self.total_rows), 1)

    @property
    def phase(self) -> str:
        """What it does: `waiting`, `reading`, `merging`, or `ended`."""
        if self.status in ENDED:
            return "ended"
        if self.status == ImportStatus.PENDING:
            return "waiting"
        return "reading" if self.staged is None else "merging"

    def summary(self) -> str:
        """Return the sentence a person reads: `1,200 created, 3 updated, 12 rejected`."""
        words = {"created": self.created, "updated": self.updated, "skipped": self.skipped, "rejected": self.rejected}
        text = ", ".join(f"{count:,} {word}" for word, count in words.items() if count or word == "created")
        if self.pending:
            told = "asked to confirm" if self.asks else "wait to confirm, but are not asked (ask_to_confirm)"
            text += f"; {self.pending:,} {told}"
        return f"{text} (dry run: nothing was changed)" if self.dry_run else text

    @property
    def asks(self) -> bool:
        """Whether people are mailed who come to a list with a double opt-in."""
        return bool(self.options.get("ask_to_confirm"))
