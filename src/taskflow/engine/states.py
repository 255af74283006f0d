"""The state machine of a task: the one table of legal transitions, mirrored by CHECKs in the schema.

```
            due                    claim
SCHEDULED ───────▶ PENDING ───────────────▶ RUNNING ──▶ COMPLETED | FAILED | TIMEOUT | CANCELLED
    ▲                 ▲                        │
    │  retry          │ released, rescued      │
    └─────────────────┴────────────────────────┘          FAILED | TIMEOUT | CANCELLED ──▶ PENDING (by hand)
```

BLOCKED tasks wait for parents (see `engine/dependencies`): they become PENDING, or SCHEDULED when their time has not
come, or end without having run: FAILED or CANCELLED by the policy of an edge, COMPLETED when they are a group. A task
that has not started may still get a parent, and one that starts over waits for its parents again.

Only the worker that holds the lease (its `lease_epoch` is the row's), or the rescuer once that worker is gone, ends
a RUNNING task. Everybody else may only ask for it (`cancel_requested_at`).
"""

from enum import IntEnum, StrEnum

from taskflow.base.errors import ConflictError, InvalidInputError


class TaskStatus(StrEnum):
    """Where a task is in its life."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    BLOCKED = "BLOCKED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"


TERMINAL = frozenset({TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.TIMEOUT})

TRANSITIONS: dict[TaskStatus, frozenset[TaskStatus]] = {
    TaskStatus.BLOCKED: frozenset(
        {TaskStatus.PENDING, TaskStatus.SCHEDULED, TaskStatus.CANCELLED, TaskStatus.FAILED, TaskStatus.COMPLETED}
    ),
    TaskStatus.SCHEDULED: frozenset({TaskStatus.PENDING, TaskStatus.BLOCKED, TaskStatus.CANCELLED}),
    TaskStatus.PENDING: frozenset({TaskStatus.RUNNING, TaskStatus.BLOCKED, TaskStatus.CANCELLED}),
    TaskStatus.RUNNING: TERMINAL | {TaskStatus.PENDING, TaskStatus.SCHEDULED},
    TaskStatus.COMPLETED: frozenset(),
    TaskStatus.FAILED: frozenset({TaskStatus.PENDING, TaskStatus.BLOCKED}),
    TaskStatus.TIMEOUT: frozenset({TaskStatus.PENDING, TaskStatus.BLOCKED}),
    TaskStatus.CANCELLED: frozenset({TaskStatus.PENDING, TaskStatus.BLOCKED}),
}

CANCELLABLE = frozenset(status for status, following in TRANSITIONS.items() if TaskStatus.CANCELLED in following)
RETRIABLE = frozenset(status for status in TERMINAL if TaskStatus.PENDING in TRANSITIONS[status])


class IllegalTransitionError(ConflictError):
    """The task is not in a state that allows this."""

    code = "illegal_transition"


def check_transition(current: TaskStatus, wanted: TaskStatus) -> None:
    """Raise unless a task may go from `current` to `wanted`."""
    if wanted not in TRANSITIONS[current]:
        raise IllegalTransitionError(f"A task that is {current} cannot become {wanted}.", status=current)


class Priority(IntEnum):
    """The four names on the scale from 1 to 10, where 10 goes first."""

    CRITICAL = 10
    HIGH = 8
    MEDIUM = 5
    LOW = 2

    @classmethod
    def parse(cls, value: "int | str | Priority") -> int:
        """Return the number of a name or of a number from 1 to 10.

        Raises:
            InvalidInputError: it is neither.
        """
        if isinstance(value, str) and value.upper() in cls.__members__:
            return cls[value.upper()].value
        if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10:
            return int(value)
        raise InvalidInputError(f"Priority {value!r} is neither CRITICAL, HIGH, MEDIUM, LOW nor a number from 1 to 10.")

    @classmethod
    def name_of(cls, value: int) -> str | None:
        """Return the name of a number, if it has one."""
        return _NAMES.get(value)


_NAMES = {priority.value: priority.name for priority in Priority}
