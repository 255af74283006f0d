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
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.up import up as sample_tasks_up
from support.waiting import eventually_sync
from taskflow.embedded.server import command_line

COMMAND = [sys.executable, "-P", "-m", "taskflow.cli.main", "up"]


@dataclass
class System:
    """A running `taskflow up`."""

    process: subprocess.Popen[str]
    home: Path
    rows: dict[str, str]
    """What it printed: "API", "Dashboard", "Password", …"""

    def pids(self) -> dict[str, int]:
        """Return every process of the system by name."""
        processes = json.loads((self.home / "processes.json").read_text())
        servers = json.loads((self.home / "servers.json").read_text())
        everything = processes | servers["pids"] | {"guardian": servers["guardian"]}
        return {name: pid for name, pid in everything.items() if isinstance(pid, int)}

    def stop(self) -> int:
        """Ask it to end and return its exit code."""
        self.process.terminate()
        return self.process.wait(60)


def alone(home: Path) -> dict[str, str]:
    """Return the environment of a system with servers of its own, on free ports."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TASKFLOW_")}
    return kept | {
        "TASKFLOW_HOME": str(home),
        "TASKFLOW_HTTP_PORT": "0",
        "TASKFLOW_SANDBOX_PORT": "0",
        "TASKFLOW_SUBMISSION_PORT": "0",
    }


@contextmanager
def up(environment: dict[str, str]) -> Iterator[System]:
    """Start a system and wait until it is up; it is stopped at the end."""
    with subprocess.Popen(COMMAND, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        rows = {}
        for line in process.stdout:
            if line.startswith("Ctrl-C"):
                break
            name, _, value = line.strip().partition("  ")
            rows[name] = value.strip()
        system = System(process, Path(environment["TASKFLOW_HOME"]), rows)
        try:
            yield system
        finally:
            system.stop()


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A system that the tests of this module share and do not stop."""
    with up(alone(tmp_path_factory.mktemp("up") / "home")) as running:
        yield running


def test_the_administrator_signs_in_with_the_password_of_a_private_file(system: System) -> None:
    file = system.home / "admin-password"
    assert str(file) in system.rows["Password"]
    assert file.stat().st_mode & 0o777 == 0o600
    password = file.read_text().strip()
    answer = httpx.post(
        f"{system.rows['API']}/auth/login",
        json={"email": system.rows["Sign in"], "password": password},
        trust_env=False,
    )
    assert answer.status_code == 200, answer.text
    logs = "".join(log.read_text(errors="replace") for log in (system.home / "logs").iterdir())
    assert password not in logs


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_of_campaigns_stand_back_for_single_messages(system: System) -> None:
    pids = system.pids()
    ours = os.getpriority(os.PRIO_PROCESS, 0)

    def nodes_child() -> int | None:
        """Return a process that the node of everything but messages has started."""
        found = Path(f"/proc/{pids['worker-1']}/task/{pids['worker-1']}/children").read_text().split()
        return int(found[0]) if found else None

    child = eventually_sync(nodes_child, seconds=30)
    for pid in (pids["worker-1"], child):
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, ours + 10)
        assert os.sched_getscheduler(pid) == os.SCHED_BATCH
    assert os.getpriority(os.PRIO_PROCESS, pids["worker-messages"]) == ours
    grouped = Path(f"/proc/{pids['worker-1']}/autogroup")
    if grouped.exists():
        assert grouped.read_text().endswith(f" nice {min(19, ours + 10)}\n")


@pytest.mark.parametrize("name", ["worker-1", "coordinator", "guardian"])
def test_a_killed_process_is_started_again(system: System, name: str) -> None:
    before = system.pids()[name]
    os.kill(before, signal.SIGKILL)
    eventually_sync(lambda: system.pids().get(name, before) != before, seconds=30)
    eventually_sync(lambda: httpx.get(f"{system.rows['Dashboard']}/ready", trust_env=False).is_success, seconds=30)


def test_a_worker_of_the_same_home_joins_the_system(system: System) -> None:
    environment = alone(system.home)

    def taskflow(*arguments: str) -> str:
        command = [*COMMAND[:-1], *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return done.stdout

    for worker in json.loads(taskflow("worker", "list", "--json")):
        if worker["status"] != "DEAD":
            taskflow("worker", "pause", worker["worker_id"], "--wait", "50")
    with subprocess.Popen([*COMMAND[:-1], "worker", "--processes", "1"], env=environment) as joined:
        try:
            assert "COMPLETED" in taskflow("task", "submit", "taskflow.echo", "message=hello", "--wait")
        finally:
            joined.terminate()
            joined.wait(60)
    for worker in json.loads(taskflow("worker", "list", "--json")):
        if worker["status"] == "PAUSED":
            taskflow("worker", "resume", worker["worker_id"])


def test_a_taken_port_is_refused_with_its_setting(system: System, tmp_path: Path) -> None:
    port = system.rows["Dashboard"].rpartition(":")[2]
    taken = alone(tmp_path / "home") | {"TASKFLOW_HTTP_PORT": port}
    done = subprocess.run(COMMAND, env=taken, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert f"Port {port}" in done.stderr
    assert "TASKFLOW_HTTP_PORT" in done.stderr


def test_it_stops_without_a_trace_and_kill_9_leaves_no_orphan(tmp_path: Path) -> None:
    environment = alone(tmp_path / "home")
    with up(environment) as system:
        running = system.pids()
        assert {"up", "api", "coordinator", "worker-1", "sandbox", "postgresql", "redis"} <= set(running)
        assert system.stop() == 0
        assert [name for name, pid in running.items() if command_line(pid)] == []
        assert not (system.home / "servers.json").exists()
    with up(environment) as system:
        assert "Password" not in system.rows  # the administrator is still there
        running = system.pids()
        system.process.kill()
        eventually_sync(lambda: not any(command_line(pid) for pid in running.values()), seconds=30)
    with up(environment) as system:
        assert system.rows["Dashboard"].startswith("http://127.0.0.1:")


def test_on_a_terminal_the_password_is_shown_once_and_ctrl_c_stops(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(COMMAND, env=alone(tmp_path / "home"), stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = ""
        while "Ctrl-C stops it" not in shown:
            shown += os.read(ours, 4096).decode()
        assert re.search(r"Password +\S+ +\(shown only this once\)", shown)
        assert not (tmp_path / "home" / "admin-password").exists()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    os.close(ours)


def test_given_servers_are_used_and_a_task_submitted_by_its_name_takes_its_definitions_options(
    environment: dict[str, str],
) -> None:
    with sample_tasks_up(environment) as system:
        assert not (system.home / "servers.json").exists()
        assert not (system.home / "postgresql").exists()
        submitted = system.post("/tasks", {"task_name": "spins_in_a_slot"})
        found = system.get(f"/tasks/{submitted['task_id']}")
        assert (found["timeout_seconds"], found["max_retries"]) == (1, 0)
        wrong = system.http.post("/tasks", json={"task_name": "add", "args": {"left": "one"}})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_task_arguments")
