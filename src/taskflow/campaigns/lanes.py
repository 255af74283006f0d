"""Sending lanes: each sends windows over one connection, one after the other.

Between two windows stands one commit: the outcomes of the last and SENDING for the next (`delivery.ledger`). While a
lane sends or commits, the batches behind it read, render and compose the next windows; the queue is the overlap. A
lane commits alone when nothing waits, so an outcome is never held back for company.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from taskflow.base.logging import get_logger
from taskflow.campaigns.verdict import Letter, end_of, report
from taskflow.delivery.group_commit import GroupCommit
from taskflow.delivery.ledger import End, Ledger
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.smtp import Envelope, SmtpPool, SmtpSession
from taskflow.delivery.smtp.connection import ProviderFaultError
from taskflow.delivery.states import RecipientStatus

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Stream:
    """The letters of one campaign, whatever batch they come from."""

    campaign_id: UUID
    mail_from: str
    resend: bool  # the campaign's policy for uncertain messages


@dataclass(frozen=True, slots=True)
class Window:
    """Up to ten letters of one campaign that may be SENDING at a time."""

    stream: Stream
    letters: Sequence[Letter]

    @property
    def deadline(self) -> float:
        """When (monotonic) the first of their leases may be gone."""
        return min(letter.batch.deadline(letter.item) for letter in self.letters)


@dataclass(frozen=True, slots=True)
class _Sent:
    """A window that has been on the wire; its outcomes are not committed yet."""

    window: Window
    letters: Sequence[Letter]
    outcomes: Sequence[Outcome]


class Lanes:
    """The lanes of one process."""

    def __init__(
        self,
        ledger: Ledger,
        pool: SmtpPool,
        *,
        count: int,
        window: int,
        slot: int,
        on_fault: Callable[[UUID, str], None],
        on_success: Callable[[UUID], None],
        on_sent: Callable[[str, str], None],
    ) -> None:
        """Start nothing yet.

        Args:
            ledger: where windows are committed.
            pool: the connections.
            count: how many windows may be on the wire at a time.
            window: letters of a window, ten at most.
            slot: counter slot of this process.
            on_fault: told when the mail server cannot be used, and why.
            on_success: told when it took a window.
            on_sent: told of each message that was taken, once that is written: from whom, to whom.
        """
        self._ledger = ledger
        self._pool = pool
        self._count = count
        self._window = window
        self._commits = GroupCommit(ledger, slot)
        self._on_fault = on_fault
        self._on_success = on_success
        self._on_sent = on_sent
        self._waiting: dict[Stream, deque[Letter]] = {}
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._closing = False

    def start(self) -> None:
        """Open the lanes."""
        self._tasks = [asyncio.create_task(self._run()) for _ in range(self._count)]

    async def close(self) -> None:
        """Let the windows that are on the wire come to their commit, then stop."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def put(self, stream: Stream, letters: Iterable[Letter]) -> None:
        """Put letters in line; letters of several batches share windows."""
        self._waiting.setdefault(stream, deque()).extend(letters)
        self._arrived.set()

    def withdraw(self, stream: Stream, letters: Iterable[Letter]) -> None:
        """Take back those of these letters that no lane has begun with."""
        unwanted = set(letters)
        line = self._waiting.pop(stream, deque())
        staying = deque(letter for letter in line if letter not in unwanted)
        if staying:
            self._waiting[stream] = staying
        _finish(letter for letter in line if letter in unwanted)

    def _next(self) -> Window | None:
        """Take the next window: campaigns take turns."""
        if not self._waiting or self._closing:
            self._arrived.clear()
            return None
        stream, letters = next(iter(self._waiting.items()))
        del self._waiting[stream]
        taken = [letters.popleft() for _ in range(min(self._window, len(letters)))]
        if letters:
            self._waiting[stream] = letters
        return Window(stream, taken)

    async def _run(self) -> None:
        while not self._closing:
            await self._arrived.wait()
            window = self._next()
            if window is None:
                continue
            # What has been begun is brought to its commit, also when the lane is being stopped.
            work = asyncio.create_task(self._work(window))
            try:
                await asyncio.shield(work)
            except asyncio.CancelledError:
                await work
                raise

    async def _work(self, first: Window) -> None:
        """Send windows as long as there are any waiting."""
        window: Window | None = first
        sent: _Sent | None = None
        try:
            async with self._pool.session() as session:
                while window is not None or sent is not None:
                    if window is not None and not await self._is_ready(session, window):
                        window = None
                    if sent is not None and window is not None and sent.window.stream != window.stream:
                        await self._turn(sent, None)
                        sent = None
                    letters = await self._turn(sent, window)
                    sent = await self._send(session, window, letters) if window is not None and letters else None
                    window = self._next()
        except Exception:
            log.exception("lane_failed")
            for lost in (window, sent.window if sent else None):
                if lost is not None:
                    self._give_up(lost)

    async def _is_ready(self, session: SmtpSession, window: Window) -> bool:
        """Make sure of a connection and of time before anything is called SENDING; else hand the window back."""
        after: float | None = None
        try:
            await session.connect()
        except ProviderFaultError as fault:
            after = max(0.5, self._pool.retry_after)
            self._on_fault(window.stream.campaign_id, str(fault))
        else:
            if time.monotonic() < window.deadline:
                return True
        for letter in window.letters:
            letter.batch.release(letter.item, after)
        _finish(window.letters)
        return False

    async def _turn(self, sent: _Sent | None, window: Window | None) -> list[Letter]:
        """Commit outcomes and SENDING; tell the tasks; return the letters that may go on the wire."""
        about = sent.window if sent is not None else window
        if about is None:
            return []
        ends: list[End] = []
        if sent is not None:
            resend = sent.window.stream.resend
            pairs = zip(sent.letters, sent.outcomes, strict=True)
            ends = [end_of(letter, outcome, resend=resend) for letter, outcome in pairs]
        begins = [letter.begin for letter in window.letters] if window is not None else []
        turned = await self._commits.turn(about.stream.campaign_id, ends, begins)
        if sent is not None:
            for letter, outcome in zip(sent.letters, sent.outcomes, strict=True):
                written = turned.ended.get(letter.row.recipient_id)
                if written == RecipientStatus.SENT:
                    self._on_sent(about.stream.mail_from, letter.row.email)
                report(letter, outcome, written)
            _finish(sent.letters)
        if window is None:
            return []
        return await self._admit(window, turned.begun)

    async def _admit(self, window: Window, begun: dict[UUID, str]) -> list[Letter]:
        """Return the letters that are SENDING now; settle the others: suppressed, paused, cancelled or changed."""
        going = [letter for letter in window.letters if begun.get(letter.row.recipient_id) == RecipientStatus.SENDING]
        if len(going) == len(window.letters):
            return going
        state = await self._ledger.campaign_state(window.stream.campaign_id)
        staying = [letter for letter in window.letters if begun.get(letter.row.recipient_id) != RecipientStatus.SENDING]
        for letter in staying:
            if begun.get(letter.row.recipient_id) == RecipientStatus.SUPPRESSED:
                letter.batch.complete(letter.item)
            elif state is None or state.status in ("CANCELLED", "FAILED"):
                letter.batch.cancel(letter.item)
            else:
                letter.batch.release(letter.item)
        _finish(staying)
        return going

    async def _send(self, session: SmtpSession, window: Window, letters: Sequence[Letter]) -> _Sent:
        sender = window.stream.mail_from
        envelopes = [Envelope(letter.return_path or sender, letter.row.email, letter.body) for letter in letters]
        outcomes = await session.send_window(envelopes, window.deadline)
        faults = [outcome for outcome in outcomes if outcome.retry_after is not None]
        if faults:
            self._on_fault(window.stream.campaign_id, faults[0].text)
        else:
            self._on_success(window.stream.campaign_id)
        return _Sent(window, letters, outcomes)

    @staticmethod
    def _give_up(window: Window) -> None:
        """Let the letters of a window go after a failure of ours: their rows tell the next attempt what to do."""
        for letter in window.letters:
            letter.batch.release(letter.item, 1.0)
        _finish(window.letters)


def _finish(letters: Iterable[Letter]) -> None:
    """Say that ledger and tasks know what became of these letters."""
    for letter in letters:
        letter.finish()
