"""Dispatch: ids in line per dispatch key, handed out in order, given back or settled.

Redis only suggests: a claimed id is worth nothing until PostgreSQL has claimed it too. Ids travel as strings, as
asyncpg takes them, and never become UUID objects on the way.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, NamedTuple, cast
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from taskflow.broker.keys import Keys
from taskflow.broker.redis.control import Control
from taskflow.broker.redis.generation import is_intact
from taskflow.broker.redis.scripts import script

EVENT_STREAM_LENGTH = 100_000
_PUSHED_AT_ONCE = 1_000  # a script holds up everybody else
_COUNTED_KEYS = 1_000
PRIORITY_SPAN = 10**14  # more milliseconds than UUIDv7 times will reach for three thousand years


class Place(NamedTuple):
    """A place in line. Places sort by priority, highest first, then by id."""

    priority: int
    task_id: str

    def is_behind(self, other: "Place") -> bool:
        """Tell whether this place comes after `other`."""
        return (-self.priority, self.task_id) > (-other.priority, other.task_id)


class Entry(NamedTuple):
    """A task id in line."""

    dispatch_key: str
    priority: int
    task_id: str

    @property
    def place(self) -> Place:
        """Return where it stands in its key's line."""
        return Place(self.priority, self.task_id)


class Settled(NamedTuple):
    """A task id that is done with, and the status to announce (empty: none)."""

    dispatch_key: str
    task_id: str
    status: str


def serves(filters: Sequence[str], queue: str) -> bool:
    """Tell whether a consumer serves a queue: no names are every one, `!a` is every one but a."""
    if filters and filters[0].startswith("!"):
        return f"!{queue}" not in filters
    return not filters or queue in filters


@dataclass(frozen=True, slots=True)
class Claimed:
    """What Redis suggests: ids by dispatch key.

    Attributes:
        wait: how long (seconds) an empty hand may sleep, 0 = unknown.
        generation: the life of the dispatch that suggests.
        deadline: when the leases of the ids end (ms of Redis's clock).
        is_limited: a limit counts how many of these ids are under way: claim them under `generation`.
    """

    state: Literal["OK", "EMPTY", "NOGEN"]
    wait: float
    groups: tuple[tuple[str, list[str]], ...] = ()
    generation: str = ""
    deadline: int = 0
    is_limited: bool = False


class Bound(NamedTuple):
    """How long the leases of a consumer are surely its own: in this life of the dispatch, and until then (ms)."""

    generation: str = ""
    deadline: int = 0


UNBOUND = Bound()
"""For those who know that leases are theirs to end."""


def score(priority: int, task_id: str) -> int:
    """Return an id's place in line: strict priority, then birth. It is derived, so it can always be rebuilt."""
    return (10 - priority) * PRIORITY_SPAN + int(task_id[:8] + task_id[9:13], 16)


class Dispatch(Control):
    """The dispatch side of the broker."""

    def __init__(self, redis: "Redis", keys: Keys, *, window: int = 50_000) -> None:
        """Register the scripts. `window`: ids kept per dispatch key; the rest waits in PostgreSQL."""
        super().__init__(redis, keys)
        self._window = window
        self._bound = UNBOUND
        self._push = script(redis, "push")
        self._claim = script(redis, "claim")
        self._settle = script(redis, "settle")
        self._forget = script(redis, "forget")
        self._release = script(redis, "release")

    @property
    def bound(self) -> Bound:
        """How long every lease that this object was given, and still renews, is surely its own."""
        return self._bound

    async def push(self, entries: Iterable[Entry], *, refill: bool = False) -> int:
        """Put ids in line and wake idle consumers that serve them; return how many were new.

        Ids behind the end of an overflowing window stay in PostgreSQL, but for the relay's `refill`.
        """
        added = 0
        waiting = iter(entries)
        while some := list(islice(waiting, _PUSHED_AT_ONCE)):
            groups: defaultdict[str, list[str]] = defaultdict(list)
            for key, priority, task_id in some:
                groups[key].append(f"{score(priority, task_id)}:{task_id}")
            arguments: list[Any] = [self._keys.prefix, self._window, "refill" if refill else ""]
            for key, places in groups.items():
                arguments += (key, " ".join(places))
            added += await self._push(args=arguments)
        return added

    async def claim(
        self,
        consumer: str,
        *,
        limit: int,
        quota: int,
        lease: float,
        queues: Sequence[str] = (),
        quotas: Mapping[str, int] | None = None,
    ) -> Claimed:
        """Take up to `limit` ids, at most `quota` of a key (or what `quotas` says of it), leased for `lease` seconds.

        With nothing to take, the consumer is parked in the same step: the next push wakes it through `wait`.
        """
        arguments: list[Any] = [self._keys.prefix, consumer, int(lease * 1000), limit, quota, ",".join(queues)]
        for key, most in (quotas or {}).items():
            arguments += (key, most)
        try:
            reply = await self._redis.evalsha(self._claim.sha, 0, *arguments)
        except NoScriptError:  # a server that has never seen it: perhaps one that came back with an old snapshot
            if not await is_intact(self._redis, self._keys):
                return Claimed("NOGEN", 0.05)
            reply = await self._claim(args=arguments)
        groups: list[tuple[str, list[str]]] = []
        position = 5
        while position < len(reply):
            count = int(reply[position + 1])
            groups.append((reply[position], reply[position + 2 : position + 2 + count]))
            position += 2 + count
        if reply[0] != "NOGEN":
            self._bound = Bound(reply[2], self._bound.deadline or int(reply[3]))
        return Claimed(reply[0], int(reply[1]) / 1000, tuple(groups), reply[2], int(reply[3]), bool(reply[4]))

    async def wait(self, consumer: str, timeout: float) -> bool:  # noqa: ASYNC109 - BLPOP's own
        """Sleep until a push wakes this consumer or `timeout` seconds have passed; tell whether it was woken."""
        return await cast("Any", self._redis.blpop([self._keys.wake(consumer)], timeout=timeout)) is not None

    async def settle(self, settled: Iterable[Settled], bound: Bound = UNBOUND) -> int:
        """Forget ids that were handed out and announce how they ended; return how many leases there were.

        Past `bound` they are only announced: what is leased then may be somebody else's.
        """
        groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for key, task_id, status in settled:
            groups[key, status].append(task_id)
        arguments: list[Any] = [self._keys.prefix, *bound, EVENT_STREAM_LENGTH]
        for (key, status), task_ids in groups.items():
            arguments += (key, status, " ".join(task_ids))
        return int(await self._settle(args=arguments)) if groups else 0

    async def forget(self, claimed: Claimed, won: Container[str]) -> int:
        """Forget what a claim suggested in vain: the ids that are not among those `won`; return how many."""
        arguments: list[Any] = [self._keys.prefix, claimed.deadline]
        for key, task_ids in claimed.groups:
            if ghosts := [task_id for task_id in task_ids if task_id not in won]:
                arguments += (key, " ".join(ghosts))
        return int(await self._forget(args=arguments)) if len(arguments) > 2 else 0

    async def release(self, entries: Iterable[Entry], bound: Bound = UNBOUND) -> None:
        """Put ids that were handed out back in line where they stood; past `bound` that is left to the relay."""
        arguments: list[Any] = [self._keys.prefix, *bound]
        for key, priority, task_id in entries:
            arguments += (key, score(priority, task_id), task_id)
        if len(arguments) > 3:
            await self._release(args=arguments)

    async def renew(self, held: Mapping[str, Sequence[str]], lease: float) -> None:
        """Extend the leases of ids that are still held, by dispatch key, to `lease` seconds from now.

        An id whose lease Redis does not know stays unknown: only a claim and the relay's rebuild hand out.
        """
        if not held:
            self._bound = UNBOUND
            return
        seconds, micros = await self._redis.time()
        deadline = int(seconds * 1000 + micros / 1000 + lease * 1000)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, ids in held.items():
                pipe.zadd(self._keys.running(key), dict.fromkeys(ids, deadline), xx=True)
            await pipe.execute()
        self._bound = self._bound._replace(deadline=deadline)

    async def generation(self) -> str | None:
        """Return the name of this life of the dispatch; None after a flush, until the relay has rebuilt it."""
        return cast("str | None", await self._redis.get(self._keys.generation))

    async def sizes(self, dispatch_keys: Sequence[str]) -> list[tuple[int, int]]:
        """Return (waiting, handed out) for each key."""
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in dispatch_keys:
                pipe.zcard(self._keys.queue(key))
                pipe.zcard(self._keys.running(key))
            counts = await pipe.execute()
        return list(zip(counts[::2], counts[1::2], strict=True))

    async def waiting(self, queues: Sequence[str] = ()) -> int:
        """Return how many ids could be handed out now, of some queues or of all; not what is paused or limited.

        Of a queue in very many parts, the first thousand are counted: enough to want every process there may be.
        """
        ready = cast("list[str]", await self._redis.zrange(self._keys.ready, 0, -1))
        async with self._redis.pipeline(transaction=False) as pipe:
            for queue in ready:
                if serves(queues, queue):
                    pipe.zrange(self._keys.ready_keys(queue), 0, _COUNTED_KEYS - 1)
            keys = [key for found in await pipe.execute() for key in found]
        return sum(waiting for waiting, _ in await self.sizes(keys))

    async def overflowing(self) -> set[str]:
        """Return the keys whose backlog is longer than their window."""
        return set(await cast("Any", self._redis.smembers(self._keys.overflow)))

    async def not_overflowing(self, dispatch_keys: Sequence[str]) -> None:
        """Say that the whole backlogs of keys are in their windows again."""
        if dispatch_keys:
            await cast("Any", self._redis.srem(self._keys.overflow, *dispatch_keys))

    async def expired_leases(self, dispatch_keys: Sequence[str], limit: int = 1000) -> list[tuple[str, str]]:
        """Return (dispatch key, id) of ids handed out and neither settled nor renewed in time."""
        seconds, micros = await self._redis.time()
        now = int(seconds * 1000 + micros / 1000)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key in dispatch_keys:
                pipe.zrangebyscore(self._keys.running(key), "-inf", now, start=0, num=limit)
            found = await pipe.execute()
        return [(key, task_id) for key, ids in zip(dispatch_keys, found, strict=True) for task_id in ids]

    async def unknown(self, entries: Iterable[Entry]) -> list[Entry]:
        """Return those that Redis has neither waiting nor handed out."""
        lines: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in entries:
            lines[entry.dispatch_key].append(entry)
        async with self._redis.pipeline(transaction=False) as pipe:
            for key, line in lines.items():
                ids = [entry.task_id for entry in line]
                pipe.zmscore(self._keys.queue(key), ids)
                pipe.zmscore(self._keys.running(key), ids)
            scores = await pipe.execute()
        return [
            entry
            for line, waiting, running in zip(lines.values(), scores[::2], scores[1::2], strict=True)
            for entry, a, b in zip(line, waiting, running, strict=True)
            if a is None and b is None
        ]

    async def mirror_scheduled(self, due: Mapping[str, float], gone: Sequence[str] = ()) -> None:
        """Write SCHEDULED ids with their due time (Unix seconds) into `task:scheduled`, and take others out."""
        async with self._redis.pipeline(transaction=False) as pipe:
            if due:
                pipe.zadd(self._keys.scheduled, dict(due))
            if gone:
                pipe.zrem(self._keys.scheduled, *gone)
            await pipe.execute()

    async def add_dependencies(self, pairs: Iterable[tuple[UUID, UUID]]) -> None:
        """Write children into the `task:dependencies` sets of their parents; `pairs` are (parent, child)."""
        children: defaultdict[UUID, list[str]] = defaultdict(list)
        for parent_id, child_id in pairs:
            children[parent_id].append(str(child_id))
        parents = iter(children.items())
        while some := list(islice(parents, _PUSHED_AT_ONCE)):
            async with self._redis.pipeline(transaction=False) as pipe:
                for parent_id, ids in some:
                    key = self._keys.task_dependencies(parent_id)
                    pipe.sadd(key, *ids)
                    pipe.expire(key, 86400)
                await pipe.execute()

    async def forget_consumer(self, consumer: str, queues: Sequence[str] = ()) -> None:
        """Take a stopped consumer of `queues` out of the idle list, so that no wake-up is spent on it."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.lrem(self._keys.idle, 0, f"{consumer} {','.join(queues)}".rstrip())
            pipe.delete(self._keys.wake(consumer))
            await pipe.execute()
