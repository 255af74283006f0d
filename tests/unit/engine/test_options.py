"""Options of tasks: what they may be, and how arguments of older versions become new."""

from typing import Any

import pytest

from support import option_tasks as tasks
from taskflow.base.errors import ConfigurationError, InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.engine import Request, task
from taskflow.engine.arguments import UpgradeError
from taskflow.engine.context import InvalidProgressError, Progress, TaskContext
from taskflow.engine.options import check_tags
from taskflow.engine.requests import prepare
from taskflow.engine.store import ProgressLine
from taskflow.engine.worker.progress import ProgressBuffer


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tags": "billing"}, "list of strings"),
        ({"tags": [""]}, "1 to 50"),
        ({"tags": ["x" * 51]}, "1 to 50"),
        ({"tags": [str(n) for n in range(21)]}, "at most 20"),
        ({"expires_in": 0}, "expires_in is 0"),
        ({"unique_for": -1}, "unique_for is -1"),
        ({"on_conflict": "ignore"}, "return, raise, replace"),
        ({"version": 0}, "version is 0"),
        ({"heartbeat": 0}, "heartbeat is 0"),
        ({"timeout": 0}, "timeout is 0"),
    ],
)
def test_an_option_that_cannot_be_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        task(**options)


def test_tags_are_sorted_and_each_there_once() -> None:
    assert check_tags(["b", "a", "b"]) == ("a", "b")


def test_a_unique_key_is_computed_from_the_arguments_it_names() -> None:
    row = prepare(Request("sync_account", [7]))
    assert row.unique is not None
    assert row.unique.key == "account 7"
    with pytest.raises(ConfigurationError, match="takes tenant"):

        @task(name="unit.keyed", unique_key=lambda tenant: tenant)
        async def keyed(account: int) -> None:
            """Have no tenant."""


def test_arguments_go_up_step_by_step_to_the_present_version() -> None:
    assert tasks.renamed.read(None, {"first": "Ada", "last": "Lovelace"}, 1)["full_name"] == "Ada Lovelace"
    assert tasks.renamed.read(None, {"name": "Ada"}, 2)["full_name"] == "Ada"
    assert tasks.renamed.read(None, {"full_name": "Ada"}, 3)["full_name"] == "Ada"
    with pytest.raises(UpgradeError, match=r"no upgrade from 1.*@never_upgraded.upgrade\(1\)"):
        tasks.never_upgraded.read(None, {"word": "x"}, 1)
    with pytest.raises(UpgradeError, match="came as a list"):
        tasks.renamed.read(["Ada", "Lovelace"], None, 1)
    with pytest.raises(UpgradeError, match="upgrade from version 1 failed: KeyError: 'last'"):
        tasks.renamed.read(None, {"first": "Ada"}, 1)


def test_an_upgrade_needs_a_version_to_come_from() -> None:
    for version in (0, 3):
        with pytest.raises(ConfigurationError, match="nothing to upgrade"):
            tasks.renamed.upgrade(version)(lambda arguments: arguments)
    with pytest.raises(ConfigurationError, match="two upgrades from version 1"):
        tasks.renamed.upgrade(1)(lambda arguments: arguments)


def test_a_row_keeps_the_version_that_its_arguments_have() -> None:
    assert prepare(Request("renamed", kwargs={"full_name": "Ada"})).payload_version == 3
    assert prepare(Request("renamed", kwargs={"name": "Ada"}, payload_version=2)).payload_version == 2
    assert prepare(Request("unknown here", kwargs={"name": "Ada"})).payload_version is None


class Recorder:
    """A reporter that keeps what it hears."""

    def __init__(self) -> None:
        self.said: list[Progress] = []

    def log(self, *_: Any) -> None: ...
    def heartbeat(self) -> None: ...
    def is_cancelled(self) -> bool:
        return False

    def progress(self, progress: Progress) -> None:
        self.said.append(progress)


def test_progress_is_percent_or_done_of_total() -> None:
    recorder = Recorder()
    context = TaskContext(uuid7(), "t", 4, 1, recorder)
    context.progress(40, "rendering")
    context.progress(done=3, total=12)
    context.progress(done=30, total=12, message="x" * 600)
    assert recorder.said[:2] == [Progress(40, None, None, "rendering"), Progress(25, 3, 12, None)]
    assert recorder.said[2].percent == 100
    assert len(recorder.said[2].message or "") == 500
    context.progress(50, "half\x00 \ud83d")
    assert recorder.said[3].message == "half\ufffd ?", "one message must not keep those of others out of PostgreSQL"
    assert context.fence == 4
    wrongs: list[dict[str, Any]] = [{"percent": 101}, {"percent": -1}, {"percent": float("nan")}, {"done": 3}]
    for wrong in (*wrongs, {"done": 1, "total": 0}, {"done": 1, "total": 2**63}, {"done": 2**63, "total": 1}):
        with pytest.raises(InvalidProgressError):
            context.progress(**wrong)


def test_only_the_newest_progress_is_written_once_in_a_while_and_the_last_before_the_end() -> None:
    buffer = ProgressBuffer(every=1.0)
    one, two = uuid7(), uuid7()

    def say(task_id: Any, percent: float) -> ProgressLine:
        line = ProgressLine(task_id, 1, percent, None, None, None)
        buffer.put(line)
        return line

    assert buffer.take(0.0) == []
    assert buffer.wait(0.0) is None
    say(one, 1)
    newest = say(one, 2)
    assert buffer.wait(0.0) == 0
    assert buffer.take(0.0) == [newest]
    later, other = say(one, 3), say(two, 9)
    assert buffer.take(0.5) == [other]
    assert buffer.wait(0.5) == 0.5
    assert buffer.take(0.6, {one}) == [later]
    assert buffer.take(5.0, {one, two}) == []
