"""The house itself: what runs is pinned by hash, all of it, and nothing names a registry."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted(ROOT.glob("requirements*.txt"))


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.name)
def test_every_requirement_is_pinned_with_hashes_and_no_index_is_named(file: Path) -> None:
    text = file.read_text()
    pins = re.split(r"^(?=[a-zA-Z0-9])", text, flags=re.MULTILINE)[1:]
    assert pins
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    assert "://" not in text
    assert "--index" not in text


_IMPORT_EVERYTHING = """
import importlib, json, pkgutil, sys
from importlib.metadata import packages_distributions
sys.modules["opentelemetry.sdk"] = None  # an extra's, which others take along where they find it
before = set(sys.modules)  # what a .pth file of the environment has brought in
import taskflow
for module in pkgutil.walk_packages(taskflow.__path__, "taskflow."):
    if not module.name.endswith((".env", ".child", ".slot", ".otel", ".__main__", ".pytest_plugin")):
        importlib.import_module(module.name)
owners = packages_distributions()
print(json.dumps({name: owners[name] for name in sorted(set(sys.modules) - before) if name in owners}))
"""


def test_requirements_for_running_name_everything_that_the_package_imports() -> None:
    # The tests' own requirements hide what these lack: `make demo` installs nothing else.
    environment = [sys.executable, "-P", "-c", _IMPORT_EVERYTHING]
    loaded = json.loads(subprocess.run(environment, capture_output=True, text=True, check=True).stdout)
    names = re.findall(r"^([a-zA-Z0-9._-]+)(?:\[[a-z,]+\])?==", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    pinned = {_normal(name) for name in names}
    assert "sqlalchemy" in loaded
    known = pinned | {"taskflow-platform"}  # a namespace, such as opentelemetry, has many owners: one is enough
    assert [name for name, owners in loaded.items() if known.isdisjoint(_normal(owner) for owner in owners)] == []


def _normal(name: str) -> str:
    """Return a distribution's name in its one normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_dashboards_lock_names_no_registry_but_has_every_hash() -> None:
    lock = json.loads((ROOT / "dashboard" / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []


def test_lua_and_sql_are_shipped_beside_their_modules() -> None:
    package = ROOT / "src" / "taskflow"
    for suffix in (".lua", ".sql"):
        assert list(package.rglob(f"*{suffix}"))
