"""Writes the figures of results/latest.json into docs/benchmarks.md, between its two marks, so that nobody copies them.

python -m benchmarks.report [--check]
"""

import json
import sys
from pathlib import Path

from benchmarks.figures import LATEST, MACHINE, show

PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"
_BEGIN = "<!-- figures: written by `python -m benchmarks.report`; do not edit -->"
_END = "<!-- end of figures -->"
_AIMS = {
    "engine.drain.tasks_per_s": "above 15,000",
    "engine.drain.vs_pgqueuer": "above 1",
    "engine.latency.p99_ms": "below 15",
    "schedule.delay_p99_ms": "below 200",
    "schedule.fire_delay_p99_ms": "below 200",
    "limits.most_at_once": "2",
    "retention.drain_ratio_10m": "above 0.9",
    "campaign.messages_per_s": "4,000",
    "campaign.failover.lost": "0",
    "campaign.failover.doubled": "0",
    "campaign.killed.lost": "0",
    "campaign.killed.doubled": "0",
    "campaign.throttled.others_ratio": "about 1",
    "campaign.throttled.attempts_burnt": "0",
    "transactional.p99_ms": "below 100",
    "import.seconds": "below 30",
    "import.peak_mb": "below 300",
    "import.contacts_1m_s": "below 60",
    "import.contacts_peak_mb": "below 400",
    "segment.count_1m_ms": "below 1,000",
    "audience.freeze_1m_s": "below 30",
    "render.messages_per_s": "5,000",
}
_HEADLINES = {
    "engine": "Engine: enqueue, drain and latency",
    "schedule": "Schedule",
    "graph": "Graph",
    "limits": "Limits",
    "retention": "Retention",
    "campaign": "Campaign",
    "transactional": "Single messages",
    "import": "Import",
    "segment": "Segments",
    "audience": "Audiences",
    "render": "Rendering",
    "signing": "Signing",
}


def section() -> str:
    """Return the figures as Markdown."""
    if not LATEST.exists():
        return "No figures yet: `make bench`."
    figures = json.loads(LATEST.read_text(encoding="utf-8"))
    machine = json.loads(MACHINE.read_text(encoding="utf-8"))
    parts = ["; ".join(f"{name} {value}" for name, value in machine.items()) + "."]
    for area, headline in _HEADLINES.items():
        names = [name for name in figures if name.partition(".")[0] == area]
        if names:
            parts += [_table(headline, {name: figures[name] for name in names if ".cpu." not in name})]
        spent = {name: figures[name] for name in names if ".cpu." in name}
        if spent:
            parts += [_table(f"{headline.partition(':')[0]}: CPU time", spent)]
    return "\n\n".join(parts)


def _table(headline: str, figures: dict[str, dict[str, float]]) -> str:
    lines = [f"### {headline}", "", "| metric | median | min to max | unit | n | aim |", "|---|---|---|---|---|---|"]
    for name, found in figures.items():
        spread = f"{show(found['min'])} to {show(found['max'])}"
        cells = (f"`{name}`", f"**{show(found['median'])}**", spread, found["unit"], found["n"], _AIMS.get(name, ""))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def page() -> str:
    """Return the whole page with the present figures."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n\n{section()}\n\n{_END}{after}"


def write() -> None:
    """Bring the page up to date."""
    PAGE.write_text(page(), encoding="utf-8")


def main() -> int:
    """Write, or say whether the page is stale."""
    if "--check" in sys.argv[1:]:
        if PAGE.read_text(encoding="utf-8") == page():
            return 0
        print("docs/benchmarks.md does not show results/latest.json: python -m benchmarks.report")
        return 1
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
