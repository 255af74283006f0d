"""One of two providers fails while a worker is killed: nobody is lost, and nobody is doubled but who is listed for it.

Two mail servers, two worker nodes, one campaign. At a random share of the mails the first server begins to fail, in a
way of the seed's choice, and a node is killed in the middle of it; the server comes back a little later.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from support.campaigns import counted, counter_sums, create, ledger, people, status_counts
from support.mail_providers import NEW
from support.processes import kill_group, running
from support.scripted_smtp import ScriptedSmtp, Session, hang_up, then_hang_up
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.service import ProviderService
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings

pytestmark = pytest.mark.chaos

RECIPIENTS = 400
LANES, WINDOW = 4, 10  # what one worker process may have on the wire
LEASE = 3
SHORT = {
    "TASKFLOW_WORKER_PROCESSES": "1",
    "TASKFLOW_WORKER_HEARTBEAT_SECONDS": "0.5",
    "TASKFLOW_WORKER_LEASE_SECONDS": str(LEASE),
    "TASKFLOW_COORDINATOR_DEAD_AFTER_SECONDS": str(LEASE),
    "TASKFLOW_COORDINATOR_RESCUER_SECONDS": "0.5",
    "TASKFLOW_ROUTER_OPEN_SECONDS": "0.5",
    "TASKFLOW_ROUTER_LONGEST_OPEN_SECONDS": "1",
}
AUTH = ("PIPELINING", "AUTH PLAIN")


class Failing:
    """A way in which a server fails from now on; counts how often it did."""

    def __init__(self, server: ScriptedSmtp) -> None:
        self.server = server
        self.fired = 0
        self.verbs: list[str] = []

    def start(self, *verbs: str, reply: str | Callable[[Session], object]) -> None:
        """Answer these verbs so."""

        async def answer(session: Session) -> None:
            self.fired += 1
            if isinstance(reply, str):
                await then_hang_up(reply)(session)  # type: ignore[operator]
            else:
                await hang_up(session)

        self.verbs += verbs
        for verb in verbs:
            self.server.always(verb, answer)

    def stop(self) -> None:
        """Work again."""
        for verb in self.verbs:
            self.server.never_mind(verb)


WAYS: dict[str, tuple[tuple[str, ...], str]] = {  # a seed takes one; two seeds in `make test` take the first two
    "cut after the dot": (("DOT", "CONNECT"), ""),
    "out of reach": (("CONNECT", "MAIL"), ""),
    "password": (("AUTH", "MAIL"), "535 5.7.8 Authentication credentials invalid"),
    "storm of 421": (("CONNECT", "MAIL", "RCPT", "DATA"), "421 4.7.0 too many connections"),
    "cut in the body": (("BODY", "CONNECT"), ""),
}


@pytest.fixture
async def campaigns(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[CampaignService]:
    async with RenderPool(settings.campaign) as rendering:
        yield CampaignService(database, broker, rendering)


async def slowly(_session: Session) -> None:
    """Take a moment for each message, so that there is a middle."""
    await asyncio.sleep(0.02)


async def test_nobody_is_lost_or_doubled_when_a_provider_fails_while_a_worker_dies(
    campaigns: CampaignService,
    database: Database,
    settings: Settings,
    environment: dict[str, str],
    seed: int,
) -> None:
    way = list(WAYS)[(seed - 1) % len(WAYS)]
    rng = random.Random(f"{way}:{seed}")  # noqa: S311
    environment |= SHORT
    registry = Registry()
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(ScriptedSmtp(AUTH))
        second = await stack.enter_async_context(ScriptedSmtp(AUTH))
        opener = await stack.enter_async_context(Opener.open(settings, registry))
        providers = ProviderService(database, registry, vault(settings), opener)
        for priority, (name, server) in enumerate({"first": first, "second": second}.items(), 1):
            server.always("BODY", slowly)
            where = {"host": "127.0.0.1", "port": server.port, "security": "none", "username": "ada"}
            told = {"name": name, "kind": "smtp", "settings": where, "secrets": {"password": "s"}, "priority": priority}
            await providers.create(NEW | told)
        await stack.enter_async_context(running(environment, "coordinator"))
        nodes = [await stack.enter_async_context(running(environment, "worker")) for _ in range(2)]
        campaign = await create(campaigns, people(RECIPIENTS))
        await campaigns.start(campaign.campaign_id)

        share = rng.uniform(0.1, 0.5)
        await eventually(
            lambda: len(first.messages) >= share * RECIPIENTS, seconds=60, what=f"{share:.0%} of the mails"
        )
        failing = Failing(first)
        verbs, words = WAYS[way]
        failing.start(*verbs, reply=words or hang_up)
        await eventually(lambda: failing.fired > 0, seconds=30, what="the server's failure")
        doomed = rng.choice(nodes)
        kill_group(doomed)
        await doomed.wait()
        taken_before = len(first.messages) + len(second.messages)
        assert taken_before < RECIPIENTS, "it was over before the worker died"
        await eventually(lambda: len(second.messages) > 20, seconds=60, what="the second server's mails")
        failing.stop()
        await stack.enter_async_context(running(environment, "worker"))

        async def over() -> bool:
            return (await campaigns.repository.get(campaign.campaign_id)).status == "COMPLETED"

        await eventually(over, seconds=90, every=0.1, what="the campaign's completion")
        rows = await ledger(database, campaign.campaign_id)
        counts = await status_counts(database, campaign.campaign_id)
        assert counted(counts) == await counter_sums(database, campaign.campaign_id)
        got = Counter(message.rcpt_to.decode() for server in (first, second) for message in server.messages)
        assert set(got.values()) == {1}, "nobody got it twice"
        sent = {email for email, row in rows.items() if row["status"] == "SENT"}
        uncertain = {email for email, row in rows.items() if row["status"] == "UNCERTAIN"}
        assert len(rows) == RECIPIENTS
        assert sent | uncertain == set(rows), counts
        assert sent <= set(got), "who is told to be reached was reached"
        assert set(rows) - set(got) <= uncertain, "nobody is lost"
        cut = failing.fired if "DOT" in verbs else 0
        assert len(uncertain) <= LANES * WINDOW + cut, "no more than was on the wire"
