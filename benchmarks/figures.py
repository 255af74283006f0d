"""Figures: samples of one metric over the runs, their summary, and the file that keeps it."""

import json
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "results"
LATEST = FOLDER / "latest.json"
MACHINE = FOLDER / "machine.json"


@dataclass(frozen=True, slots=True)
class Summary:
    """What is published of a metric."""

    median: float
    min: float
    max: float
    unit: str
    n: int

    @classmethod
    def of(cls, samples: Iterable[float], unit: str) -> "Summary":
        """Sum up samples."""
        values = sorted(samples)
        median = statistics.median(values)
        return cls(_rounded(median), _rounded(values[0]), _rounded(values[-1]), unit, len(values))


class Figures:
    """The samples of one call of the benchmarks."""

    def __init__(self) -> None:
        """Start empty."""
        self._samples: dict[str, list[float]] = {}
        self._units: dict[str, str] = {}
        self._ratios: dict[str, tuple[str, str]] = {}
        self._found: dict[str, Summary] = {}

    def add(self, metric: str, value: float, unit: str) -> None:
        """Add a sample; samples of one round are added in the same order for every metric."""
        self._samples.setdefault(metric, []).append(value)
        self._units[metric] = unit

    def ratio(self, metric: str, above: str, below: str) -> None:
        """Publish the ratio of two metrics' medians; its min and max are those of the rounds' own ratios."""
        self._ratios[metric] = (above, below)

    def take(self, others: "Figures") -> None:
        """Add the metrics of another benchmark."""
        self._found |= others.summaries()

    def summaries(self) -> dict[str, Summary]:
        """Return every metric's summary, by name."""
        found = dict(self._found)
        found |= {metric: Summary.of(values, self._units[metric]) for metric, values in self._samples.items()}
        for metric, (above, below) in self._ratios.items():
            if above in self._samples and below in self._samples:
                pairs = zip(self._samples[above], self._samples[below], strict=True)
                rounds = sorted(a / b for a, b in pairs)
                median = statistics.median(self._samples[above]) / statistics.median(self._samples[below])
                found[metric] = Summary(
                    _rounded(median), _rounded(rounds[0]), _rounded(rounds[-1]), "ratio", len(rounds)
                )
        return dict(sorted(found.items()))

    def write(self, path: Path, machine: dict[str, str]) -> None:
        """Merge the summaries into the file, and keep beside it what machine they come from."""
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        known |= {metric: asdict(summary) for metric, summary in self.summaries().items()}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(sorted(known.items())), indent=2) + "\n", encoding="utf-8")
        path.with_name(MACHINE.name).write_text(
            json.dumps(machine, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
        )


def show(value: float) -> str:
    """Return a figure as people read it."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _rounded(value: float) -> float:
    """Keep four significant digits: more would promise what no machine holds."""
    return float(f"{value:.4g}")
