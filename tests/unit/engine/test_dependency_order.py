"""Parents come before children, and a circle is named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sample_tasks import add, noop
from taskflow.engine import After, Graph
from taskflow.engine.dependencies.models import InvalidDependencyError
from taskflow.engine.dependencies.order import CyclicDependencyError, topological
from taskflow.engine.payload import InvalidTaskArgumentsError


def test_parents_come_first_and_the_given_order_is_kept_otherwise() -> None:
    assert topological({"d": ["b", "c"], "b": ["a"], "c": ["a"], "a": [], "e": ["elsewhere"]}) == list("abcde")


def test_a_circle_is_named_along_the_arrows() -> None:
    with pytest.raises(CyclicDependencyError, match=r"circle: (a → b → c → a|b → c → a → b|c → a → b → c)\."):
        topological({"start": [], "b": ["a"], "c": ["b"], "a": ["c", "start"]})


def test_a_task_that_waits_for_itself_is_a_circle() -> None:
    with pytest.raises(CyclicDependencyError, match="circle: a → a"):
        topological({"a": ["a"]})


def test_a_chain_of_a_hundred_thousand_is_no_problem() -> None:
    chain = {number: [number - 1] if number else [] for number in reversed(range(100_000))}
    assert topological(chain) == list(range(100_000))
    with pytest.raises(CyclicDependencyError, match="more …"):
        topological(chain | {0: [99_999]})


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=40))
def test_an_order_is_found_if_and_only_if_there_is_one(pairs: list[tuple[int, int]]) -> None:
    parents: dict[int, list[int]] = {number: [] for number in range(13)}
    for child, parent in pairs:
        parents[child].append(parent)
    left, had = dict(parents), -1
    while len(left) != had:  # take away what waits for nobody that is left
        had = len(left)
        left = {child: wanted for child, wanted in left.items() if any(parent in left for parent in wanted)}
    try:
        order = topological(parents)
    except CyclicDependencyError as error:
        assert left
        names = [int(name) for name in error.context["cycle"]]
        for parent, child in zip(names, [*names[1:], names[0]], strict=True):
            assert parent in parents[child]
    else:
        assert not left
        assert sorted(order) == list(range(13))
        assert all(order.index(parent) < order.index(child) for child, parent in pairs)


def test_a_graph_in_a_circle_is_refused_by_the_names_of_its_tasks() -> None:
    graph = Graph()
    first = graph.add(noop)
    second = graph.add(add.options(after=[first]), 1, 2)
    graph.depend(first, second)
    with pytest.raises(CyclicDependencyError, match=r"(noop → add → noop|add → noop → add)\."):
        graph.rows()


def test_a_policy_that_is_none_is_refused() -> None:
    graph = Graph()
    first = graph.add(noop)
    with pytest.raises(InvalidDependencyError, match="on_failure is fail, skip or run"):
        graph.add(noop.options(after=[After(first, on_failure="ignore")]))
    with pytest.raises(InvalidDependencyError, match='on_success="skip"'):
        graph.add(noop.options(after=[After(first, on_success="skip")]))
    with pytest.raises(InvalidDependencyError, match="named twice"):
        graph.add(noop.options(after=[first, After(first, on_failure="run")]))


def test_arguments_beside_results_are_checked_when_the_graph_is_built() -> None:
    graph = Graph()
    first = graph.add(add, 1, 2)
    graph.add(add, first.output, 2)
    graph.add(add, left=first.output, right=first.output)
    with pytest.raises(InvalidTaskArgumentsError, match="right"):
        graph.add(add, first.output, "two")  # type: ignore[arg-type]
    with pytest.raises(InvalidTaskArgumentsError, match="no argument 'middle'"):
        graph.add(add, 1, 2, middle=first.output)  # type: ignore[call-arg]


def test_a_group_without_members_is_refused() -> None:
    with pytest.raises(InvalidDependencyError, match="at least one member"):
        Graph().group([])
