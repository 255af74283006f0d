"""Routers whose clock a test moves, and providers that do as they are told."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from random import Random
from types import MappingProxyType
from typing import Any

from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Mail, MessageClass, Sms
from taskflow.delivery.router.board import RouteBoard
from taskflow.delivery.router.domain_limits import Limits
from taskflow.delivery.router.models import Ask, Choice, Route, Wait
from taskflow.delivery.router.service import Router
from taskflow.settings import RouterSettings

BULK = Ask(MessageClass.BULK, "example.org")
RECEIPT = Ask(MessageClass.TRANSACTIONAL, "example.org")
NOON = 1_800_000_000_000 - 1_800_000_000_000 % 86_400_000 + 43_200_000  # ms: the middle of some day
DEADLINE = float("inf")


def seeded(seed: int) -> Random:
    """Return a source of chance that is the same in every run."""
    return Random(seed)  # noqa: S311


class Clock:
    """The time on Redis's clock, as long as a test wants it to stand still."""

    def __init__(self, now: int = NOON) -> None:
        self.now = now

    def pass_by(self, seconds: float) -> None:
        self.now += round(seconds * 1000)


class Clocked:
    """A script of the router on a test's clock."""

    def __init__(self, script: Any, clock: Clock) -> None:
        self.script = script
        self.clock = clock
        self.calls = 0

    async def __call__(self, **request: Any) -> Any:
        self.calls += 1
        return await self.script(**request, now=self.clock.now)


@asynccontextmanager
async def routing(
    database: Database,
    broker: RedisBroker,
    *routes: Route,
    clock: Clock | None = None,
    slot: int = 0,
    limits: Limits = MappingProxyType({}),
    **settings: Any,
) -> AsyncIterator[Router]:
    """Run a router over `routes`, on `clock` if there is one; `limits`: of recipient domains."""

    async def read() -> Sequence[Route]:
        return routes

    async def read_limits() -> Limits:
        return limits

    async with Router(
        database, broker, RouterSettings(**settings), read, limits=read_limits, slot=slot, rng=seeded(7)
    ) as router:
        if clock is not None:
            for name in ("_call", "_restore"):
                setattr(router, name, Clocked(getattr(router, name), clock))
        yield router


def board(database: Database, broker: RedisBroker, *routes: Route, clock: Clock | None = None) -> RouteBoard:
    async def read() -> Sequence[Route]:
        return routes

    found = RouteBoard(database, broker, RouterSettings(), read)
    if clock is not None:
        for name in ("_look", "_mended"):
            setattr(found, name, Clocked(getattr(found, name), clock))
    return found


def chosen(answers: Iterable[Choice | Wait]) -> Counter[str]:
    """Count the messages that each provider got; those that wait stand under their reason."""
    return Counter(one.route.name if isinstance(one, Choice) else one.reason for one in answers)


def mails(*recipients: str) -> list[Mail]:
    return [
        Mail(uuid7(), "news@example.org", recipient, b"Subject: hello\r\n\r\nHello.\r\n") for recipient in recipients
    ]


class FakeProvider:
    """Takes everything, unless its script says otherwise; remembers what it got and what it took."""

    def __init__(self, name: str, *script: Outcome | Exception) -> None:
        self.name = name
        self.script = deque(script)
        self.always: Outcome | Exception | None = None
        self.got: list[str] = []
        self.took: list[str] = []

    async def send(self, mails: Sequence[Mail | Sms], _deadline: float) -> list[Outcome]:
        outcomes = []
        for mail in mails:
            answer = self.script.popleft() if self.script else self.always or ACCEPTED
            self.got.append(mail.rcpt_to)
            if isinstance(answer, Exception):
                raise answer
            if answer.kind is OutcomeKind.ACCEPTED:
                self.took.append(mail.rcpt_to)
            outcomes.append(answer)
        return outcomes


class Words:
    """What a provider said."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code} {self.text}"


def said(kind: OutcomeKind, code: int, text: str = "", *, verb: str = "POST", cause: Cause | None = None) -> Outcome:
    return Outcome(kind, verb, Words(code, text), cause=cause)


ACCEPTED = said(OutcomeKind.ACCEPTED, 250, "queued", verb="DOT")
NO_SUCH_USER = said(OutcomeKind.REJECTED, 550, "no such user", verb="RCPT", cause=Cause.ADDRESS)
BAD_KEY = said(OutcomeKind.PROVIDER_FAULT, 401, "bad key", cause=Cause.CREDENTIALS)
OUT_OF_REACH = Outcome(OutcomeKind.PROVIDER_FAULT, "CONNECT", reason="Connection refused.", cause=Cause.OUTAGE)
NOT_OURS = said(OutcomeKind.PROVIDER_FAULT, 403, "not verified", cause=Cause.SENDER)
THROTTLED = said(OutcomeKind.DEFERRED, 429, "slow down", cause=Cause.THROTTLED)
DOMAIN_BUSY = said(OutcomeKind.DEFERRED, 421, "4.7.28 unusual rate", verb="RCPT")
GREYLISTED = said(OutcomeKind.DEFERRED, 450, "4.2.0 greylisted", verb="RCPT")
OUT_OF_QUOTA = said(OutcomeKind.DEFERRED, 429, "Daily message quota exceeded", cause=Cause.QUOTA)
CUT = Outcome(OutcomeKind.UNCERTAIN, "DOT", reason="The server hung up.")
BROKEN = Outcome(OutcomeKind.DEFERRED, "MAIL", reason="The server hung up.")
