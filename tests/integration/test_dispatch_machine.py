"""The Lua dispatch against a plain model: whatever is done in whatever order, limits hold, and nobody waits in vain."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from redis.asyncio import Redis

from support.lives import open_generation
from taskflow.base.ids import uuid7
from taskflow.broker.keys import Keys
from taskflow.broker.limits import Limit, subject_of
from taskflow.broker.redis.dispatch import Dispatch, Entry, Settled

QUEUES = ("a", "b")
KEYS = ("a", "a/task:x", "a/task:y/1", "a/task:y/2", "b/task:x", "b/task:y/2")
SUBJECTS = ("queue:a", "queue:b", "task:x", "task:y/*", "task:y/2")


class DispatchMachine(RuleBasedStateMachine):
    """Drives the scripts and the model side by side."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.redis = Redis.from_url(self.url, decode_responses=True)
        self.names = Keys()
        self.dispatch = Dispatch(self.redis, self.names)
        self.waiting: dict[str, dict[str, int]] = {key: {} for key in KEYS}  # id → priority
        self.running: dict[str, str] = {}  # id → key
        self.priority: dict[str, int] = {}
        self.paused: set[str] = set()
        self.limits: dict[str, int] = {}
        self.run(self.redis.flushall())
        self.run(open_generation(self.redis, self.names, "g"))

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.run(self.redis.aclose())
        self.loop.close()

    def subjects(self, key: str) -> list[str]:
        queue = key.partition("/")[0]
        return sorted({f"queue:{queue}", subject_of(key)})

    def limit(self, subject: str) -> int | None:
        own = self.limits.get(subject)
        if own is None and subject.startswith("task:y/"):
            return self.limits.get("task:y/*")
        return own

    def under_way(self) -> Counter[str]:
        return Counter(subject for key in self.running.values() for subject in self.subjects(key))

    def room(self, key: str) -> float:
        held = self.under_way()
        limits = [(self.limit(subject), held[subject]) for subject in self.subjects(key)]
        return min((limit - count for limit, count in limits if limit is not None), default=float("inf"))

    def may_go(self, key: str, queues: tuple[str, ...]) -> bool:
        queue = key.partition("/")[0]
        left_out = any(name.startswith("!") for name in queues)
        served = f"!{queue}" not in queues if left_out else not queues or queue in queues
        free = served and not {key, queue} & self.paused
        return bool(free and self.waiting[key] and self.room(key) >= 1)

    @rule(key=st.sampled_from(KEYS), count=st.integers(1, 4), priority=st.integers(1, 10))
    def push(self, key: str, count: int, priority: int) -> None:
        ids = [str(uuid7()) for _ in range(count)]
        self.run(self.dispatch.push(Entry(key, priority, task_id) for task_id in ids))
        for task_id in ids:
            self.waiting[key][task_id] = priority
            self.priority[task_id] = priority

    @initialize(limits=st.tuples(*[st.none() | st.integers(1, 3)] * len(SUBJECTS)))
    def begin(self, limits: tuple[int | None, ...]) -> None:
        for subject, concurrency in zip(SUBJECTS, limits, strict=True):
            self.set_limit(subject, concurrency)

    @rule(queues=st.sampled_from(((), ("a",), ("b",), ("!a",))))
    def exhaust(self, queues: tuple[str, ...]) -> None:
        while self.claim(6, queues):
            pass

    @rule(limit=st.integers(1, 6), queues=st.sampled_from(((), ("a",), ("b",), ("a", "b"), ("!b",), ("!a", "!b"))))
    def claim_some(self, limit: int, queues: tuple[str, ...]) -> None:
        self.claim(limit, queues)

    def claim(self, limit: int, queues: tuple[str, ...]) -> int:
        eligible = [key for key in KEYS if self.may_go(key, queues)]
        claimed = self.run(self.dispatch.claim("c", limit=limit, quota=limit, lease=60, queues=queues))
        taken = sum(len(ids) for _, ids in claimed.groups)
        assert taken <= limit
        if eligible:
            assert taken, f"{eligible} could go, and nothing was handed out"
        for key, ids in claimed.groups:
            assert self.may_go(key, queues)
            assert len(ids) <= self.room(key), f"too many of {key}"
            line = sorted(self.waiting[key], key=lambda i: (-self.waiting[key][i], i[:13], i))
            assert sorted(ids) == sorted(line[: len(ids)])
            for task_id in ids:
                del self.waiting[key][task_id]
                self.running[task_id] = key
        if 0 < taken < limit:
            assert not any(self.may_go(key, queues) for key in KEYS), "somebody was left out"
        return taken

    @rule(number=st.integers(0, 100), status=st.sampled_from(("COMPLETED", "SCHEDULED", "")))
    def settle(self, number: int, status: str) -> None:
        if self.running:
            task_id = sorted(self.running)[number % len(self.running)]
            self.run(self.dispatch.settle([Settled(self.running.pop(task_id), task_id, status)]))

    @rule(number=st.integers(0, 100))
    def release(self, number: int) -> None:
        if self.running:
            task_id = sorted(self.running)[number % len(self.running)]
            key = self.running.pop(task_id)
            self.run(self.dispatch.release([Entry(key, self.priority[task_id], task_id)]))
            self.waiting[key][task_id] = self.priority[task_id]

    @rule(key=st.sampled_from(KEYS))
    def pause(self, key: str) -> None:
        self.run(self.dispatch.pause(key))
        self.paused.add(key)

    @rule(key=st.sampled_from(KEYS))
    def resume(self, key: str) -> None:
        self.run(self.dispatch.resume(key))
        self.paused.discard(key)

    @rule(key=st.sampled_from(KEYS))
    def clear(self, key: str) -> None:
        self.run(self.dispatch.clear(key))
        self.waiting[key].clear()

    @rule(subject=st.sampled_from(SUBJECTS), concurrency=st.none() | st.integers(1, 4))
    def change_limit(self, subject: str, concurrency: int | None) -> None:
        self.set_limit(subject, concurrency)

    def set_limit(self, subject: str, concurrency: int | None) -> None:
        self.run(self.dispatch.set_limits({subject: Limit(concurrency)}))
        if concurrency is None:
            self.limits.pop(subject, None)
        else:
            self.limits[subject] = concurrency

    @invariant()
    def counts_are_the_sums_of_what_is_handed_out(self) -> None:
        held = {subject: int(count) for subject, count in self.run(self.redis.hgetall(self.names.held)).items()}
        assert held == dict(self.under_way())
        for key in KEYS:
            ids = self.run(self.redis.zrange(self.names.running(key), 0, -1))
            assert set(ids) == {task_id for task_id, at in self.running.items() if at == key}

    @invariant()
    def what_is_empty_takes_no_room(self) -> None:
        for part in {key.partition("/")[2] for key in KEYS if "/" in key}:
            lines = [key for key in KEYS if key.endswith(f"/{part}")]
            if not any(self.waiting[key] or key in self.running.values() for key in lines):
                assert not self.run(self.redis.exists(self.names.parked_keys(part)))


@pytest.fixture
def machine(redis_url: str) -> type[DispatchMachine]:
    DispatchMachine.url = redis_url
    return DispatchMachine


def test_the_dispatch_does_what_the_model_does(machine: type[DispatchMachine]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
