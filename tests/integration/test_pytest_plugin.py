"""The pytest plugin, as somebody else's tests use it: a project of its own, in a pytest of its own."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

_TASKS = """
from taskflow.engine import Retry, current_task, task


@task
async def double(number: int) -> int:
    return 2 * number


@task
def flaky(until: int) -> int:
    if current_task().attempt < until:
        raise Retry("again", after=0.05)
    return current_task().attempt
"""

_TESTS = """
import asyncpg
import pytest
from shop_tasks import double, flaky


async def test_tasks_run_in_a_worker(taskflow_engine, taskflow_worker):
    assert await (await double.enqueue(21)).result(timeout=20) == 42
    assert await (await flaky.enqueue(until=3)).result(timeout=20) == 3


async def test_what_is_rolled_back_never_was(taskflow_engine, taskflow_settings):
    connection = await asyncpg.connect(taskflow_settings.database.url.get_secret_value())
    transaction = connection.transaction()
    await transaction.start()
    handle = await taskflow_engine.enqueue_in(connection, double, number=1)
    await transaction.rollback()
    assert await connection.fetchval("SELECT count(*) FROM tasks") == 0  # nor is the other test's task here
    await connection.close()
"""


_CONFIGURATION = """
[tool.pytest.ini_options]
asyncio_mode = "{mode}"
asyncio_default_fixture_loop_scope = "function"
pythonpath = ["."]
"""


@pytest.mark.parametrize("mode", ["auto", "strict"])
async def test_a_strangers_tests_run_on_a_real_engine(mode: str, tmp_path: Path) -> None:
    (tmp_path / "shop_tasks.py").write_text(_TASKS)
    marked = (
        _TESTS
        if mode == "auto"
        else _TESTS.replace("import pytest\n", "import pytest\npytestmark = pytest.mark.asyncio\n")
    )
    (tmp_path / "test_shop.py").write_text(marked)
    (tmp_path / "pyproject.toml").write_text(_CONFIGURATION.format(mode=mode))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TASKFLOW_", "PYTEST_"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"),
        cwd=tmp_path,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    assert b"2 passed" in output
