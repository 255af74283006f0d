"""Delivery: who carries messages and whether they do, the relay, the lane of messages, what waits for a person."""

from collections.abc import Sequence

from taskflow.audience.channels import Channel
from taskflow.base.errors import ConfigurationError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.cli.checkup import relay
from taskflow.cli.checkup.finding import Finding, ok, problem, warning
from taskflow.db.pool import Database
from taskflow.delivery.domains.findings import FindingStatus
from taskflow.delivery.domains.models import SendingDomain
from taskflow.delivery.domains.repository import DomainRepository
from taskflow.delivery.messages.models import QUEUE
from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.providers.opening import SMS_FALLBACK, Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.router.board import RouteBoard, RoutesUnseenError
from taskflow.delivery.router.configured import configured_routes, unopenable
from taskflow.delivery.router.models import BreakerState, Override, RouteState
from taskflow.delivery.uncertain import count_uncertain
from taskflow.settings import Settings

_WORDS = {Channel.EMAIL: "mail", Channel.SMS: "texts"}
_MOST_DOMAINS = 50
_SERVING = """
SELECT count(*) FROM workers
WHERE stopped_at IS NULL AND status NOT IN ('DEAD', 'PAUSED', 'DRAINING')
  AND last_heartbeat > now() - $1 * interval '1 second'
  AND (queues = '{}' OR $2 = ANY (queues) OR (queues[1] LIKE '!%' AND NOT '!' || $2 = ANY (queues)))
"""


async def examine(settings: Settings) -> list[Finding]:
    """Look at delivery; PostgreSQL and Redis are known to answer, and the tables to be there."""
    async with (
        Database.open(settings.database, name="taskflow doctor") as database,
        RedisBroker.open(settings.redis) as broker,
    ):
        findings = await _providers(settings, database, broker)
        findings += [await relay.examine(settings.submission), await _lane(database, settings)]
        findings.append(await _uncertain(database))
        domains = await DomainRepository(database.pool).page(None, _MOST_DOMAINS)
        return [*findings, *map(_domain, domains)]


async def _providers(settings: Settings, database: Database, broker: RedisBroker) -> list[Finding]:
    registry = Registry.installed()
    routes = configured_routes(database, settings, registry)
    try:
        async with Opener.open(settings, registry) as opener:
            board = RouteBoard(database, broker, settings.router, routes, unopenable(database, opener))
            states = await board.look()
    except (ConfigurationError, RoutesUnseenError) as error:
        return [warning("providers", "could not be looked at", str(error))]
    return [finding for channel in Channel for finding in _of_channel(channel, states, settings)]


def _of_channel(channel: Channel, states: Sequence[RouteState], settings: Settings) -> list[Finding]:
    """Say of each provider of a channel whether it takes messages, and how bad it is if not."""
    words, name = _WORDS[channel], f"providers of {_WORDS[channel]}"
    mine = [state for state in states if state.route.channel is channel]
    if not mine:
        return [problem(name, f"all disabled: {words} wait", "taskflow provider set NAME --enable")]
    stand_in = SMS_FALLBACK if channel is Channel.SMS else smtp_name(settings) if settings.smtp.host is None else None
    if all(state.route.is_sandbox or state.route.name == stand_in for state in mine):
        seen = f"{words} go to the sandbox inbox only"
        if channel is Channel.SMS:
            return [ok(name, seen)]
        return [warning(name, f"{seen}: nobody gets them", "taskflow provider add, or set TASKFLOW_SMTP_HOST")]
    has_reserve = any(state.usable for state in mine)
    return [_provider(state, has_reserve=has_reserve) for state in mine]


def _provider(state: RouteState, *, has_reserve: bool) -> Finding:
    name = f"provider {state.route.name}"
    if state.usable:
        return ok(name, "takes messages")
    seen = state.waiting or ""
    if state.override is Override.OPEN:
        mend = f"taskflow route auto {state.route.name}"
    elif state.breaker is not BreakerState.CLOSED or state.wait_seconds is None:
        seen += f" {state.reason}" if state.reason and state.reason not in seen else ""
        mend = f"taskflow provider test {state.route.name}"
    else:
        return warning(name, seen, "taskflow route list")  # a budget or a pace: that is over by itself
    return warning(name, seen, mend) if has_reserve else problem(name, f"{seen} No other takes messages.", mend)


async def _lane(database: Database, settings: Settings) -> Finding:
    serving: int = await database.pool.fetchval(_SERVING, settings.coordinator.dead_after_seconds, QUEUE)
    if serving:
        return ok("messages", f"their queue is served by {serving} living worker{'s' if serving > 1 else ''}")
    return warning("messages", "no living worker serves their queue: they wait", f"taskflow worker --queues {QUEUE}")


async def _uncertain(database: Database) -> Finding:
    count = await count_uncertain(database.pool)
    if not count:
        return ok("uncertain", "no message")
    mend = "taskflow message list --status UNCERTAIN, taskflow campaign list; docs/how-to/uncertain-recipients.md"
    return warning("uncertain", f"{count:,} perhaps delivered, perhaps not", mend)


def _domain(domain: SendingDomain) -> Finding:
    name, mend = f"domain {domain.domain}", f"taskflow domain check {domain.domain}"
    if domain.checked_at is None or domain.report is None:
        return warning(name, "never checked", mend)
    checked = f"{domain.checked_at:%Y-%m-%d %H:%M} UTC"
    failed = sorted({one["check"] for one in domain.report if one["status"] == FindingStatus.FAIL})
    if failed:
        return warning(name, f"failed at {checked}: {', '.join(failed)}", mend)
    return ok(name, f"in order at {checked}")
