"""How many submissions somebody may make a minute: calls of POST /messages and mails over the relay together."""

from taskflow.identity.models import Principal
from taskflow.settings import Settings


def allowance(principal: Principal, settings: Settings) -> tuple[str, int]:
    """Return whose window a submission counts in, and how many there are a minute.

    A key with a limit of its own has that for all that it does.
    """
    if principal.rate_limit_per_minute is not None:
        return principal.rate_limit_identity, principal.rate_limit_per_minute
    return f"messages:{principal.user_id}", settings.message.rate_limit_per_minute
