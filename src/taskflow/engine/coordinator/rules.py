"""Rules of dispatch keys: what is paused and how fast the rest may go, carried from PostgreSQL to Redis.

Whoever changes a rule commits it and then tells Redis. A crash in between, or a Redis that forgot, is mended here.
A difference is acted upon when it is seen twice in a row: one look may fall between somebody's commit and their word
to Redis, and must not take that back.
"""

from collections.abc import Iterable, Sequence

from taskflow.engine.coordinator.duty import DispatchRule, DutyContext


async def read_rules(context: DutyContext) -> list[DispatchRule]:
    """Ask every source."""
    return [rule for source in context.rule_sources for rule in await source(context.database)]


async def apply_rules(context: DutyContext, rules: Iterable[DispatchRule]) -> None:
    """Write rules to a Redis that has none."""
    dispatch = context.broker.dispatch
    for rule in rules:
        context.check()
        if rule.per_minute is not None:
            await dispatch.set_rate(rule.dispatch_key, rule.per_minute)
        if rule.paused:
            await dispatch.pause(rule.dispatch_key)


class RuleMender:
    """Compares the rules of both sides and mends what stays different."""

    def __init__(self) -> None:
        """Start without a suspicion."""
        self._suspects: frozenset[DispatchRule] = frozenset()

    async def run_once(self, context: DutyContext) -> int:
        """Mend what differs now and differed at the last look; return how many rules."""
        rules = await read_rules(context)
        wrong = frozenset(await self._different(context, rules))
        mending, self._suspects = wrong & self._suspects, wrong - self._suspects
        dispatch = context.broker.dispatch
        for rule in mending:
            context.check()
            await dispatch.set_rate(rule.dispatch_key, rule.per_minute)
            await (dispatch.pause if rule.paused else dispatch.resume)(rule.dispatch_key)
        return len(mending)

    @staticmethod
    async def _different(context: DutyContext, rules: Sequence[DispatchRule]) -> list[DispatchRule]:
        present = await context.broker.upkeep.rules([rule.dispatch_key for rule in rules])
        return [rule for rule, now in zip(rules, present, strict=True) if now != (rule.paused, rule.per_minute)]
