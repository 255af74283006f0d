"""What bulk leaves of a provider's budgets to those who wait for their message."""

import pytest

from support.routing import BULK, RECEIPT, Clock, chosen, routing
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.providers.contract import MessageClass
from taskflow.delivery.router.models import Budgets, Route


@pytest.mark.parametrize(
    ("budgets", "why"),
    [
        (Budgets(per_second=20), "ses has had its messages of this second."),
        (Budgets(per_minute=20), "ses has had its messages of this minute."),
        (Budgets(per_day=20), "ses has had its messages of these 24 hours."),
        (Budgets(per_day=1_000, warm_up=(20,)), "ses has had its messages of these 24 hours."),
    ],
)
async def test_a_tenth_of_a_budget_is_left_to_transactional_messages(
    database: Database, broker: RedisBroker, clock: Clock, budgets: Budgets, why: str
) -> None:
    async with routing(database, broker, Route("ses", budgets=budgets), clock=clock) as router:
        if budgets.per_second:  # the second before the counters were there is waited for
            await router.reserve([BULK])
            clock.pass_by(2)
        assert chosen(await router.reserve([BULK] * 30)) == {"ses": 18, why: 12}
        assert chosen(await router.reserve([RECEIPT])) == {"ses": 1}
        assert chosen(await router.reserve([BULK])) == {why: 1}, "its share does not grow by what others use"
        assert chosen(await router.reserve([RECEIPT] * 3)) == {"ses": 1, why: 2}


@pytest.mark.parametrize(
    "route",
    [
        Route("ses", budgets=Budgets(per_day=20), classes=frozenset({MessageClass.BULK})),
        Route("ses", budgets=Budgets(per_day=9)),
    ],
)
async def test_nothing_is_left_where_nobody_else_writes_or_the_budget_is_small(
    database: Database, broker: RedisBroker, clock: Clock, route: Route
) -> None:
    async with routing(database, broker, route, clock=clock) as router:
        assert chosen(await router.reserve([BULK] * 30))["ses"] == route.budgets.per_day
