"""From a row of the ledger to a text: its words were finished when it was taken, so nothing is rendered here."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from taskflow.delivery.dlt import Facts, not_before, window_opens
from taskflow.delivery.messages.carrier import Load
from taskflow.delivery.messages.composer import Composed, Held
from taskflow.delivery.messages.ledger import Row
from taskflow.delivery.messages.models import StoredSubmission, TextTerms, TextWords
from taskflow.delivery.providers.contract import Sms

_BYTES = 16 * 1024
_NOT_KEPT = "Its words are not kept any more: submit it again."


class TextComposer:
    """Makes texts."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Take the clock by which promotional texts wait for their hours."""
        self._now = now

    async def size_of(self, submission: StoredSubmission) -> int:  # noqa: ARG002 - all are small
        """Return more than a text takes."""
        return _BYTES

    async def compose(self, submission: StoredSubmission, rows: Sequence[Row]) -> list[Composed | Held | str]:
        """Return one text for each row; outside of their hours promotional ones under DLT are held."""
        terms = submission.letter
        if not isinstance(terms, TextTerms):
            raise TypeError(f"the submission {submission.submission_id} is no text")
        now = self._now()
        opens = window_opens(now) if terms.promotional and terms.dlt is not None else None
        if opens is not None:
            held = Held((opens - now).total_seconds(), not_before(opens))
            return [held] * len(rows)
        return [_composed(terms, row) for row in rows]


def _composed(terms: TextTerms, row: Row) -> Composed | str:
    if not row.personalization:  # an erasure, or a message that was out already
        return _NOT_KEPT
    words = TextWords(**row.personalization)
    facts = replace(Facts.of(terms.dlt), values=tuple(words.values)) if terms.dlt is not None else None
    text = Sms(
        row.message_id,
        terms.sender,
        row.address,
        words.text,
        promotional=terms.promotional,
        template=facts.as_mapping() if facts is not None else {},
        requires_dlt=facts is not None,
    )
    return Composed(Load(text), words.text.encode())
