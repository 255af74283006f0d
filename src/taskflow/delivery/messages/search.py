"""What is asked of the log of messages.

The text of a search is an id of ours, the provider's, a Message-ID, or a part of the subject. None of them is indexed:
an index on what is written while a message is sent would end the HOT updates of the ledger. So a search has a time, in
which every message is looked at.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from taskflow.base.errors import InvalidInputError
from taskflow.delivery.providers.sms.hooks import ReportStatus
from taskflow.delivery.states import RecipientStatus

DAYS = 7
"""How far back it goes when nobody says."""
MOST_DAYS = 31
MOST_CHARS = 400


class SearchRangeError(InvalidInputError):
    """A search goes through one month at most: say when with created_after and created_before."""

    code = "search_range"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages; what is None does not matter. With an address, campaign mail is meant too.

    `scheduled`: only those whose time is yet to come; `text`: which they are; `bounded` gives it a time. `key_id`: only
    those that came with a key which may see no others, so no campaign mail either.
    """

    address: str | None = None
    status: RecipientStatus | None = None
    channel: str | None = None
    provider: str | None = None
    tag: str | None = None
    submission_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    scheduled: bool = False
    text: str | None = None
    key_id: UUID | None = None
    delivery: ReportStatus | None = None


def bounded(wanted: Filter) -> Filter:
    """Return a filter whose search has a time: the last seven days before its end, unless it says.

    Raises:
        SearchRangeError: it says a longer one than `MOST_DAYS`.
    """
    if wanted.text is None:
        return wanted
    end = wanted.created_before or datetime.now(UTC)
    start = wanted.created_after or end - timedelta(days=DAYS)
    if end - start > timedelta(days=MOST_DAYS):
        raise SearchRangeError(
            f"A search goes through {MOST_DAYS} days at most, not from {start:%Y-%m-%d} to {end:%Y-%m-%d}:"
            " say when with created_after and created_before."
        )
    return replace(wanted, created_after=start)


def id_of(text: str) -> UUID | None:
    """Return the id that a text is."""
    try:
        return UUID(text)
    except ValueError:
        return None


def names(text: str) -> list[str]:
    """Return how a provider's id may be kept: as it is, or as a Message-ID with angle brackets or a domain."""
    bare = text.strip("<>")
    return list(dict.fromkeys((text, bare, f"<{bare}>", bare.partition("@")[0] or bare)))


def pattern(text: str) -> str:
    """Return what LIKE finds a subject by that holds the text."""
    return "%" + text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
