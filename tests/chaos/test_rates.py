"""The rate of a campaign, as the mail server sees it, while a node dies or Redis forgets everything (I11).

What follows from the design: a mail pays a token when its id is handed out, and the bucket holds two seconds' worth and
starts empty. So at most `rate * W + 2 s of rate` ids are handed out in any W seconds, whoever takes them. From there to
the server a mail needs its time. What differs between two mails' times adds to a window at the server; a second of it
is allowed for here. At 600 a minute that is 630 in 60 s.
"""

import os
import random
from collections.abc import Sequence

import pytest

from support.chaos_checker import Checker
from support.chaos_client import Client
from support.chaos_faults import FAULTS, Fired
from support.chaos_system import System
from support.waiting import eventually

pytestmark = pytest.mark.chaos

PER_MINUTE = 600
A_SECOND = PER_MINUTE / 60
BUCKET = 2 * A_SECOND
LATENESS = 1.0
LONG = int(os.environ.get("TASKFLOW_CHAOS_SEEDS", "2")) > 2  # `make chaos`
SECONDS = 75 if LONG else 20
WINDOWS = (1, 5, 10, 60) if LONG else (1, 5, 10)


def most_within(times: Sequence[float], seconds: float) -> int:
    """Return the largest number of instants in any window of so many seconds."""
    most = first = 0
    for last, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("fault", ["worker_node", "redis_flushed"])
async def test_no_window_at_the_mail_server_exceeds_the_rate(system: System, fault: str) -> None:
    rng = random.Random(fault)  # noqa: S311
    client = Client(system.url(""), system.key, f"{rng.getrandbits(32):08x}", system.folder / "client.jsonl", seed=1)
    try:
        checker = Checker(system, client)
        size = int(SECONDS * A_SECOND)
        campaign = await client.run_campaign(size, per_minute=PER_MINUTE)
        await eventually(
            lambda: checker.sink.count("accepted") > size / 3, seconds=SECONDS + 30, what="a third is sent"
        )
        assert len(await _sending_nodes(system, campaign.campaign_id)) == 2, "both nodes must be at it"
        fired: Fired = await FAULTS[fault](system, rng)
        await checker.drained(seconds=SECONDS + 60)
        wrong = await checker.check(fired)
        assert not wrong, "\n".join(wrong[:20])

        arrivals = sorted(line["at"] for line in checker.sink.of("accepted"))
        for seconds in WINDOWS:
            allowed = A_SECOND * (seconds + LATENESS) + BUCKET
            assert most_within(arrivals, seconds) <= allowed, f"in {seconds} s, after {fired}"
        assert sum(at > fired.at for at in arrivals) > size / 3, "the fault must lie in the middle"
        assert arrivals[-1] - arrivals[0] < 2 * SECONDS, "the rate must be used, not only kept"
    finally:
        await client.close()


async def _sending_nodes(system: System, campaign_id: str) -> set[str]:
    """Return the nodes that have ended tasks of a campaign."""
    connection = await system.connect()
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT worker_id::text FROM tasks WHERE campaign_id = $1::text::uuid AND status = 'COMPLETED'",
            campaign_id,
        )
    finally:
        await connection.close()
    return {row[0] for row in rows}
