"""The faults: what is done to the system at a random moment, and the proof that it was done (I12)."""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import redis

from support.chaos_system import COORDINATORS, DEAD_AFTER, NODES, System
from support.waiting import eventually


@dataclass
class Fired:
    """What a fault did."""

    name: str
    at: float
    proof: str
    ended: set[str] = field(default_factory=set)  # members that it ended; no other may have
    senders: int = 0  # worker processes that died or stood still
    redis_lost: bool = False
    until: float = field(default_factory=time.time)  # by then it was done


_WRITES = r"\minsert into\M|\mupdate [a-z_]+( as)?( [a-z]+)?\s+set\M|\mdelete from\M"


class NotFiredError(AssertionError):
    """The fault did nothing: the test proves nothing."""


def _gone(pid: int) -> bool:
    """Tell whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


async def _ended(pid: int) -> str:
    await eventually(lambda: _gone(pid), seconds=10, what=f"the end of process {pid}")
    return f"killed {pid}"


async def kill_worker_child(system: System, rng: random.Random) -> Fired:
    """Kill -9 of a child while its parent lives."""
    node = rng.choice(NODES)
    children = system.children(node)
    if not children:
        raise NotFiredError(f"{node} has no child")
    at = time.time()
    os.kill(children[0], signal.SIGKILL)
    return Fired("kill_worker_child", at, await _ended(children[0]), senders=1)


async def kill_worker_node(system: System, rng: random.Random) -> Fired:
    """Kill -9 of a node; the kernel takes its children along."""
    node = rng.choice(NODES)
    children, at = system.children(node), time.time()
    proof = await _ended(system.send(node, signal.SIGKILL))
    for child in children:
        await _ended(child)
    return Fired("kill_worker_node", at, proof, {node}, senders=1)


async def kill_leader(system: System, _rng: random.Random) -> Fired:
    """Kill -9 of the coordinator that leads."""
    leader = await eventually(system.leader, seconds=15, what="a leader")
    at, term = time.time(), await _term(system)
    proof = await _ended(system.send(leader, signal.SIGKILL))

    async def higher() -> bool:
        return await _term(system) > term

    await eventually(higher, seconds=15, every=0.1, what="another term")
    return Fired("kill_leader", at, f"{proof}, term {term} is over", {leader})


async def kill_api(system: System, _rng: random.Random) -> Fired:
    """Kill -9 of the API."""
    at = time.time()
    return Fired("kill_api", at, await _ended(system.send("api", signal.SIGKILL)), {"api"})


async def flush_redis(system: System, _rng: random.Random) -> Fired:
    """FLUSHALL."""
    client = system.redis()
    keys, generation, at = client.dbsize(), client.get("dispatch:generation"), time.time()
    client.flushall()
    if not keys or not generation:
        raise NotFiredError("Redis was empty")
    await eventually(
        lambda: client.get("dispatch:generation") not in (None, generation), seconds=20, what="another generation"
    )
    return Fired("flush_redis", at, f"{keys} keys gone", redis_lost=True)


async def kill_redis(system: System, _rng: random.Random) -> Fired:
    """Kill -9 of Redis; it comes back empty."""
    return await _kill_server(system, "redis", lambda: _redis_answers(system))


async def kill_postgresql(system: System, _rng: random.Random) -> Fired:
    """Kill -9 of the postmaster."""

    async def answers() -> bool:
        connection = await system.connect()
        await connection.close()
        return True

    return await _kill_server(system, "postgresql", answers)


async def _kill_server(system: System, name: str, answers: Callable[[], Any]) -> Fired:
    pid, at = system.servers.pids[name], time.time()
    os.kill(pid, signal.SIGKILL)
    await eventually(lambda: system.servers.pids.get(name, pid) != pid, seconds=30, what=f"another {name}")
    await eventually(answers, seconds=30, what=f"{name} answers")
    return Fired(f"kill_{name}", at, f"killed {pid}", redis_lost=name == "redis")


def _redis_answers(system: System) -> bool:
    with suppress(redis.RedisError, OSError):
        return bool(system.redis().ping())
    return False


async def stop_leader(system: System, rng: random.Random) -> Fired:
    """SIGSTOP the leader: the standby leads within 10 s, and the woken one writes nothing."""
    leader = await eventually(system.leader, seconds=15, what="a leader")
    standby = next(name for name in COORDINATORS if name != leader)
    at, term = time.time(), await _term(system)
    system.send(leader, signal.SIGSTOP)
    try:
        await eventually(lambda: system.leader(among=(standby,)), seconds=10, what="the standby leads")
        took = time.time() - at
        await asyncio.sleep(rng.uniform(0.0, 0.5))
        before = await _written_by(system, leader)
    finally:
        system.send(leader, signal.SIGCONT)

    async def stands_by() -> bool:
        return not system.fetch(system.monitor(leader, "health"))["leader"]

    await eventually(stands_by, seconds=10, what="the woken one stands by")
    await asyncio.sleep(0.5)
    wrote = await _written_by(system, leader) - before
    if wrote:
        raise AssertionError(f"I4: the woken leader wrote {wrote} rows")
    if await _term(system) <= term:
        raise NotFiredError("the term did not change")
    return Fired("stop_leader", at, f"the standby led after {took:.1f} s")


async def stop_worker(system: System, rng: random.Random) -> Fired:
    """SIGSTOP a node for longer than its lease, then wake it."""
    node = rng.choice(NODES)
    at = time.time()
    worker_id = (await asyncio.to_thread(system.fetch, system.monitor(node, "health")))["worker_id"]
    system.send(node, signal.SIGSTOP, group=True)
    try:

        async def is_dead() -> bool:
            connection = await system.connect()
            try:
                status = await connection.fetchval(
                    "SELECT status FROM workers WHERE worker_id = $1::text::uuid", worker_id
                )
            finally:
                await connection.close()
            return status == "DEAD"

        await eventually(is_dead, seconds=DEAD_AFTER + 20, every=0.1, what="the stopped node is declared dead")
        await asyncio.sleep(rng.uniform(0.0, 1.0))
    finally:
        woken = time.time()
        system.send(node, signal.SIGCONT, group=True)

    def starts_over() -> bool:
        with suppress(OSError, ValueError):
            return system.fetch(system.monitor(node, "health"))["worker_id"] != worker_id
        return False

    await eventually(starts_over, seconds=15, every=0.1, what="the woken node starts over")
    return Fired("stop_worker", at, f"{worker_id} was declared dead", senders=1, until=woken)


async def kill_after_reply(system: System, _rng: random.Random) -> Fired:
    """Kill a sender between SMTP's 250 and the commit."""
    at = time.time()
    system.arm()
    try:
        await eventually(lambda: system.has_fired, seconds=20, every=0.005, what="the failpoint fires")
    except AssertionError as error:
        raise NotFiredError(str(error)) from error
    finally:
        system.disarm()
    return Fired("kill_after_reply", at, "the failpoint left its file", senders=1)


async def _term(system: System) -> int:
    connection = await system.connect()
    try:
        return int(await connection.fetchval("SELECT max(term) FROM coordinator_leases"))
    finally:
        await connection.close()


async def _written_by(system: System, role: str) -> int:
    """Count the rows that a role has written since the server started."""
    connection = await system.connect()
    try:
        return int(
            await connection.fetchval(
                "SELECT coalesce(sum(s.rows), 0) FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid "
                "WHERE r.rolname = $1 AND s.query ~* $2",
                role,
                _WRITES,
            )
        )
    finally:
        await connection.close()


Fault = Callable[[System, random.Random], Awaitable[Fired]]

FAULTS: dict[str, Fault] = {
    "worker_child": kill_worker_child,
    "worker_node": kill_worker_node,
    "leader": kill_leader,
    "api": kill_api,
    "redis_flushed": flush_redis,
    "redis": kill_redis,
    "postgresql": kill_postgresql,
    "leader_stopped": stop_leader,
    "worker_stopped": stop_worker,
    "after_reply": kill_after_reply,
}
