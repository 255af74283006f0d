"""`taskflow coordinator`: runs the duties while it leads, stands by otherwise. Any number may run."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import click

from taskflow.base.logging import configure_logging, get_logger
from taskflow.cli.configuration import load_settings
from taskflow.settings import Settings

if TYPE_CHECKING:
    from taskflow.db.pool import Database
    from taskflow.engine.coordinator.duty import Duty, RuleSource

log = get_logger(__name__)

_RETRY_SECONDS = 1.0


@click.command("coordinator")
@click.option("--duties", help="Run only these duties, separated by commas; all of them by default.")
@click.option("--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics and /health there; 0: a free port.")
def coordinator(duties: str | None, metrics_port: int | None) -> None:
    """Run the coordinator's duties: relay, scheduler, schedules, dependencies, expiry, rescuer, campaigns,
    imports, dead_letters, unconfirmed, messages, message_orphans, sms_retention, pruner, drift.

    Any number of coordinators may run: one leads, the others take over within seconds when it is gone. One that runs
    other duties than the rest elects a leader of its own. It works at TASKFLOW_DATABASE_URL and TASKFLOW_REDIS_URL, or
    beside the `taskflow up` that runs here.
    """
    settings = load_settings(attach=True)
    configure_logging(settings.log.level, settings.log.format)
    changes: dict[str, object] = {}
    if duties is not None:
        changes["duties"] = [name.strip() for name in duties.split(",") if name.strip()]
    if metrics_port is not None:
        changes["metrics_port"] = metrics_port
    settings = settings.model_copy(update={"coordinator": settings.coordinator.model_copy(update=changes)})
    chosen = choose(all_duties(), settings.coordinator.duties)
    asyncio.run(serve(settings, chosen))


def all_duties() -> "list[Duty]":
    """Return every duty, in the order in which they are started."""
    from taskflow.audience.consent.duty import Unconfirmed
    from taskflow.audience.imports.jobs.duty import ImportsDuty
    from taskflow.campaigns.duty import CampaignsDuty
    from taskflow.delivery.messages.duty import MessageRetention
    from taskflow.delivery.messages.orphans import MessageOrphans
    from taskflow.delivery.reconciliation.duty import Reconciliation
    from taskflow.delivery.sms.duty import SmsRetention
    from taskflow.engine.coordinator.dead_letters import DeadLetters
    from taskflow.engine.coordinator.dependencies import Dependencies
    from taskflow.engine.coordinator.drift import DriftMeter
    from taskflow.engine.coordinator.expiry import Expiry
    from taskflow.engine.coordinator.pruner import Pruner
    from taskflow.engine.coordinator.relay import Relay
    from taskflow.engine.coordinator.rescuer import Rescuer
    from taskflow.engine.coordinator.scheduler import Scheduler
    from taskflow.engine.coordinator.schedules import Schedules

    return [
        Relay(),
        Scheduler(),
        Schedules(),
        Dependencies(),
        Expiry(),
        Rescuer(),
        CampaignsDuty(),
        Reconciliation(),
        ImportsDuty(),
        DeadLetters(),
        Unconfirmed(),
        MessageRetention(),
        MessageOrphans(),
        SmsRetention(),
        Pruner(),
        DriftMeter(),
    ]


def rule_sources() -> "list[RuleSource]":
    """Return who limits dispatch keys."""
    from taskflow.campaigns import duty as campaigns
    from taskflow.engine.queues import rules as queues

    return [queues.dispatch_rules, campaigns.dispatch_rules]


def choose(duties: "Sequence[Duty]", names: Sequence[str]) -> "list[Duty]":
    """Return the duties called `names`, or all of them when there are no names.

    Raises:
        UsageError: there is no such duty.
    """
    known = {duty.name: duty for duty in duties}
    for name in names:
        if name not in known:
            raise click.UsageError(f"There is no duty {name!r}; there are {', '.join(known)}.")
    return [duty for duty in duties if not names or duty.name in names]


async def serve(settings: Settings, duties: "Sequence[Duty]") -> None:
    """Run until SIGTERM or SIGINT; PostgreSQL and Redis may come and go meanwhile."""
    from taskflow.base.health import serve_health
    from taskflow.broker.redis.broker import RedisBroker
    from taskflow.engine.coordinator.daemon import Coordinator
    from taskflow.engine.coordinator.election import role_of

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        database = await _open_database(stack, settings, stop)
        if database is None:
            return
        broker = await stack.enter_async_context(RedisBroker.open(settings.redis, window=settings.coordinator.window))
        daemon = Coordinator(
            database,
            broker,
            settings,
            duties,
            rule_sources=rule_sources(),
            role=role_of(settings.coordinator.duties),
        )
        await stack.enter_async_context(
            serve_health(settings.coordinator.metrics_port, daemon.report, host=settings.coordinator.metrics_host)
        )
        await daemon.run(stop)


async def _open_database(stack: AsyncExitStack, settings: Settings, stop: asyncio.Event) -> "Database | None":
    """Connect, however long PostgreSQL takes to be there; None when told to stop first."""
    from taskflow.base.errors import UnavailableError
    from taskflow.db.pool import Database

    waiting = False
    while not stop.is_set():
        try:
            return await stack.enter_async_context(Database.open(settings.database, name="taskflow coordinator"))
        except UnavailableError as error:
            if not waiting:
                log.warning("coordinator_waits_for_postgresql", error=str(error))
            waiting = True
            await asyncio.sleep(_RETRY_SECONDS)
    return None
