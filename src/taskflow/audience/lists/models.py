"""Lists as the code sees them, and what can be wrong with one."""

from enum import StrEnum

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError


class OptIn(StrEnum):
    """How somebody gets on a list."""

    SINGLE = "single"
    """At once."""
    DOUBLE = "double"
    """After following a signed link in a mail."""


class Visibility(StrEnum):
    """Who can ask to be on it."""

    PRIVATE = "private"
    PUBLIC = "public"
    """Anybody, by the form at `/subscribe/{list_id}`."""


class ListNotFoundError(NotFoundError):
    """There is no such list."""

    code = "list_not_found"


class ListNameTakenError(ConflictError):
    """Another list has this name."""

    code = "list_name_taken"


class ListArchivedError(ConflictError):
    """The list is archived: nobody is added to it."""

    code = "list_archived"


class SenderRequiredError(InvalidInputError):
    """A list that is public or has a double opt-in needs `confirm_from`: who asks for the confirmation."""

    code = "sender_required"
