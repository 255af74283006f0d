"""Sending lanes: each sends windows, one after the other, over the provider that the router chooses for each.

Between two windows stands one commit: the outcomes of the last and SENDING for the next (`campaigns.ledger`), with the
name of who gets it. Only a window that the router splits, or that goes over to another provider, costs more. While a
lane sends or commits, the batches behind it read, render and compose the next windows; the queue is the overlap. A
lane commits alone when nothing waits, so an outcome is never held back for company.

Where no provider has room for a second or so, as with a budget by the second, the campaign's letters rest here instead
of going back to their queue, from where each would come to be rendered again. Lanes go on with other campaigns; the
batches wait, so that no more are claimed. Who has rested for `_PATIENCE_SECONDS` goes back.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

from taskflow.base.logging import get_logger
from taskflow.campaigns.group_commit import GroupCommit
from taskflow.campaigns.ledger import Ledger
from taskflow.campaigns.verdict import Letter, end_of, report
from taskflow.delivery.ledgers import End
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail, MessageClass
from taskflow.delivery.router.carrier import Admit, Carried
from taskflow.delivery.router.models import Ask
from taskflow.delivery.states import RecipientStatus

log = get_logger(__name__)

_SHORT_SECONDS = 2.0  # the longest wait for room that is waited for here
_PATIENCE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Stream:
    """The letters of one campaign, whatever batch they come from."""

    campaign_id: UUID
    mail_from: str
    resend: bool  # the campaign's policy for uncertain messages

    @property
    def terms(self) -> Ask:
        """Return what its letters need of a provider."""
        return Ask(MessageClass.BULK, self.mail_from.rpartition("@")[2].lower())

    def mail(self, letter: Letter) -> Mail:
        """Return what a provider takes."""
        return Mail(letter.row.recipient_id, letter.return_path or self.mail_from, letter.row.email, letter.body)


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
    letters: Sequence[tuple[Letter, Outcome, str]]  # with what became of each, and who had it last


@dataclass(slots=True)
class _Passage:
    """A window on its way, with what still has to be committed of the one before it."""

    window: Window
    before: _Sent | None
    begun: set[Letter] = field(default_factory=set)  # those that are SENDING


class Carrier(Protocol):
    """Chooses providers and hands letters over."""

    async def send(self, terms: Ask, mails: Sequence[Mail], deadline: float, admit: Admit, /) -> list[Carried]:
        """Send a window; return each mail's outcome, and who had it last. Nothing is raised for a mail.

        `admit` commits that mails, by their places, go to a provider now, and returns those that may.
        """


class Lanes:
    """The lanes of one process."""

    def __init__(
        self,
        ledger: Ledger,
        carrier: Carrier,
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
            carrier: the providers.
            count: how many windows may be on the wire at a time.
            window: letters of a window, ten at most.
            slot: counter slot of this process.
            on_fault: told when nobody takes messages now, and why.
            on_success: told when a window was taken.
            on_sent: told of each message that was taken, once that is written: from whom, to whom.
        """
        self._ledger = ledger
        self._carrier = carrier
        self._count = count
        self._window = window
        self._commits = GroupCommit(ledger, slot)
        self._on_fault = on_fault
        self._on_success = on_success
        self._on_sent = on_sent
        self._waiting: dict[Stream, deque[Letter]] = {}
        self._resting: dict[Stream, deque[Letter]] = {}
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
        if stream in self._resting:
            self._resting[stream].extend(letters)
            return
        self._waiting.setdefault(stream, deque()).extend(letters)
        self._arrived.set()

    def withdraw(self, stream: Stream, letters: Iterable[Letter]) -> None:
        """Take back those of these letters that no lane has begun with."""
        unwanted = set(letters)
        for lines in (self._waiting, self._resting):
            line = lines.pop(stream, deque())
            staying = deque(letter for letter in line if letter not in unwanted)
            if staying:
                lines[stream] = staying
            for letter in line:
                if letter in unwanted:
                    letter.finish()

    def _rest(self, stream: Stream, letters: Sequence[Letter], seconds: float) -> None:
        """Let a campaign's letters wait for room, these first, and its windows with them."""
        if stream not in self._resting:
            self._resting[stream] = self._waiting.pop(stream, deque())
            asyncio.get_running_loop().call_later(seconds, self._go_on, stream)
        self._resting[stream].extendleft(reversed(letters))

    def _go_on(self, stream: Stream) -> None:
        if line := self._resting.pop(stream, None):
            self.put(stream, line)

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
            while window is not None or sent is not None:
                if window is not None and time.monotonic() >= window.deadline:
                    _release(window.letters)
                    window = None
                if sent is not None and (window is None or sent.window.stream != window.stream):
                    last, sent = sent, None
                    await self._turn(_Passage(last.window, last), [])
                if window is not None:
                    passage, sent = _Passage(window, sent), None
                    sent = await self._send(passage)
                window = self._next()
        except Exception:
            log.exception("lane_failed")
            if window is not None:
                self._give_up(window)

    async def _send(self, passage: "_Passage") -> _Sent | None:
        """Send a window; return what was on the wire. Who must wait is handed back, with no attempt burnt."""
        window, stream = passage.window, passage.window.stream

        async def admit(places: Sequence[int], provider: str) -> list[int]:
            """Commit who has these letters now, before the network does; return those that may go."""
            some = [(place, window.letters[place]) for place in places]
            again = [
                (letter.row.recipient_id, letter.item.lease_epoch) for _, letter in some if letter in passage.begun
            ]
            if again:
                ours = await self._ledger.hand_on(stream.campaign_id, provider, again)
                return [place for place, letter in some if letter.row.recipient_id in ours]
            await self._turn(passage, [(letter, provider) for _, letter in some])
            return [place for place, letter in some if letter in passage.begun]

        try:
            carried = await self._carrier.send(
                stream.terms, [stream.mail(one) for one in window.letters], window.deadline, admit
            )
        finally:
            if passage.before is not None:
                await self._turn(passage, [])
        went = [(letter, *one) for letter, one in zip(window.letters, carried, strict=True) if letter in passage.begun]
        # What is about one letter may be told when to come again, too: the others need not wait for it.
        faults = [
            outcome
            for outcome, _ in carried
            if outcome.retry_after is not None
            and outcome.kind is not OutcomeKind.DEFERRED
            and outcome.cause is not Cause.BUSY
            and (outcome.verb == "ROOM" or outcome.kind is OutcomeKind.PROVIDER_FAULT or not went)
        ]
        if faults:
            self._on_fault(stream.campaign_id, faults[0].text)
        elif went:
            self._on_success(stream.campaign_id)
        unsent = [
            (letter, outcome)
            for letter, (outcome, _) in zip(window.letters, carried, strict=True)
            if not letter.is_finished and letter not in passage.begun
        ]
        resting: dict[Letter, float] = {}
        for letter, outcome in unsent:
            if _may_rest(letter, outcome):
                resting[letter] = outcome.retry_after or 0.0
            else:
                _release([letter], outcome.retry_after)
        if resting:
            self._rest(stream, list(resting), min(resting.values()))
        return _Sent(window, went) if went else None

    async def _turn(self, passage: "_Passage", begins: Sequence[tuple[Letter, str]]) -> None:
        """Commit the outcomes of the window before, and who gets which letters of this one; tell the tasks."""
        before, passage.before = passage.before, None
        campaign_id = passage.window.stream.campaign_id
        ends: list[End] = []
        if before is not None:
            resend = before.window.stream.resend
            ends = [end_of(letter, outcome, provider, resend=resend) for letter, outcome, provider in before.letters]
        try:
            turned = await self._commits.turn(
                campaign_id, ends, [letter.begin(provider) for letter, provider in begins]
            )
        except Exception:
            if before is not None:
                self._give_up(before.window)
            raise
        if before is not None:
            for letter, outcome, _ in before.letters:
                written = turned.ended.get(letter.row.recipient_id)
                if written == RecipientStatus.SENT:
                    self._on_sent(before.window.stream.mail_from, letter.row.email)
                report(letter, outcome, written)
                letter.finish()
        await self._admit(passage, [letter for letter, _ in begins], turned.begun)

    async def _admit(self, passage: "_Passage", letters: Sequence[Letter], begun: dict[UUID, str]) -> None:
        """Note the letters that are SENDING now; settle the others: suppressed, paused, cancelled or changed."""
        going = [letter for letter in letters if begun.get(letter.row.recipient_id) == RecipientStatus.SENDING]
        passage.begun.update(going)
        if len(going) == len(letters):
            return
        state = await self._ledger.campaign_state(passage.window.stream.campaign_id)
        for letter in letters:
            if letter in passage.begun:
                continue
            if begun.get(letter.row.recipient_id) == RecipientStatus.SUPPRESSED:
                letter.batch.complete(letter.item)
            elif state is None or state.status in ("CANCELLED", "FAILED"):
                letter.batch.cancel(letter.item)
            else:
                letter.batch.release(letter.item)
            letter.finish()

    @staticmethod
    def _give_up(window: Window) -> None:
        """Let the letters of a window go after a failure of ours: their rows tell the next attempt what to do."""
        _release([letter for letter in window.letters if not letter.is_finished], 1.0)


def _may_rest(letter: Letter, outcome: Outcome) -> bool:
    """Tell whether a letter waits here for room, because it will not be long."""
    if outcome.verb != "ROOM" or (outcome.retry_after or 0.0) > _SHORT_SECONDS:
        return False
    now = time.monotonic()
    if letter.rests_until is None:
        letter.rests_until = now + _PATIENCE_SECONDS
    return now < letter.rests_until


def _release(letters: Iterable[Letter], after: float | None = None) -> None:
    """Hand letters back."""
    for letter in letters:
        letter.batch.release(letter.item, after)
        letter.finish()
