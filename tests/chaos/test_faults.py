"""One fault at a random moment of 5,000 tasks and a campaign; afterwards the ledgers must agree.

The moment is a share of the work done, not a time, so that it lies in the middle on any machine.
"""

import asyncio
import random
import time

import pytest

from support.chaos_checker import Checker
from support.chaos_client import Client
from support.chaos_faults import FAULTS, Fired, NotFiredError
from support.chaos_system import System
from support.waiting import eventually

pytestmark = pytest.mark.chaos

TASKS = 5_000
RECIPIENTS = 600


async def in_the_middle(system: System, client: Client, checker: Checker, fault: str, rng: random.Random) -> Fired:
    """Wait until a random share of the tasks or of the mails is done, then do it.

    Raises:
        NotFiredError: one of them was over, or had not begun.
    """
    share = rng.uniform(0.15, 0.6)

    def done() -> tuple[float, float]:
        return checker.bodies.count("end") / TASKS, checker.sink.count("accepted") / RECIPIENTS

    def is_time() -> bool:
        tasks, mails = done()
        match fault:
            case "api":
                return client.answered >= share * len(client.submissions)
            case "after_reply":
                return mails >= share
            case _:
                return max(tasks, mails) >= share and min(tasks, mails) > 0

    await eventually(is_time, seconds=60, every=0.01, what=f"{share:.0%} of the work")
    tasks, mails = done()
    if max(tasks, mails) > 0.95:
        raise NotFiredError(f"it was nearly over: {tasks:.0%} of the tasks and {mails:.0%} of the mails were done")
    return await FAULTS[fault](system, rng)


@pytest.mark.parametrize("fault", FAULTS)
async def test_nothing_is_lost_or_doubled(system: System, fault: str, seed: int) -> None:
    began = time.time()
    rng = random.Random(f"{fault}:{seed}")  # noqa: S311
    run = f"{rng.getrandbits(32):08x}"
    client = Client(system.url(""), system.key, run, system.folder / "client.jsonl", seed=seed)
    try:
        checker = Checker(system, client)
        client.plan(TASKS)
        work = asyncio.gather(client.run_campaign(RECIPIENTS), client.submit_all())
        fired = await in_the_middle(system, client, checker, fault, rng)
        await work
        healed = await checker.drained()
        wrong = await checker.check(fired)
        assert not wrong, f"{len(wrong)} violations after {fired}:\n" + "\n".join(wrong[:20])
        if fault == "after_reply":
            assert await checker.uncertain() > 0
        assert system.ends(began).keys() <= fired.ended, "a process that was left alone ended (I10)"
        await _still_works(client)
        print(f"{fired.name}: {fired.proof}; drained {healed:.1f} s later")  # noqa: T201
    finally:
        await client.close()


async def _still_works(client: Client) -> None:
    """I3: a repetition gets the same answer, another request under its key an error. I13: new work is done."""
    acked = [submission for submission in client.submissions if submission.outcome == "acked"]
    for submission in acked[:3] + acked[-3:]:
        status, ids = await client.ask_again(submission)
        assert (status, ids) == (201, submission.ids)
        assert await client.misuse(submission) == 422
    [after] = client.plan(1, singles=1)
    after.key = after.labels[0] = after.body["args"]["label"] = f"{client.run}-after"
    after.impatient = False
    after.body["task_name"] = "chaos_tells"
    after.body.pop("scheduled_at", None)
    await client.submit(after)
    assert after.outcome == "acked"

    async def is_done() -> bool:
        return bool((await client.get(f"/api/v1/tasks/{after.ids[0]}"))["status"] == "COMPLETED")

    await eventually(is_done, seconds=20, what="a new task after the fault")
