"""How often a rule has been used on each address, as a greylisting server remembers who came before.

Kept in memory: after a restart, or when very many addresses came in between, an address begins anew and is put off
again, which a sender has to bear from any server.
"""

from collections import OrderedDict
from typing import NamedTuple

_MOST_ADDRESSES = 100_000


class Rule(NamedTuple):
    """What is done to some addresses: `times` to each of them, or always."""

    pattern: str
    action: str
    times: int | None


class Uses:
    """Counts uses of rules by address."""

    def __init__(self, most: int = _MOST_ADDRESSES) -> None:
        """Remember the `most` addresses that were counted last."""
        self._most = most
        self._counts: OrderedDict[tuple[Rule, str], int] = OrderedDict()

    def use(self, rule: Rule, address: str) -> bool:
        """Use a rule on an address once; tell whether it is not used up there."""
        if rule.times is None:
            return True
        key = (rule, address)
        count = self._counts.get(key, 0)
        if count >= rule.times:
            self._counts.move_to_end(key)
            return False
        self._counts[key] = count + 1
        self._counts.move_to_end(key)
        if len(self._counts) > self._most:
            self._counts.popitem(last=False)
        return True

    def keep(self, rules: set[Rule]) -> None:
        """Forget the uses of every rule that is none of these: one that comes back, or is changed, starts anew."""
        for key in [key for key in self._counts if key[0] not in rules]:
            del self._counts[key]
