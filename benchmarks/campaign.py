"""(c) Campaign: messages a second through the whole system, beside what the sink could take.

Everything is real: the CSV file is uploaded to the API, the coordinator feeds the tasks, one node with two worker
processes renders 10 KB of HTML for each recipient, signs it with DKIM (Ed25519), asks the router, keeps the ledger and
speaks SMTP to the sink, a process of its own that counts and forgets. `rate_limit_per_minute` is null. The time runs
from the first SENDING to the last SENT of the ledger. In each round the sink's own limit is measured too, with a sender
that pushes a prebuilt message of that size, and that of Postfix's pair `smtp-source` and `smtp-sink` where they are
installed.
"""

import asyncio
import os
import shutil
import socket
import sys
import time
from pathlib import Path

from benchmarks import people
from benchmarks.cpu import CpuMeter
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.gateway import Gateway
from benchmarks.options import Options
from benchmarks.sink import Sink
from benchmarks.system import ROOT, WORK, Servers, System, bounded, clean_environment, end, spawn, until
from taskflow.delivery.dkim import Algorithm
from taskflow.delivery.domains.service import DomainService

_LONGEST = 600.0


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for number in range(options.runs):
        turns = [_sink_limit, _campaign, *([_postfix_limit] if _postfix() else [])]
        for turn in turns if number % 2 == 0 else reversed(turns):
            await turn(servers, options, figures)
    for limit in ("sink_limit", "postfix_limit"):
        figures.ratio(f"campaign.vs_{limit}", "campaign.messages_per_s", f"campaign.{limit}.messages_per_s")


async def _sink_limit(_servers: Servers, options: Options, figures: Figures) -> None:
    """Measure the sink alone."""
    lines = (people.EXAMPLE / "template.html").stat().st_size // 78
    message = b"Subject: sink\r\n\r\n" + (b"x" * 76 + b"\r\n") * lines
    async with Sink.running(record=False) as sink:
        program: list[str | Path] = [sys.executable, ROOT / "benchmarks" / "smtp_sender.py"]
        sender = await spawn(
            [*program, "--port", str(sink.port), "--messages", str(options.recipients)],
            clean_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        async with bounded(_LONGEST, "the sink's sender"):
            output, _ = await sender.communicate(message)
    figures.add("campaign.sink_limit.messages_per_s", float(output), "msg/s")


def _postfix() -> tuple[str, str] | None:
    """Return Postfix's test sender and test sink, which Debian puts where only root looks."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
    source, sink = (shutil.which(name, path=path) for name in ("smtp-source", "smtp-sink"))
    return (source, sink) if source and sink else None


async def _postfix_limit(_servers: Servers, options: Options, figures: Figures) -> None:
    """Measure Postfix's sender into Postfix's sink: the same size, eight sessions that stay open."""
    programs = _postfix()
    assert programs is not None
    source, sink_program = programs
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    sink = await spawn([sink_program, *user, address, "64"], clean_environment(), stderr=asyncio.subprocess.DEVNULL)
    try:
        await until(lambda: _listens(address), 20, "smtp-sink", every=0.05)
        size = (people.EXAMPLE / "template.html").stat().st_size
        command = [source, "-d", "-s", "8", "-l", str(size), "-m", str(options.recipients), address]
        started = time.perf_counter()
        sender = await spawn(command, clean_environment())
        async with bounded(_LONGEST, "smtp-source"):
            code = await sender.wait()
        seconds = time.perf_counter() - started
    finally:
        await end(sink)
    assert code == 0, f"smtp-source ended with {code}"
    figures.add("campaign.postfix_limit.messages_per_s", options.recipients / seconds, "msg/s")


async def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    return True


async def _campaign(servers: Servers, options: Options, figures: Figures) -> None:
    """Send one campaign."""
    count = options.recipients
    file = people.write(WORK / "people.csv", count)
    async with (
        Sink.running() as sink,
        System.fresh(servers, **sink.settings) as system,
        Gateway.open(system) as gateway,
    ):
        coordinator = await system.start_coordinator()
        node = await system.start("worker", "--processes", str(PROCESSES))
        await system.wait_for_workers(PROCESSES)
        campaign_id = (await gateway.upload(file))["campaign_id"]
        await sign_with_ed25519(system, (await gateway.get(f"/campaigns/{campaign_id}"))["from_email"])
        await servers.settle()
        meter = CpuMeter(**servers.pids, coordinator=coordinator, workers=node, api=gateway.pid, sink=sink.pid)
        started = time.perf_counter()
        await gateway.post(f"/campaigns/{campaign_id}/start")
        campaign = await gateway.completed(campaign_id)
        whole = time.perf_counter() - started
        spent = meter.per(count)
        seconds = await system.database.pool.fetchval(
            "SELECT extract(epoch FROM max(sent_at) - min(sending_at))::float8 FROM email_recipients"
        )
    taken = sink.taken()
    took = [one.recipient for one in taken]
    assert campaign["sent_count"] == count, campaign
    assert len(took) == len(set(took)) == count, f"the sink took {len(took)} mails for {len(set(took))} of {count}"
    assert {one.algorithm for one in taken} == {Algorithm.ED25519}, "not every mail was signed"
    figures.add("campaign.messages_per_s", count / seconds, "msg/s")
    figures.add("campaign.start_to_completed_s", whole, "s")
    for name, value in spent.items():
        figures.add(f"campaign.cpu.{name}_us", value, "µs/msg")


async def sign_with_ed25519(system: System, sender: str) -> None:
    """Give the domain of a sender's address an Ed25519 key that signs from now on, as if DNS showed it."""
    domains, domain = DomainService(system.database, system.settings), sender.rpartition("@")[2]
    await domains.add(domain)
    async with system.database.pool.acquire() as connection, connection.transaction():
        await domains.repository.activate(connection, domain, [Algorithm.ED25519])
