"""Rules of dispatch: what is paused and what is limited, carried from PostgreSQL to Redis.

Whoever changes a rule commits it and then tells Redis. A crash in between, or a Redis that forgot, is mended here.
A difference is acted upon when it is seen twice in a row: one look may fall between somebody's commit and their word
to Redis, and must not take that back.
"""

from collections.abc import Sequence
from typing import NamedTuple

from taskflow.broker.limits import Limit, subject_of
from taskflow.engine.coordinator.duty import DispatchRule, DutyContext


class Change(NamedTuple):
    """What Redis has to be told: of a dispatch key whether it is paused, or of a subject how it is limited."""

    name: str
    to: bool | Limit


async def read_rules(context: DutyContext) -> list[DispatchRule]:
    """Ask every source."""
    return [rule for source in context.rule_sources for rule in await source(context.database)]


async def apply_rules(context: DutyContext, rules: Sequence[DispatchRule]) -> None:
    """Write rules to a Redis that has none."""
    for rule in rules:
        context.check()
        if rule.limit != Limit():
            await context.broker.dispatch.set_limit(rule.dispatch_key, rule.limit)
        if rule.paused:
            await context.broker.dispatch.pause(rule.dispatch_key)


class RuleMender:
    """Compares the rules of both sides and mends what stays different."""

    def __init__(self) -> None:
        """Start without a suspicion."""
        self._suspects: frozenset[Change] = frozenset()

    async def run_once(self, context: DutyContext) -> int:
        """Mend what differs now and differed at the last look; return how many rules."""
        wrong = frozenset(await self._different(context, await read_rules(context)))
        mending, self._suspects = wrong & self._suspects, wrong - self._suspects
        dispatch = context.broker.dispatch
        for name, to in mending:
            context.check()
            if isinstance(to, Limit):
                await dispatch.set_limits({name: to})
            else:
                await (dispatch.pause if to else dispatch.resume)(name)
        return len(mending)

    @staticmethod
    async def _different(context: DutyContext, rules: Sequence[DispatchRule]) -> list[Change]:
        """Return what Redis has wrong. A key without a rule is left as it is; a limit without one is left over."""
        paused, limits = await context.broker.dispatch.paused(), await context.broker.dispatch.limits()
        wanted = {subject_of(rule.dispatch_key): rule.limit for rule in rules}
        changes = [
            Change(rule.dispatch_key, rule.paused) for rule in rules if (rule.dispatch_key in paused) != rule.paused
        ]
        changes += [
            Change(subject, wanted.get(subject, Limit()))
            for subject in wanted.keys() | limits.keys()
            if wanted.get(subject, Limit()).pack() != limits.get(subject, Limit()).pack()
        ]
        return changes
