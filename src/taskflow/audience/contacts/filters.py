"""Which contacts a list, an export or a bulk action means.

A filter becomes a condition of a finite set of fragments; everything that a caller wrote goes in binds. Only the
fragments that are asked for are in the statement, so that the planner sees what each filter is worth.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from taskflow.audience.consent.models import SubscriptionStatus
from taskflow.audience.contacts.models import ContactStatus
from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.values import InvalidValueError, normalise_email

_FRAGMENTS: Final[Mapping[str, str]] = {
    "email": "lower(c.email) = lower({0})",
    "phone": "c.phone = {0}",
    "status": "c.status = {0}",
    "tags": "c.tags @> {0}::text[]",
    "created_after": "c.created_at >= {0}",
    "created_before": "c.created_at < {0}",
    "after": "c.contact_id > {0}",
    "before": "c.contact_id < {0}",
    "until": "c.contact_id <= {0}",
    "ids": "c.contact_id = ANY({0}::uuid[])",
}
_ON_LIST: Final = "EXISTS (SELECT FROM subscriptions s WHERE s.list_id = {0} AND s.contact_id = c.contact_id{1})"
_SEARCH: Final = (
    "(lower(c.email) LIKE {0} OR c.phone LIKE {0} OR lower(c.attributes->>'first_name') LIKE {0}"
    " OR lower(c.attributes->>'last_name') LIKE {0})"
)
_LIKE_SIGNS = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


@dataclass(frozen=True, slots=True)
class ContactFilter:
    """What is None does not matter; all that is given must hold."""

    search: str | None = None
    """How the address, the phone, the first or the last name begins."""
    email: str | None = None
    phone: str | None = None
    status: ContactStatus | None = None
    tags: tuple[str, ...] | None = None
    """All of them."""
    list_id: UUID | None = None
    list_status: SubscriptionStatus | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None

    def normalised(self) -> Self:
        """Return it with address, phone and tags as they are stored; what is none of these finds nobody."""
        return replace(
            self,
            email=_stored(normalise_email, self.email),
            phone=_stored(normalise_phone, self.phone),
            tags=tuple(tag.lower() for tag in self.tags) if self.tags else None,
        )

    @property
    def is_empty(self) -> bool:
        """Tell whether it means everybody."""
        return all(getattr(self, field.name) is None for field in fields(self))

    def to_json(self) -> dict[str, Any]:
        """Return it for the arguments of a task."""
        return {name: _WRITERS.get(name, _same)(value) for name, value in asdict(self).items() if value is not None}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote and JSON carried."""
        values = dict(given)
        for name, read in _READERS.items():
            if name in values:
                values[name] = read(values[name])
        return cls(**values)

    def where(self, **bounds: Any) -> tuple[str, list[Any]]:
        """Return a condition on `subscribers c`, and its binds from $1 on.

        `bounds`: after, before, until, ids: of the page, or of the batch.
        """
        conditions: list[str] = []
        binds: list[Any] = []

        def bind(value: Any) -> str:
            binds.append(value)
            return f"${len(binds)}"

        if self.search is not None:
            conditions.append(_SEARCH.format(bind(self.search.lower().translate(_LIKE_SIGNS) + "%")))
        if self.list_id is not None:
            on_list = bind(self.list_id)
            status = f" AND s.status = {bind(self.list_status)}" if self.list_status is not None else ""
            conditions.append(_ON_LIST.format(on_list, status))
        for name, fragment in _FRAGMENTS.items():
            value = bounds.get(name) if name not in self.__slots__ else getattr(self, name)
            if value is not None:
                conditions.append(fragment.format(bind(list(value) if name in ("tags", "ids") else value)))
        return " AND ".join(conditions) or "true", binds


def _stored(read: Callable[[str], str], text: str | None) -> str | None:
    try:
        return text and read(text)
    except InvalidValueError:
        return text


def _same(value: Any) -> Any:
    return value


_WRITERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "list_id": str,
    "tags": list,
    "created_after": datetime.isoformat,
    "created_before": datetime.isoformat,
}
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "status": ContactStatus,
    "tags": tuple,
    "list_id": UUID,
    "list_status": SubscriptionStatus,
    "created_after": datetime.fromisoformat,
    "created_before": datetime.fromisoformat,
}
