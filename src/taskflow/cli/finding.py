"""Things that are named on the command line: by their id, or as people call them."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client


def find_contact(client: Client, who: str) -> str:
    """Return the id of a contact that is given by its id, address or phone."""
    field = "email" if "@" in who else "phone"
    return _find(who, "contact", lambda: client.get("/contacts", **{field: who})["items"])


def find_list(client: Client, name: str) -> str:
    """Return the id of a list that is given by its id or name; an archived one only when no other is called so."""

    def called() -> list[Any]:
        return sorted(client.get("/lists", name=name)["items"], key=lambda item: item["archived_at"] is not None)

    return _find(name, "list", called)


def find_segment(client: Client, name: str) -> str:
    """Return the id of a segment that is given by its id or name."""

    def called() -> Iterable[Any]:
        return (item for item in client.pages("/segments", search=name) if item["name"].lower() == name.lower())

    return _find(name, "segment", called)


def find_schedule(client: Client, name: str) -> str:
    """Return the id of a schedule that is given by its id or name."""
    return _find(name, "schedule", lambda: client.get("/schedules", name=name)["items"])


def _find(name: str, kind: str, look: Callable[[], Iterable[Any]]) -> str:
    try:
        return str(UUID(name))
    except ValueError:
        found = next(iter(look()), None)
    if found is None:
        raise NotFoundError(f"There is no {kind} {name!r}.")
    return str(found[f"{kind}_id"])
