"""What a text costs: a price for each part, by the beginning of the number."""

from decimal import Decimal
from typing import NamedTuple

from taskflow.settings.sms import SmsSettings


class Cost(NamedTuple):
    """What a text costs, and by which beginning of the number."""

    amount: Decimal
    per_part: Decimal
    currency: str
    prefix: str


def cost_of(settings: SmsSettings, number: str, parts: int) -> Cost | None:
    """Return what so many parts to a number (E.164) cost; None where no price is set."""
    prefix = max((one for one in settings.prices if number.startswith(one)), key=len, default=None)
    if prefix is None:
        return None
    per_part = settings.prices[prefix]
    return Cost(per_part * parts, per_part, settings.currency, prefix)
