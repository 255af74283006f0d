"""(d) Contacts: a CSV file of a million people, with phone numbers, becomes contacts on a list.

Everybody gets a tag, an entry on a list and a consent. The time runs from the first byte of the upload to the import's
end: upload, task, reading, checking, COPY, merge. The memory is what the two processes that see the file needed
together: the most that the API process and the process that imports ever had in RAM (the sum of both VmHWM).
"""

import time
from functools import partial
from typing import Any

from benchmarks import people
from benchmarks.cpu import CpuMeter, descendants, peak_mb
from benchmarks.figures import Figures
from benchmarks.gateway import Gateway
from benchmarks.options import Options
from benchmarks.system import WORK, Servers, System, until
from taskflow.base.ids import uuid7

_LONGEST = 900.0
_LOOK_SECONDS = 0.1


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    file = people.write(WORK / "contacts.csv", options.rows, phones=True)
    for _ in range(options.runs):
        async with System.fresh(servers) as system, Gateway.open(system) as gateway:
            await system.start_coordinator()
            worker = await system.start("worker")
            await system.wait_for_workers(1)
            list_id = uuid7()
            await system.database.pool.execute("INSERT INTO mailing_lists (list_id, name) VALUES ($1, 'News')", list_id)
            await servers.settle()
            meter = CpuMeter(**servers.pids, api=gateway.pid, worker=worker)
            started = time.perf_counter()
            fields: dict[str, Any] = {
                "default_region": "DE",
                "lists": [str(list_id)],
                "tags": ["benchmark"],
                "consent": {"wording": "Yes, send me the news."},
            }
            made = await gateway.import_contacts(file, fields)
            uploaded = time.perf_counter() - started
            ended = partial(_ended, system, made["import_id"])
            await until(ended, _LONGEST, "the import", every=_LOOK_SECONDS)
            seconds = time.perf_counter() - started
            spent = meter.per(options.rows)
            peak = peak_mb(gateway.pid) + max(peak_mb(pid) for pid in descendants(worker))
            report = await gateway.get(f"/contacts/imports/{made['import_id']}")
        assert report["created"] == report["rows"] == options.rows, report
        figures.add("import.contacts_1m_s", seconds * 1_000_000 / options.rows, "s")
        figures.add("import.contacts_upload_s", uploaded * 1_000_000 / options.rows, "s")
        figures.add("import.contacts_peak_mb", peak, "MiB")
        for name in ("api", "worker", "postgresql", "total"):
            figures.add(f"import.contacts.cpu.{name}_us", spent[name], "µs/row")


async def _ended(system: System, import_id: str) -> bool:
    """Ask the table, not the API: whoever asks ten times a second is limited there."""
    return bool(
        await system.database.pool.fetchval(
            "SELECT completed_at IS NOT NULL FROM contact_imports WHERE import_id = $1::text::uuid", import_id
        )
    )
