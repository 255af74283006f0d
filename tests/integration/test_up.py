"""`taskflow up` runs the whole system, keeps it alive, and leaves nothing running."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.waiting import eventually_sync
from taskflow.embedded.server import command_line

COMMAND = [sys.executable, "-P", "-m", "taskflow.cli.main", "up"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def alone(environment: dict[str, str], home: Path) -> dict[str, str]:
    """The environment of a system with servers of its own."""
    given = {"TASKFLOW_DATABASE_URL", "TASKFLOW_REDIS_URL", "TASKFLOW_SECRET_KEY"}
    return {name: value for name, value in environment.items() if name not in given} | {"TASKFLOW_HOME": str(home)}


@contextmanager
def up(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start the system; hand out the process and the rows it printed."""
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = {}
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
            name, _, value = line.strip().partition("  ")
            rows[name] = value.strip()
        try:
            yield process, rows
        finally:
            process.terminate()
            process.wait(60)


def pids(home: Path) -> dict[str, int]:
    """Return every process of the system."""
    processes = json.loads((home / "processes.json").read_text())
    servers = json.loads((home / "servers.json").read_text())
    return {name: pid for name, pid in (processes | servers["pids"]).items() if isinstance(pid, int)}


def test_the_system_comes_up_lets_the_administrator_in_and_stops_without_a_trace(
    alone: dict[str, str], home: Path
) -> None:
    with up(alone) as (process, rows):
        file = home / "admin-password"
        assert str(file) in rows["Password"]
        assert file.stat().st_mode & 0o777 == 0o600
        sign_in = {"email": rows["Sign in"], "password": file.read_text().strip()}
        answer = httpx.post(f"{rows['API']}/auth/login", json=sign_in, trust_env=False)
        assert answer.status_code == 200, answer.text
        running = pids(home)
        assert {"up", "api", "coordinator", "worker-1", "sandbox", "postgresql", "redis"} <= set(running)
        logs = "".join(log.read_text(errors="replace") for log in (home / "logs").iterdir())
        assert sign_in["password"] not in logs
        process.terminate()
        assert process.wait(60) == 0
    assert [name for name, pid in running.items() if command_line(pid)] == []
    assert not (home / "servers.json").exists()


def test_a_second_start_keeps_the_administrator_and_prints_no_password(alone: dict[str, str]) -> None:
    with up(alone):
        pass
    with up(alone) as (_, rows):
        assert "Password" not in rows


def test_a_killed_process_is_started_again(alone: dict[str, str], home: Path) -> None:
    with up(alone):
        before = pids(home)["worker-1"]
        os.kill(before, signal.SIGKILL)
        eventually_sync(lambda: pids(home).get("worker-1", before) != before)


def test_kill_9_of_the_supervisor_leaves_no_orphan_and_the_next_start_works(alone: dict[str, str], home: Path) -> None:
    with up(alone) as (process, _):
        running = pids(home)
        process.kill()
        eventually_sync(lambda: not any(command_line(pid) for pid in running.values()), seconds=30)
    with up(alone) as (_, rows):
        assert rows["Dashboard"].startswith("http://127.0.0.1:")


def test_on_a_terminal_the_password_is_shown_once_and_ctrl_c_stops(alone: dict[str, str], home: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(COMMAND, env=alone, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = ""
        while "Ctrl-C stops it" not in shown:
            shown += os.read(ours, 4096).decode()
        assert re.search(r"Password +\S+ +\(shown only this once\)", shown)
        assert not (home / "admin-password").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    os.close(ours)


def test_given_servers_are_used_instead_of_own_ones(environment: dict[str, str], home: Path) -> None:
    with up(environment | {"TASKFLOW_HOME": str(home)}):
        assert not (home / "servers.json").exists()
        assert not (home / "postgresql").exists()


def test_a_taken_port_is_refused_with_its_setting(alone: dict[str, str]) -> None:
    with up(alone) as (_, rows):
        port = rows["Dashboard"].rpartition(":")[2]
        taken = alone | {"TASKFLOW_HTTP_PORT": port, "TASKFLOW_HOME": alone["TASKFLOW_HOME"] + "2"}
        done = subprocess.run(COMMAND, env=taken, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "TASKFLOW_HTTP_PORT" in done.stderr
