"""Transactional: how long after a message was submitted the mail server has it, alone and beside a campaign.

50 messages a second, evenly and not waiting for each other, go to `POST /api/v1/messages`, each with words of its own
(HTML with variables). The time runs from before the request at the client until the server's 250, both on the machine's
monotonic clock. The nodes are those of `taskflow up`: one process serves the queue `messages`; the
two that leave it alone stand back (`--nice`). A campaign of twice the usual number of recipients runs beside the second
half; only messages that were submitted while it was being sent count there.
"""

import asyncio
import statistics
import time

from benchmarks import people
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.gateway import Gateway
from benchmarks.options import Options
from benchmarks.sink import Sink
from benchmarks.system import WORK, Servers, System, until

RATE = 50
_WARM_UP = 50
_LONGEST = 60.0
_TO = "now.example"
_HTML = (
    "<html><body><h1>Thank you, {{ name }}</h1><p>Order {{ number }} is on its way to {{ city }}.</p>"
    "{% if points %}<p>You have {{ points }} points.</p>{% endif %}"
    '<p><a href="https://shop.example.com/orders/{{ number }}">Follow it</a></p></body></html>'
)
_UNLIMITED = {
    f"TASKFLOW_{name}_PER_MINUTE": "1000000"
    for name in ("HTTP_RATE_LIMIT_USER", "HTTP_RATE_LIMIT_IP", "MESSAGE_RATE_LIMIT")
}


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for _ in range(options.runs):
        await _round(servers, options, figures)


async def _round(servers: Servers, options: Options, figures: Figures) -> None:
    count = 2 * options.recipients
    file = people.write(WORK / "people.csv", count)
    async with (
        Sink.running() as sink,
        System.fresh(servers, **sink.settings, **_UNLIMITED) as system,
        Gateway.open(system) as gateway,
    ):
        await system.start_coordinator()
        for queues, processes, niceness in (("!messages", PROCESSES, 10), ("messages", 1, 0)):
            how = ("--queues", queues, "--processes", str(processes), "--nice", str(niceness))
            await system.start("worker", *how, own_session=True)
        await system.wait_for_workers(PROCESSES + 1)
        campaign_id = (await gateway.upload(file))["campaign_id"]
        await servers.settle()
        await _submit(gateway, "warm", _WARM_UP)
        alone = await _submit(gateway, "alone", options.messages)
        await gateway.post(f"/campaigns/{campaign_id}/start")
        await gateway.sent(campaign_id, count // 50)
        beside = await _submit(gateway, "beside", options.messages)
        await gateway.completed(campaign_id)
        await until(lambda: _all_sent(system), _LONGEST, "the last message")
    taken = {one.recipient: one.at for one in sink.taken()}
    ended = max(at for recipient, at in taken.items() if not recipient.endswith(_TO))
    _publish(figures, "transactional.alone", alone, taken)
    _publish(figures, "transactional", {to: began for to, began in beside.items() if began < ended}, taken)


async def _submit(gateway: Gateway, kind: str, count: int) -> dict[str, float]:
    """Submit at the rate; return for each address when (monotonic) its message was submitted."""
    submitted: dict[str, float] = {}

    async def one(number: int) -> None:
        to = f"{kind}.{number}@{_TO}"
        submitted[to] = time.monotonic()
        await gateway.post(
            "/messages",
            {
                "to": [{"address": to, "name": "Zoë", "variables": {"name": "Zoë", "city": "Kraków"}}],
                "from_email": "orders@shop.example.com",
                "subject": "Your order {{ number }}",
                "html": _HTML,
                "variables": {"number": number, "points": 7 * number},
            },
        )

    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(count):
            await asyncio.sleep(max(0.0, start + number / RATE - time.monotonic()))
            group.create_task(one(number))
    return submitted


async def _all_sent(system: System) -> bool:
    return not await system.database.pool.fetchval("SELECT count(*) FROM messages WHERE status <> 'SENT'")


def _publish(figures: Figures, metric: str, submitted: dict[str, float], taken: dict[str, float]) -> None:
    assert submitted, "the campaign was over before the first message was submitted"
    values = sorted(taken[to] - began for to, began in submitted.items())
    figures.add(f"{metric}.p50_ms", 1000 * statistics.median(values), "ms")
    figures.add(f"{metric}.p99_ms", 1000 * values[int(len(values) * 0.99)], "ms")
    figures.add(f"{metric}.messages", len(values), "messages")
