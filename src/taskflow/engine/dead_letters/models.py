"""What the dead letters are asked for, and what a policy says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from taskflow.base.errors import InvalidInputError

MAX_POLICY_RETRIES = 100
MAX_DELAY_SECONDS = 30 * 86_400.0
MAX_BACKOFF = 10.0


class InvalidPolicyError(InvalidInputError):
    """The retry policy does not add up."""

    code = "invalid_policy"


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    """Which dead letters; what is None does not matter.

    Attributes:
        moved_after, moved_before: when the task was given up; the second bound is not included.
        requeued: only those that somebody has requeued, or only the others.
        text: occurs in the reason, the traceback or the arguments; case does not matter.
    """

    task_name: str | None = None
    queue: str | None = None
    fingerprint: str | None = None
    moved_after: datetime | None = None
    moved_before: datetime | None = None
    requeued: bool | None = None
    text: str | None = None
    dlq_ids: Sequence[UUID] | None = None

    def parameters(self) -> tuple[Any, ...]:
        """Return them in the order in which the statements take them."""
        return (
            self.task_name, self.queue, self.fingerprint, self.moved_after, self.moved_before, self.requeued,
            self.text or None, None if self.dlq_ids is None else list(self.dlq_ids),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When tasks of a name leave the dead letters by themselves.

    Args:
        max_retries: how often at most, for one task.
        delay: seconds from the letter to the first of them.
        backoff: each further delay is so many times the last one.
        max_delay: seconds; no delay is longer.

    Raises:
        InvalidPolicyError: it does not add up.
    """

    task_name: str
    max_retries: int = 3
    delay: float = 60.0
    backoff: float = 2.0
    max_delay: float = 86_400.0

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not 1 <= self.max_retries <= MAX_POLICY_RETRIES:
            raise InvalidPolicyError(f"max_retries takes 1 to {MAX_POLICY_RETRIES}.", field="max_retries")
        if not 1 <= self.backoff <= MAX_BACKOFF:
            raise InvalidPolicyError(f"backoff takes 1 to {MAX_BACKOFF:g}.", field="backoff")
        if not 0 <= self.delay <= self.max_delay <= MAX_DELAY_SECONDS:
            raise InvalidPolicyError(
                f"Delays take 0 to {MAX_DELAY_SECONDS:,.0f} seconds, and the longest is not below the first:"
                f" {self.delay:g} and {self.max_delay:g} were given.",
                field="max_delay_seconds",
            )
