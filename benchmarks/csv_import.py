"""(d) Import: a CSV file of a million rows, uploaded over HTTP into a new campaign.

The time is that of the whole request: upload, spooling, reading, checking, COPY, and one commit. The memory is the most
that the API process ever had in RAM (VmHWM); each run has a new process.
"""

import time

from benchmarks import people
from benchmarks.cpu import CpuMeter, peak_mb
from benchmarks.figures import Figures
from benchmarks.gateway import Gateway
from benchmarks.options import Options
from benchmarks.system import WORK, Servers, System, bounded

_LONGEST = 600.0


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    file = people.write(WORK / "people.csv", options.rows)
    for _ in range(options.runs):
        async with System.fresh(servers) as system, Gateway.open(system) as gateway:
            idle = peak_mb(gateway.pid)
            await servers.settle()
            meter = CpuMeter(**servers.pids, api=gateway.pid)
            started = time.perf_counter()
            async with bounded(_LONGEST, "the import"):
                campaign = await gateway.upload(file)
            seconds = time.perf_counter() - started
            spent = meter.per(options.rows)
            peak = peak_mb(gateway.pid)
        report = campaign["import"]
        assert report["accepted"] == report["rows"] == options.rows, report
        figures.add("import.seconds", seconds, "s")
        figures.add("import.rows_per_s", options.rows / seconds, "rows/s")
        figures.add("import.peak_mb", peak, "MiB")
        figures.add("import.idle_mb", idle, "MiB")
        for name in ("api", "postgresql", "total"):
            figures.add(f"import.cpu.{name}_us", spent[name], "µs/row")
