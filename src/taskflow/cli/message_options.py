"""Which messages are meant: options that commands about them share."""

from collections.abc import Callable
from typing import Any, TypeVar
from uuid import UUID

import click

C = TypeVar("C", bound=Callable[..., Any])

_STATUSES = (
    "PENDING", "SENDING", "SENT", "FAILED", "DEFERRED", "UNCERTAIN", "SUPPRESSED", "CANCELLED", "BOUNCED",
    "UNSUBSCRIBED",
)  # fmt: skip
_CHANNEL = click.option("--channel", type=click.Choice(["email", "sms"]), help="Only these.")
_TAG = click.option("--tag", help="Only those with this tag.")
_PROVIDER = click.option("--provider", help="Only what it carried.")
_AFTER = click.option("--after", "created_after", help="Not older: 2026-01-31T09:00:00Z.")
_BEFORE = click.option("--before", "created_before", help="Older: 2026-01-31T09:00:00Z.")
_SELECTION = (
    _CHANNEL, _TAG, _PROVIDER, _AFTER, _BEFORE,
    click.option("--submission", "submission_id", type=click.UUID, help="Only those of one call."),
    click.option("--scheduled", is_flag=True, help="Only those whose time is yet to come."),
)  # fmt: skip
_FILTERS = (
    click.option("--search", "q", help="An id, the provider's id, a Message-ID, or a part of the subject; of 7 days."),
    click.option("--address", help="To this address, campaign mail too."),
    click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only these."),
    click.option("--delivery", type=click.Choice(["sent", "delivered", "failed"]), help="Only texts told so of."),
    *_SELECTION,
)


def span(command: C) -> C:
    """Give a command the options of a time and a tag."""
    return _with(command, _AFTER, _BEFORE, _TAG)


def counted(command: C) -> C:
    """Give a command those that say what is counted."""
    return _with(command, _AFTER, _BEFORE, _TAG, _PROVIDER, _CHANNEL)


def selection(command: C) -> C:
    """Give a command those that say which messages it changes."""
    return _with(command, *_SELECTION)


def filters(command: C) -> C:
    """Give a command those that say which messages it lists."""
    return _with(command, *_FILTERS)


def query_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given as the API takes them."""
    query = {name: plain(value) for name, value in options.items() if value not in (None, False)}
    return query | ({"status": query["status"].upper()} if "status" in query else {})


def plain(value: Any) -> Any:
    """Return an option's value as JSON has it."""
    if isinstance(value, UUID):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def _with(command: C, *options: Callable[[C], C]) -> C:
    for option in reversed(options):
        command = option(command)
    return command
