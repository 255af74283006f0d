"""Contacts as the code sees them, and what can be wrong with one."""

from enum import StrEnum
from uuid import UUID

from taskflow.audience.contacts.values import InvalidValueError
from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError


class ContactStatus(StrEnum):
    """Whether somebody is written to at all. Only ACTIVE ones are; a suppression stands beside it and wins."""

    ACTIVE = "ACTIVE"
    PENDING = "PENDING"
    """Came by a public form and has not confirmed yet."""
    UNSUBSCRIBED = "UNSUBSCRIBED"
    BOUNCED = "BOUNCED"
    COMPLAINED = "COMPLAINED"
    DISABLED = "DISABLED"
    """By hand."""


class ContactNotFoundError(NotFoundError):
    """There is no such contact."""

    code = "contact_not_found"


class ContactExistsError(ConflictError):
    """Another contact has this address or phone."""

    code = "contact_exists"


class InvalidContactError(InvalidInputError):
    """A value does not fit into a contact."""

    code = "invalid_contact"

    @classmethod
    def of(cls, error: InvalidValueError, field: str) -> "InvalidContactError":
        """Say in which field the value stands."""
        return cls(f"{field}: {error}", field=field)


class SearchTooSlowError(UnavailableError):
    """The search reads too many contacts: narrow it."""

    code = "search_too_slow"


def unknown(contact_id: UUID) -> ContactNotFoundError:
    """Return the error for an id that nobody has."""
    return ContactNotFoundError(f"There is no contact {contact_id}.", contact_id=str(contact_id))
