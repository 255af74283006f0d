"""The dead letters duty: policies requeue, growing slower, up to their limit; a person's word counts more."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from support.duties import lead
from support.letters import fail_again, give_up
from support.processes import running
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine import Engine, TaskStatus
from taskflow.engine.coordinator.dead_letters import DeadLetters
from taskflow.engine.coordinator.duty import DutyContext
from taskflow.engine.coordinator.election import LeadershipLostError
from taskflow.engine.coordinator.relay import Relay
from taskflow.engine.dead_letters.models import RetryPolicy
from taskflow.engine.dead_letters.service import DeadLetterService
from taskflow.engine.requests import Request
from taskflow.settings import Settings


@pytest.fixture
async def context(database: Database, broker: RedisBroker, settings: Settings) -> DutyContext:
    context = await lead(database, broker, settings)
    await Relay().run_once(context)
    return context


@pytest.fixture
def letters(context: DutyContext) -> DeadLetterService:
    return DeadLetterService(context.database, context.broker)


async def run(context: DutyContext) -> None:
    duty = DeadLetters()
    while await duty.run_once(context):
        pass


async def seen(letters: DeadLetterService, dlq_id: UUID) -> dict[str, Any]:
    return dict(await letters.reader.dead_letter(dlq_id))


async def test_without_a_policy_letters_stay(context: DutyContext, letters: DeadLetterService) -> None:
    dlq_id, _ = await give_up(context.database, age=3600)
    await letters.set_policy(RetryPolicy("another"))
    assert await DeadLetters().run_once(context) == 0
    letter = await seen(letters, dlq_id)
    assert (letter["requeued_at"], letter["auto_retries"], letter["retry_at"]) == (None, None, None)


async def test_a_policy_says_when_and_requeues_then(
    context: DutyContext, letters: DeadLetterService, broker: RedisBroker
) -> None:
    await letters.set_policy(RetryPolicy("noop", delay=60))
    young, _ = await give_up(context.database, age=10)
    old, task_id = await give_up(context.database, age=61)
    await run(context)
    waiting = await seen(letters, young)
    assert waiting["retry_at"] == waiting["moved_at"] + timedelta(seconds=60)
    assert (waiting["requeued_at"], waiting["auto_retries"]) == (None, 0)
    done = await seen(letters, old)
    assert (done["requeue_cause"], done["requeued_task_id"], done["retry_at"]) == ("policy", task_id, None)
    assert await context.database.pool.fetchval("SELECT status FROM tasks WHERE task_id = $1", task_id) == "PENDING"
    assert await broker.dispatch.peek("default", 9) == [str(task_id)]


async def test_delays_grow_up_to_the_longest_and_end_at_the_limit(
    context: DutyContext, letters: DeadLetterService
) -> None:
    await letters.set_policy(RetryPolicy("noop", max_retries=3, delay=10, backoff=3, max_delay=50))
    dlq_id, task_id = await give_up(context.database, age=10)
    for retries, delay in enumerate((10, 30, 50)):
        await run(context)
        letter = await seen(letters, dlq_id)
        assert (letter["auto_retries"], letter["requeue_cause"]) == (retries, "policy"), delay
        young = await fail_again(context.database, task_id)
        await run(context)
        waiting = await seen(letters, young)
        expected = None if retries == 2 else waiting["moved_at"] + timedelta(seconds=(30, 50)[retries])
        assert waiting["retry_at"] == expected
        if retries < 2:
            await context.database.pool.execute(
                "UPDATE dead_letter_queue SET retry_at = now() WHERE dlq_id = $1", young
            )
        dlq_id = young
    assert (await seen(letters, dlq_id))["auto_retries"] == 3
    assert await DeadLetters().run_once(context) == 0


async def test_another_policy_judges_anew_what_waits(context: DutyContext, letters: DeadLetterService) -> None:
    await letters.set_policy(RetryPolicy("noop", delay=600))
    dlq_id, _ = await give_up(context.database, age=60)
    await run(context)
    assert (await seen(letters, dlq_id))["requeued_at"] is None
    await letters.set_policy(RetryPolicy("noop", delay=30))
    await run(context)
    assert (await seen(letters, dlq_id))["requeue_cause"] == "policy"


async def test_without_its_policy_a_letter_waits_for_a_person(context: DutyContext, letters: DeadLetterService) -> None:
    await letters.set_policy(RetryPolicy("noop", delay=30))
    dlq_id, _ = await give_up(context.database, age=10)
    await run(context)
    await letters.delete_policy("noop")
    letter = await seen(letters, dlq_id)
    assert (letter["auto_retries"], letter["retry_at"]) == (None, None)
    assert await DeadLetters().run_once(context) == 0


async def test_a_letter_that_a_person_requeued_is_not_retried(context: DutyContext, letters: DeadLetterService) -> None:
    await letters.set_policy(RetryPolicy("noop", delay=30))
    dlq_id, _ = await give_up(context.database, age=10)
    await run(context)
    letter = await letters.requeue(dlq_id)
    assert (letter["requeue_cause"], letter["retry_at"]) == ("hand", None)
    assert await DeadLetters().run_once(context) == 0


async def test_a_letter_whose_task_cannot_start_over_is_left_alone(
    context: DutyContext, letters: DeadLetterService
) -> None:
    await letters.set_policy(RetryPolicy("noop", delay=0))
    dlq_id, _ = await give_up(context.database)
    await context.database.pool.execute("DELETE FROM tasks")
    await run(context)
    letter = await seen(letters, dlq_id)
    assert (letter["requeued_at"], letter["retry_at"], letter["requeue_cause"]) == (None, None, None)


async def test_a_leader_of_a_past_term_requeues_nothing(context: DutyContext, letters: DeadLetterService) -> None:
    await letters.set_policy(RetryPolicy("noop", delay=0))
    dlq_id, _ = await give_up(context.database)
    await context.database.pool.execute("UPDATE coordinator_leases SET term = term + 1")
    with pytest.raises(LeadershipLostError):
        await DeadLetters().run_once(context)
    assert (await seen(letters, dlq_id))["auto_retries"] is None


async def test_a_task_that_keeps_failing_is_grouped_retried_by_policy_and_mended_by_an_edit(
    database: Database, broker: RedisBroker, environment: dict[str, str]
) -> None:
    """The whole way with real processes: worker, letter, policy, letter, edit."""
    letters, engine = DeadLetterService(database, broker), Engine(database, broker)
    await letters.set_policy(RetryPolicy("checks_word", max_retries=1, delay=0))
    quick = environment | {"TASKFLOW_COORDINATOR_DEAD_LETTERS_SECONDS": "0.1"}
    async with running(quick, "coordinator"), running(environment, "worker", "--processes", "1"):
        handle = await engine.submit(Request("checks_word", kwargs={"word": "wrong 1"}, max_retries=0))

        async def spent() -> list[Any]:
            rows = await database.pool.fetch("SELECT * FROM dead_letter_queue ORDER BY dlq_id")
            return rows if len(rows) == 2 and rows[1]["auto_retries"] == 1 else []

        first, second = await eventually(spent, seconds=60, what="the policy's retry has failed too")
        assert (first["requeue_cause"], second["requeue_cause"], second["retry_at"]) == ("policy", None, None)
        assert first["fingerprint"] == second["fingerprint"]
        assert (first["error_class"], first["error_place"]) == ("ValueError", "support/sample_tasks.py:checks_word")
        edited = await letters.requeue_edited(second["dlq_id"], {"kwargs": {"word": "right"}})

        async def completed() -> bool:
            status = await database.pool.fetchval("SELECT status FROM tasks WHERE task_id = $1", edited.task_id)
            return bool(status == TaskStatus.COMPLETED)

        await eventually(completed, seconds=60, what="the edited task has completed")
    assert edited.task_id != handle.task_id
