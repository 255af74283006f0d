"""Write requirements*.txt anew from pyproject.toml: pinned, hashed, for every platform and Python from 3.11 on.

`make lock` keeps versions that still fit; `make lock ARGS=--upgrade` takes the newest.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"
TARGETS = {
    "requirements.txt": ["pyproject.toml"],
    "requirements-dev.txt": ["pyproject.toml", "--group", "dev", "--constraints", "requirements.txt"],
    "requirements-setup.txt": ["--group", "setup"],
    "requirements-node.txt": ["--group", "node"],
    "benchmarks/requirements.txt": ["benchmarks/requirements.in"],
}


def main() -> int:
    """Compile every target; the first failure ends it."""
    for target, sources in TARGETS.items():
        subprocess.run(
            [
                *(Path(sys.executable).with_name("uv"), "pip", "compile", *sources, "--output-file", target),
                *("--universal", "--python-version", PYTHON, "--generate-hashes", "--quiet"),
                *("--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make lock"),
                *sys.argv[1:],
            ],
            cwd=ROOT,
            check=True,
        )
        print(f"wrote {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
