"""Limits of the dispatch: how much of a subject may be under way, and how fast it may start.

A subject is a queue (`queue:images`), or a part of queues that waits by itself: `campaign:<id>`, `task:resize`,
`task:resize/tenant-7`. A dispatch key names its two subjects: `images/task:resize/tenant-7` counts for the queue and
for the part, in whatever queue that waits. `task:resize/*` is what each key of a task may do that has no limit of its
own.
"""

from typing import NamedTuple

EVERY_KEY = "/*"


class Limit(NamedTuple):
    """What a subject may do; None: as much as there is.

    `concurrency`: ids handed out at a time. `per_minute`: how many a minute. `weight`: the share of a queue among
    queues, or of a key among the keys of its queue. `aging`: of a queue, seconds of waiting worth a priority level.
    """

    concurrency: int | None = None
    per_minute: float | None = None
    weight: float = 1.0
    aging: float | None = None

    def pack(self) -> str:
        """Return it as the scripts read it; empty when it limits nothing."""
        if self == Limit():
            return ""
        return " ".join("-" if value is None else f"{value:.12g}" for value in self)

    @classmethod
    def unpack(cls, text: str | None) -> "Limit":
        """Read what `pack` wrote."""
        if not text:
            return cls()
        concurrency, per_minute, weight, aging = (None if word == "-" else float(word) for word in text.split(" "))
        return cls(None if concurrency is None else int(concurrency), per_minute, weight or 1.0, aging)


def subject_of(dispatch_key: str) -> str:
    """Return the subject that a dispatch key is limited by: the part of a queue, or the whole of one."""
    queue, _, part = dispatch_key.partition("/")
    return part or queue_subject(queue)


def queue_subject(queue: str) -> str:
    """Return a queue as a subject."""
    return f"queue:{queue}"
