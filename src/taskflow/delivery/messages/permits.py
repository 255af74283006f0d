"""What a key that is limited to domains may send."""

from collections.abc import Iterable

from taskflow.base.errors import ForbiddenError
from taskflow.delivery import addresses
from taskflow.identity.models import Principal


class SenderNotAllowedError(ForbiddenError):
    """The API key may not send as this sender."""

    code = "sender_not_allowed"


def check_senders(caller: Principal, senders: Iterable[str | None]) -> None:
    """Let a key with domains send from those and their subdomains only.

    `senders`: addresses whose domains are in ASCII; None is a text, which no domain stands for.

    Raises:
        SenderNotAllowedError: one is another, or a text.
    """
    if not caller.from_domains:
        return
    allowed = ", ".join(sorted(caller.from_domains))
    for sender in senders:
        if sender is None:
            raise SenderNotAllowedError(f"This key may send mail from {allowed} only: no texts.")
        domain = sender.rpartition("@")[2].lower()
        if not any(addresses.is_within(domain, parent) for parent in caller.from_domains):
            raise SenderNotAllowedError(f"This key may send mail from {allowed} only, not from {sender}.")
