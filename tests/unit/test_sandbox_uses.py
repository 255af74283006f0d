"""The sandbox counts a rule's uses by address, and does not count for ever."""

from taskflow.delivery.sandbox.uses import Rule, Uses

TWICE = Rule("*@slow.example", "defer", 2)


def test_each_address_uses_a_rule_up_by_itself() -> None:
    uses = Uses()
    assert [uses.use(TWICE, "a@slow.example") for _ in range(3)] == [True, True, False]
    assert [uses.use(TWICE, "b@slow.example") for _ in range(3)] == [True, True, False]


def test_a_rule_without_a_number_is_never_used_up_and_costs_no_memory() -> None:
    uses = Uses(most=1)
    always = Rule("*@slow.example", "reject", None)
    assert uses.use(TWICE, "a@slow.example")
    assert all(uses.use(always, f"{n}@slow.example") for n in range(100))
    assert [uses.use(TWICE, "a@slow.example") for _ in range(2)] == [True, False]


def test_only_the_addresses_that_came_last_are_remembered() -> None:
    uses = Uses(most=3)
    once = Rule("*@slow.example", "defer", 1)
    addresses = [f"{n}@slow.example" for n in range(4)]
    assert [uses.use(once, address) for address in addresses[:3]] == [True, True, True]
    assert not uses.use(once, addresses[0]), "which makes it the latest"
    assert uses.use(once, addresses[3])
    assert [uses.use(once, addresses[n]) for n in (0, 2, 3)] == [False, False, False]
    assert uses.use(once, addresses[1]), "forgotten: it begins anew"


def test_rules_that_are_gone_forget_whom_they_were_used_on() -> None:
    uses = Uses()
    other = TWICE._replace(pattern="*@other.example")
    for rule in (TWICE, TWICE, other, other):
        uses.use(rule, "a@slow.example")
    uses.keep({other})
    assert uses.use(TWICE, "a@slow.example")
    assert not uses.use(other, "a@slow.example")
