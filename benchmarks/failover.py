"""Failover: a campaign over two mail servers one of which gets into trouble, and one that loses a worker process.

Both servers are rows of `providers`, of one priority and weight. In the first round one of them begins to fail when it
has taken a quarter of the campaign, about half-way: see `troubled_sink.py`. In the second both work, and one of the two
worker processes is killed with kill -9 at 30 % of the campaign. What both servers took is compared with the ledger.
"""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks import people
from benchmarks.balance import Balance, Ledger
from benchmarks.cpu import children
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.gateway import Gateway
from benchmarks.options import Options
from benchmarks.sink import Sink
from benchmarks.system import WORK, Servers, System

_KILLED_AT = 0.3


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for _ in range(options.runs):
        await _failing(servers, options, figures)
        await _killed(servers, options, figures)


async def _failing(servers: Servers, options: Options, figures: Figures) -> None:
    """Send over a server that works and one that fails from some time on."""
    troubles = {"fail_after": options.recipients // 4}
    async with (
        Sink.running("steady") as steady,
        Sink.running("failing", troubles=troubles) as failing,
        _campaign(servers, options, steady, failing) as (system, gateway, campaign_id, _),
    ):
        await gateway.completed(campaign_id)
        ledger = await Ledger.read(system)
    balance = Balance.over(ledger, steady, failing)
    notes = failing.troubles()
    cut = {message_id for what, message_id in notes if what in ("kept", "dropped")}
    assert notes, "the failing server never failed"
    assert balance.uncertain <= cut, f"UNCERTAIN, but never cut off: {balance.uncertain - cut}"
    balance.publish(figures, "campaign.failover", ledger)
    figures.add("campaign.failover.cut_off", len(cut), "mails")
    figures.add("campaign.failover.refused", sum(what in ("refused", "closed") for what, _ in notes), "times")


async def _killed(servers: Servers, options: Options, figures: Figures) -> None:
    """Send over two servers that work, and kill a worker process."""
    async with (
        Sink.running("one") as one,
        Sink.running("other") as other,
        _campaign(servers, options, one, other) as (system, gateway, campaign_id, node),
    ):
        await gateway.sent(campaign_id, int(options.recipients * _KILLED_AT))
        os.kill(_processes(node)[0], signal.SIGKILL)
        at = int((await gateway.get(f"/campaigns/{campaign_id}"))["sent_count"])
        await gateway.completed(campaign_id)
        ledger = await Ledger.read(system)
    assert at < options.recipients, "the campaign was over before a process was killed"
    Balance.over(ledger, one, other).publish(figures, "campaign.killed", ledger)


@asynccontextmanager
async def _campaign(
    servers: Servers, options: Options, *sinks: Sink
) -> AsyncIterator[tuple[System, Gateway, str, int]]:
    """Start a campaign over these servers; yield what runs it, its id, and the worker node's process."""
    file = people.write(WORK / "people.csv", options.recipients)
    async with System.fresh(servers) as system, Gateway.open(system) as gateway:
        for number, sink in enumerate(sinks, 1):
            await gateway.post("/providers", sink.provider(f"server-{number}"))
        await system.start_coordinator()
        node = await system.start("worker", "--processes", str(PROCESSES))
        await system.wait_for_workers(PROCESSES)
        campaign_id = (await gateway.upload(file))["campaign_id"]
        await servers.settle()
        await gateway.post(f"/campaigns/{campaign_id}/start")
        yield system, gateway, campaign_id, node


def _processes(node: int) -> list[int]:
    """Return the worker processes of a node: it has other children, too."""
    started = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children(node)}
    return [pid for pid, command in started.items() if b"taskflow.engine.worker.child" in command]
