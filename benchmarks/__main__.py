"""`python -m benchmarks`: runs the benchmarks, prints a table, and keeps the figures in results/latest.json."""

import argparse
import fcntl
import os
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import fields, replace

import uvloop

from benchmarks import (
    campaign,
    contact_import,
    csv_import,
    engine,
    failover,
    graph,
    latency,
    limits,
    render,
    report,
    retention,
    rival,
    schedule,
    segments,
    signing,
    throttled,
    transactional,
)
from benchmarks.figures import LATEST, Figures, show
from benchmarks.machine import facts
from benchmarks.options import Options
from benchmarks.system import WORK, Servers
from taskflow.base.logging import configure_logging

BENCHMARKS: dict[str, Callable[[Servers, Options, Figures], Awaitable[None]]] = {
    "engine": engine.run,
    "latency": latency.run,
    "schedule": schedule.run,
    "graph": graph.run,
    "limits": limits.run,
    "retention": retention.run,
    "campaign": campaign.run,
    "failover": failover.run,
    "throttled": throttled.run,
    "transactional": transactional.run,
    "import": csv_import.run,
    "contacts": contact_import.run,
    "segments": segments.run,
    "render": render.run,
    "signing": signing.run,
}


def main() -> int:
    """Run what was asked for; return the exit code."""
    names, options, quick = _arguments()
    if options.rivals and "engine" in names and not rival.available():
        print(
            "benchmarks/.venv is missing: `python3 tools/bootstrap.py bench` makes it; or --no-rivals leaves them out."
        )
        return 2
    configure_logging("WARNING", "console")
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("The benchmarks are running already; two at a time would measure each other.")
            return 1
        return uvloop.run(_run(names, options, quick=quick))


async def _run(names: list[str], options: Options, *, quick: bool) -> int:
    figures, failed = Figures(), []
    async with Servers.running() as servers:
        machine = await facts(servers)
        for name, value in machine.items():
            print(f"{name:<12} {value}")
        if (load := os.getloadavg()[0]) > 0.5:
            print(f"warning: something else is running here (load {load:.1f}); figures will be low and uneven")
        for name in names:
            started = time.monotonic()
            print(f"\n{name} …", flush=True)
            own = Figures()
            try:
                await BENCHMARKS[name](servers, options, own)
            except Exception as error:  # noqa: BLE001 - the others shall still run, and what was measured shall be seen
                failed.append(name)
                traceback.print_exception(error)
                print(f"{name} failed: {type(error).__name__}: {error}", flush=True)
                continue
            print(f"{name}: {time.monotonic() - started:.0f} s\n{_table(own)}", flush=True)
            figures.take(own)
    path = WORK / "quick" / LATEST.name if quick else LATEST
    figures.write(path, machine)
    print(f"\n{'NOT a measurement, only a look: ' if quick else ''}wrote {path}")
    if not quick:
        report.write()
        print(f"wrote the figures into {report.PAGE}")
    return 1 if failed else 0


def _table(figures: Figures) -> str:
    lines = [f"  {'':<38} {'median':>10} {'min':>10} {'max':>10}  {'':<9} n"]
    for metric, summary in figures.summaries().items():
        values = " ".join(f"{show(value):>10}" for value in (summary.median, summary.min, summary.max))
        lines.append(f"  {metric:<38} {values}  {summary.unit:<9} {summary.n}")
    return "\n".join(lines)


def _arguments() -> tuple[list[str], Options, bool]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"some of {', '.join(BENCHMARKS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run; results/ is left alone")
    parser.add_argument("--no-rivals", action="store_true", help="leave PgQueuer and Celery out")
    for option in fields(Options):
        if option.name != "rivals":
            kind = float if option.type in (float, "float") else int
            parser.add_argument(f"--{option.name.replace('_', '-')}", type=kind, help=f"[default: {option.default:,}]")
    given = vars(parser.parse_args())
    names = given.pop("names") or list(BENCHMARKS)
    for name in names:
        if name not in BENCHMARKS:
            parser.error(f"there is no benchmark {name!r}; there are {', '.join(BENCHMARKS)}")
    quick = given.pop("quick")
    rivals = not given.pop("no_rivals")
    sizes = {name: value for name, value in given.items() if value is not None}
    options = replace(Options.quick() if quick else Options(), rivals=rivals, **sizes)
    return names, options, quick


if __name__ == "__main__":
    sys.exit(main())
