"""The folder of a test session's servers: in memory where there is room, gone afterwards."""

import subprocess
import sys
from pathlib import Path

import pytest

from taskflow.testing.memory import server_folder


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    return tmp_path / "disk"


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    folder = tmp_path / "memory"
    folder.mkdir()
    return folder


def test_a_folder_in_memory_is_gone_afterwards(disk: Path, memory: Path) -> None:
    with server_folder(lambda: disk, memory, room=1) as folder:
        assert folder.parent == memory
        assert folder.is_dir()
        (folder / "file").write_text("x")
    assert list(memory.iterdir()) == []


@pytest.mark.parametrize("room", [1, 2**62])
def test_without_memory_or_room_it_is_on_the_disk(disk: Path, tmp_path: Path, room: int) -> None:
    missing = tmp_path / "missing"
    with server_folder(lambda: disk, missing if room == 1 else tmp_path, room=room) as folder:
        assert folder == disk


def test_what_a_killed_session_left_is_removed_and_a_living_ones_is_not(disk: Path, memory: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (memory / f"taskflow-tests-{ended.pid}-abc").mkdir()
    (memory / "somebody-elses").mkdir()
    with server_folder(lambda: disk, memory, room=1) as alive, server_folder(lambda: disk, memory, room=1):
        assert alive.is_dir()
        assert {left.name for left in memory.iterdir()} >= {"somebody-elses", alive.name}
        assert not (memory / f"taskflow-tests-{ended.pid}-abc").exists()
