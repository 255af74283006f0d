"""Things as people call them: contacts by address or phone, lists, segments and templates by name, all by their id."""

from uuid import UUID

from taskflow.base.errors import NotFoundError
from taskflow.cli.client import Client


def find_contact(client: Client, who: str) -> str:
    """Return the id of a contact that is given by its id, address or phone."""
    if is_id(who):
        return who
    items = client.get("/contacts", **{"email" if "@" in who else "phone": who})["items"]
    if not items:
        raise NotFoundError(f"There is no contact {who!r}.")
    return str(items[0]["contact_id"])


def find_list(client: Client, name: str) -> str:
    """Return the id of a list that is given by its id or name; an archived one only when no other is called so."""
    if is_id(name):
        return name
    items = sorted(client.get("/lists", name=name)["items"], key=lambda item: item["archived_at"] is not None)
    if not items:
        raise NotFoundError(f"There is no list called {name!r}.")
    return str(items[0]["list_id"])


def find_schedule(client: Client, name: str) -> str:
    """Return the id of a schedule that is given by its id or name."""
    if is_id(name):
        return name
    items = client.get("/schedules", name=name)["items"]
    if not items:
        raise NotFoundError(f"There is no schedule called {name!r}.")
    return str(items[0]["schedule_id"])


def find_segment(client: Client, name: str) -> str:
    """Return the id of a segment that is given by its id or name."""
    return _called(client, "segment", name)


def find_template(client: Client, name: str) -> str:
    """Return the id of a template that is given by its id or name."""
    return _called(client, "template", name)


def find_mail(client: Client, which: str) -> str:
    """Return the id of a message that is given by its id, or of the newest in the inbox to an address."""
    if "@" not in which:
        return which
    for item in client.pages("/inbox", q=which):
        if item["rcpt_to"].lower() == which.lower():
            return str(item["message_id"])
    raise NotFoundError(f"There is no mail to {which!r}.")


def is_id(text: str) -> bool:
    """Tell whether it is an id."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _called(client: Client, kind: str, name: str) -> str:
    if is_id(name):
        return name
    for item in client.pages(f"/{kind}s", search=name):  # those that have it in their name
        if item["name"].lower() == name.lower():
            return str(item[f"{kind}_id"])
    raise NotFoundError(f"There is no {kind} called {name!r}.")
