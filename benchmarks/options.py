"""How much a call of the benchmarks does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """Sizes and repetitions; `quick` ones only prove that everything works."""

    runs: int = 3
    tasks: int = 100_000
    celery_tasks: int = 20_000
    latency_seconds: float = 20.0
    schedule_seconds: float = 20.0
    waiting: int = 100_000
    nodes: int = 10_000
    limited_tasks: int = 20_000
    finished: int = 10_000_000
    recipients: int = 50_000
    messages: int = 600
    rows: int = 1_000_000
    rivals: bool = True

    @classmethod
    def quick(cls) -> "Options":
        """Return sizes for a look."""
        return cls(
            runs=1,
            tasks=2_000,
            celery_tasks=500,
            latency_seconds=3.0,
            schedule_seconds=3.0,
            waiting=2_000,
            nodes=500,
            limited_tasks=2_000,
            finished=20_000,
            recipients=1_000,
            messages=100,
            rows=20_000,
            rivals=True,
        )
