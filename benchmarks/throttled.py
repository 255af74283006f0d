"""Throttled: what a recipient domain that takes nothing for a while costs the mail to everybody else.

A fifth of the recipients are at slow.example. The campaign is sent twice over one mail server, which takes everything
the first time; the other time it answers 450 and 421 in turns to every recipient there until it has taken all the
others' mail. The campaign is cancelled then: how long the domain is given to recover is no question of this benchmark.
"""

from benchmarks import people
from benchmarks.engine import PROCESSES
from benchmarks.figures import Figures
from benchmarks.gateway import Gateway
from benchmarks.options import Options
from benchmarks.sink import Sink
from benchmarks.system import WORK, Servers, System

_SLOW = "slow.example"
_DOMAINS = (_SLOW, "a.example", "b.example", "c.example", "d.example")


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    for number in range(options.runs):
        for is_throttled in (False, True) if number % 2 == 0 else (True, False):
            await _campaign(servers, options, figures, is_throttled=is_throttled)
    figures.ratio(
        "campaign.throttled.others_ratio", "campaign.throttled.others_per_s", "campaign.unthrottled.others_per_s"
    )


async def _campaign(servers: Servers, options: Options, figures: Figures, *, is_throttled: bool) -> None:
    """Send to everybody, and look at those who are elsewhere."""
    count = options.recipients
    others = count - len(range(0, count, len(_DOMAINS)))
    file = people.write(WORK / "domains.csv", count, domains=_DOMAINS)
    troubles = {"throttle": _SLOW, "until": others} if is_throttled else None
    async with (
        Sink.running(troubles=troubles) as sink,
        System.fresh(servers, **sink.settings) as system,
        Gateway.open(system) as gateway,
    ):
        await system.start_coordinator()
        await system.start("worker", "--processes", str(PROCESSES))
        await system.wait_for_workers(PROCESSES)
        campaign_id = (await gateway.upload(file))["campaign_id"]
        await servers.settle()
        await gateway.post(f"/campaigns/{campaign_id}/start")
        if is_throttled:
            await gateway.sent(campaign_id, others)
            await gateway.post(f"/campaigns/{campaign_id}/cancel")
        else:
            await gateway.completed(campaign_id)
        burnt = await system.database.pool.fetchval(
            "SELECT sum(attempt - CASE WHEN status IN ('SENDING', 'SENT') THEN 1 ELSE 0 END) FROM email_recipients"
        )
    taken = sorted(one.at for one in sink.taken() if not one.recipient.endswith(_SLOW))
    assert len(taken) == others, f"{len(taken)} of the {others} others got their mail"
    area = "campaign.throttled" if is_throttled else "campaign.unthrottled"
    figures.add(f"{area}.others_per_s", others / (taken[-1] - taken[0]), "msg/s")
    if is_throttled:
        figures.add("campaign.throttled.attempts_burnt", burnt, "attempts")
        figures.add("campaign.throttled.throttles", len(sink.troubles()), "replies")
