"""`make check`: lint, types, the import contract and generated files. Runs every step and fails when one did.

Arguments are parts of step names: `make check ARGS="mypy ruff"` runs only those.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
BOOTSTRAP = [sys.executable, "tools/bootstrap.py"]

STEPS: dict[str, list[str]] = {
    "ruff check": [str(BIN / "ruff"), "check", "."],
    "ruff format": [str(BIN / "ruff"), "format", "--check", "."],
    "mypy": [str(BIN / "mypy")],
    "import contract": [str(BIN / "lint-imports"), "--no-cache", "--no-logo"],
    "dashboard lint": [*BOOTSTRAP, "npm", "run", "--silent", "lint"],
    "dashboard types": [*BOOTSTRAP, "npm", "run", "--silent", "typecheck"],
    "dashboard tests": [*BOOTSTRAP, "npm", "run", "--silent", "test"],
    "generated files": [sys.executable, "tools/check_artefacts.py"],
}


def main(wanted: list[str]) -> int:
    """Run the steps; print what a failing one had to say."""
    failed = []
    for name, command in STEPS.items():
        if wanted and not any(part in name for part in wanted):
            continue
        if name.startswith("dashboard") and not (ROOT / "dashboard" / "package-lock.json").exists():
            continue
        started = time.monotonic()
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        passed = done.returncode == 0
        print(f"{'ok  ' if passed else 'FAIL'} {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if not passed:
            failed.append(name)
            print(done.stdout.decode(errors="replace"), flush=True)
    print(f"check: {', '.join(failed)} failed" if failed else "check: all passed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
