"""Metrics of a worker node: by task name and outcome, with as few names as a metric can bear."""

from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskflow.engine import outcomes
from taskflow.engine.metering import Family, Meter
from taskflow.engine.store import Lease, Outcome
from taskflow.engine.worker.board import NAMES, OTHER, SERIES, Board, Counter, make_board
from taskflow.engine.worker.metrics import NodeFigures, NodeMetrics
from taskflow.engine.worker.tally import Tally, tally_of


def lease(name: str) -> Lease:
    return Lease(uuid4(), 1, name, "default", 5, 0, 1, 300, 0, None, None, None)


def ends() -> list[Outcome]:
    return [
        outcomes.completed(lease("mail"), 0.5),
        outcomes.completed(lease("mail"), 0.25),
        outcomes.failed(lease("mail"), 1.0, "x"),
        outcomes.crashed(lease("resize"), None, "x", 3),
        outcomes.released(lease("resize")),
        outcomes.cancelled(lease("resize"), 2.0),
    ]


@pytest.fixture
def board() -> Board:
    return Board(make_board())


def write(board: Board, tally: Tally) -> None:
    for (name, counter), by in tally.ends.items():
        board.tally(name, counter, by)
    for name, seconds in tally.seconds.items():
        board.tally_seconds(name, seconds)


def test_what_a_child_counts_its_parent_reads(board: Board) -> None:
    all_ends = ends()
    tally = Tally.of(all_ends, {all_ends[0].lease.task_id})
    assert tally.ends == {
        ("mail", Counter.STALE): 1,
        ("mail", Counter.COMPLETED): 1,
        ("mail", Counter.RETRIED): 1,
        ("resize", Counter.CRASHED): 1,
        ("resize", Counter.RELEASED): 1,
        ("resize", Counter.CANCELLED): 1,
    }
    write(board, tally)
    write(board, tally)
    read = tally_of(board)
    assert read.ends == {key: 2 * count for key, count in tally.ends.items()}
    assert read.seconds == {"mail": 3.5, "resize": 4.0}


def test_names_that_come_too_late_share_a_line(board: Board) -> None:
    for number in range(NAMES + 20):
        board.tally(f"task{number}", Counter.COMPLETED, 1)
    read = tally_of(board).ends
    assert len(read) == NAMES
    assert read[OTHER, Counter.COMPLETED] == 21
    assert read["task98", Counter.COMPLETED] == 1


def test_a_long_name_is_cut_where_utf_8_allows(board: Board) -> None:
    board.tally("x" + "é" * 100, Counter.COMPLETED, 1)
    assert list(tally_of(board).ends) == [("x" + "é" * 31, Counter.COMPLETED)]


def test_what_tasks_count_their_node_exposes(board: Board) -> None:
    sizes = Family("sizes", "How large.", ("kind",), buckets=(1, 10))
    meter = Meter(board.add)
    meter.count(Family("sent", "What went.", ("kind", "to")), "mail", "ann", by=2)
    for value in (0.5, 7, 70):
        meter.observe(sizes, "mail", value=value)
    tally = tally_of(board)
    tally.update(tally_of(board))  # of another child
    figures = NodeFigures(tally, running=0, held=0, capacity=1, processes=2)
    families = (Family("sent", "What went.", ("kind", "to")), sizes, Family("unused", "Nothing.", ("kind",)))
    text = NodeMetrics(lambda: figures, families).expose().decode()
    assert 'sent_total{kind="mail",to="ann"} 4.0' in text
    assert [line for line in text.splitlines() if line.startswith("sizes_")] == [
        'sizes_bucket{kind="mail",le="1"} 2.0',
        'sizes_bucket{kind="mail",le="10"} 4.0',
        'sizes_bucket{kind="mail",le="+Inf"} 6.0',
        'sizes_count{kind="mail"} 6.0',
        'sizes_sum{kind="mail"} 155.0',
    ]


def test_series_that_come_too_late_are_not_counted(board: Board) -> None:
    for number in range(SERIES + 20):
        board.add(f"series{number}", 1)
    board.add("series1", 1)
    series = dict(board.series())
    assert (len(series), series["series1"], series["series1023"]) == (SERIES, 2, 1)


def test_a_node_exposes_totals_and_names_and_no_ids() -> None:
    figures = NodeFigures(Tally.of(ends(), set()), running=3, held=7, capacity=10, processes=2)
    text = NodeMetrics(lambda: figures).expose().decode()
    assert 'taskflow_worker_attempts_total{outcome="completed"} 2.0' in text
    assert 'taskflow_worker_attempts_total{outcome="stale"} 0.0' in text
    assert 'taskflow_worker_task_attempts_total{outcome="completed",task_name="mail"} 2.0' in text
    assert 'taskflow_worker_task_seconds_total{task_name="resize"} 2.0' in text
    assert "taskflow_worker_running 3.0" in text
    assert "taskflow_worker_capacity 10.0" in text
    labels = {key for family in text_string_to_metric_families(text) for one in family.samples for key in one.labels}
    assert labels == {"outcome", "task_name"}
