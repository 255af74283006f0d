"""Who leads: terms, deadlines, takeovers."""

import asyncio

import asyncpg
import pytest

from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.engine.coordinator import election
from taskflow.engine.coordinator.election import Election, LeadershipLostError, role_of


async def _term(database: Database) -> int:
    return int(await database.pool.fetchval("SELECT term FROM coordinator_leases WHERE name = 'coordinator'"))


async def test_one_of_many_candidates_leads(database: Database) -> None:
    leases = await asyncio.gather(*(Election(database, seconds=30).stand() for _ in range(8)))
    assert len([lease for lease in leases if lease is not None]) == 1
    assert await _term(database) == 1


async def test_a_released_role_is_free_at_once_under_the_next_term(database: Database) -> None:
    first = await Election(database, seconds=30).stand()
    assert first is not None
    await first.release(database)
    assert not first.is_held
    second = await Election(database, seconds=30).stand()
    assert second is not None
    assert second.term == first.term + 1


async def test_an_expired_lease_can_be_taken_and_not_renewed(database: Database) -> None:
    first = await Election(database, seconds=0.3).stand()
    assert first is not None
    second = await eventually(Election(database, seconds=30).stand)
    assert second is not None
    assert not await first.renew(database)
    with pytest.raises(LeadershipLostError):
        first.check()


async def test_a_leader_stops_leading_by_its_own_clock_before_the_row_expires(database: Database) -> None:
    lease = await Election(database, seconds=0.4).stand()
    assert lease is not None
    await eventually(lambda: not lease.is_held)
    left = await database.pool.fetchval("SELECT expires_at - clock_timestamp() FROM coordinator_leases")
    assert left.total_seconds() > -0.1  # noticed within a poll of the row's own end, not long after it


async def test_a_deposed_leader_writes_nothing_even_when_its_clock_says_it_leads(database: Database) -> None:
    old = await Election(database, seconds=60).stand()
    assert old is not None
    await database.pool.execute("UPDATE coordinator_leases SET expires_at = '-infinity'")
    new = await Election(database, seconds=60).stand()
    assert new is not None
    assert old.is_held
    with pytest.raises(LeadershipLostError):
        async with old.leading(database.pool) as connection:
            await connection.execute("DELETE FROM workers")
    assert not old.is_held
    async with new.leading(database.pool) as connection:
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_renewal_does_not_wait_for_a_writing_duty(database: Database) -> None:
    lease = await Election(database, seconds=30).stand()
    assert lease is not None
    async with lease.leading(database.pool), asyncio.timeout(60):
        assert await lease.renew(database)


async def test_a_takeover_waits_for_a_write_under_the_old_term_and_outlives_an_idle_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(election, "IDLE_IN_TRANSACTION_SECONDS", 0.5)
    old = await Election(database, seconds=30).stand()
    assert old is not None
    stopped = old.leading(database.pool)
    connection = await stopped.__aenter__()
    await database.pool.execute("INSERT INTO workers (worker_id, hostname) VALUES (gen_random_uuid(), 'before')")
    await connection.execute("UPDATE workers SET hostname = 'written by a stopped leader'")
    # The lease runs out on the server, as time would do it; the row is not locked against that.
    await database.pool.execute("UPDATE coordinator_leases SET expires_at = '-infinity'")
    taking = asyncio.create_task(Election(database, seconds=30).stand())
    new = await asyncio.wait_for(taking, 60)
    assert new is not None
    assert new.term == old.term + 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        await stopped.__aexit__(None, None, None)
    assert await database.pool.fetchval("SELECT hostname FROM workers") == "before"


def test_coordinators_with_other_duties_elect_a_leader_of_their_own() -> None:
    assert role_of([]) == "coordinator"
    assert role_of(["relay", "drift"]) == role_of(["drift", "relay"]) == "coordinator/drift+relay"
