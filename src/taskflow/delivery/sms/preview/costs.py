"""What a text costs: what its provider takes for each part, by the beginning of the number, as the ledger says it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from taskflow.audience.channels import Channel
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.router.choose import usable
from taskflow.delivery.router.configured import route_of
from taskflow.delivery.router.models import Ask

sql = load(__file__)


class Cost(NamedTuple):
    """What a text costs, by which beginning of the number (None: any), over which provider (None: one of no price)."""

    amount: Decimal
    per_part: Decimal
    currency: str
    prefix: str | None
    provider: str | None


async def cost_of(
    pool: Pool, registry: Registry, prices: Mapping[str, Any], number: str, parts: int, *, requires_dlt: bool
) -> Cost | None:
    """Return what so many parts to a number (E.164) cost over the provider that is asked first; None: nobody says.

    `prices`: those of the settings (`SmsSettings.price_list`).
    """
    provider = await _asked_first(pool, registry, requires_dlt=requires_dlt)
    row = await pool.fetchrow(sql.price, provider, number, prices)
    if row is None:
        return None
    return Cost(row["price"] * parts, row["price"], row["currency"], row["prefix"], row["provider_name"])


async def _asked_first(pool: Pool, registry: Registry, *, requires_dlt: bool) -> str | None:
    """Return the name of the first provider that carries such texts and is no sandbox.

    Texts are transactional. Of providers that take turns, the one that is asked first most often.
    """
    kinds = {kind.name: kind for kind in registry.kinds if kind.may_carry_texts(requires_dlt=requires_dlt)}
    rows = await ProviderReader(pool).all(Channel.SMS)
    routes = [route_of(row, kinds[row.kind]) for row in rows if row.enabled and row.kind in kinds]
    ask = Ask(MessageClass.TRANSACTIONAL, requires_dlt=requires_dlt, channel=Channel.SMS)
    fitting = [route for route in usable(routes, ask) if not route.is_sandbox]
    return min(fitting, key=lambda route: (route.priority, -route.weight, route.name)).name if fitting else None
