"""From what a caller says about a contact to the columns of `subscribers`: each value in its one stored form."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from taskflow.audience.contacts.models import InvalidContactError
from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.values import (
    ContactField,
    InvalidValueError,
    Json,
    check_attributes,
    normalise_email,
    normalise_locale,
    normalise_tags,
    normalise_time_zone,
)

Value = TypeVar("Value")
Fields = Mapping[str, ContactField]


def columns_of(given: Mapping[str, Any], region: str | None) -> dict[str, Any]:
    """Return the columns that `given` names, in their stored forms; None stays None.

    Attributes are left to `merged`, which alone knows those that are there already.

    Raises:
        InvalidContactError: a value does not fit; it names the field.
    """
    readers: dict[str, Callable[[Any], Any]] = {
        "email": normalise_email,
        "phone": lambda text: normalise_phone(text, region),
        "locale": normalise_locale,
        "time_zone": normalise_time_zone,
        "tags": normalise_tags,
    }
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name in readers:
            empty = value is None or value == ""
            found[name] = None if empty else checked(name, readers[name], value)
        elif name == "status":
            found[name] = value
    if "tags" in found:
        found["tags"] = found["tags"] or []
    return found


def merged(present: Mapping[str, Json], changes: Mapping[str, Any], fields: Fields) -> dict[str, Json]:
    """Return attributes after a change: what is given replaces, null and "" take away, the rest stays.

    Raises:
        InvalidContactError: an attribute does not fit, or they become too many.
    """
    kept = {name: value for name, value in present.items() if name not in changes}
    new = checked("attributes", lambda given: check_attributes(given, fields), changes)
    return checked("attributes", lambda given: check_attributes(given, {}), kept | new)


def checked(field: str, read: Callable[[Any], Value], value: Any) -> Value:
    """Return what `read` makes of a value.

    Raises:
        InvalidContactError: it refused it.
    """
    try:
        return read(value)
    except InvalidValueError as error:
        raise InvalidContactError.of(error, field) from error
