"""Compare what is generated and committed with what would be generated now.

| file | from | made anew by |
|---|---|---|
| openapi.json | the API's routes and schemas | `python -m taskflow.api.openapi` |
| dashboard/src/api/schema.gen.ts | openapi.json | `make generate` |
| src/taskflow/client/{fields.py,blocking/} | the API's models, the async client | `python tools/client_code.py` |
| docs/explanation/schema.md | the migrations | `python tools/schema_doc.py` |
| docs/reference/{settings,cli,routes,errors,redis-keys}.md | the code | `python tools/reference_doc.py` |
| requirements*.txt | pyproject.toml | `make lock` |
| docs/benchmarks.md | benchmarks/results | `python -m benchmarks.report` |
"""

import json
import re
import shlex
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Callable
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
CLIENT = ROOT / "dashboard" / "src" / "api" / "schema.gen.ts"


def openapi() -> str | None:
    """Return what is wrong with openapi.json."""
    return _failure([sys.executable, "-m", "taskflow.api.openapi", "--check"])


def client() -> str | None:
    """Return what is wrong with the dashboard's generated client: generate it elsewhere with the same words."""
    words = shlex.split(json.loads((ROOT / "dashboard" / "package.json").read_text())["scripts"]["generate"])
    with tempfile.TemporaryDirectory() as folder:
        fresh = Path(folder) / CLIENT.name
        words[words.index("-o") + 1] = str(fresh)
        failure = _failure([sys.executable, "tools/bootstrap.py", "npm", "exec", "--silent", "--no", "--", *words])
        if failure:
            return failure
        if not CLIENT.exists() or fresh.read_text() != CLIENT.read_text():
            return f"{CLIENT.relative_to(ROOT)} is stale: make generate"
    return None


def python_client() -> str | None:
    """Return which generated modules of the Python client are stale."""
    return _failure([sys.executable, "tools/client_code.py", "--check"])


def schema() -> str | None:
    """Return what is wrong with the page about the database."""
    return _failure([sys.executable, "tools/schema_doc.py", "--check"])


def reference() -> str | None:
    """Return which generated pages of the reference are stale."""
    return _failure([sys.executable, "tools/reference_doc.py", "--check"])


def requirements() -> str | None:
    """Return which dependency of pyproject.toml the pinned files do not satisfy."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {"requirements.txt": project["project"]["dependencies"]}
    wanted |= {f"requirements-{group}.txt": names for group, names in project["dependency-groups"].items()}
    wanted["requirements-dev.txt"] = [*wanted["requirements.txt"], *wanted["requirements-dev.txt"]]
    for file, dependencies in wanted.items():
        pins = dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", (ROOT / file).read_text(), re.MULTILINE))
        for requirement in map(Requirement, dependencies):
            pin = pins.get(re.sub(r"[-_.]+", "-", requirement.name).lower())
            if pin is None or not requirement.specifier.contains(pin, prereleases=True):
                return f"{file} has {requirement.name} {pin}, pyproject.toml wants {requirement}: make lock"
    return None


def _failure(command: list[str]) -> str | None:
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"{done.stdout}{done.stderr}".strip()


def figures() -> str | None:
    """Return whether docs/benchmarks.md shows other figures than the last benchmarks wrote."""
    return _failure([sys.executable, "-m", "benchmarks.report", "--check"])


CHECKS: list[Callable[[], str | None]] = [requirements, openapi, client, python_client, schema, reference, figures]


def main() -> int:
    """Run every check."""
    failures = [(check.__name__, failure) for check in CHECKS if (failure := check())]
    for name, failure in failures:
        print(f"{name}: {failure}")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
