"""The committed `openapi.json`: `python -m taskflow.api.openapi` writes it, `--check` fails when it is stale.

FastAPI's own document is completed with what it cannot know: every error is a problem, how callers authenticate,
which role an operation demands, and where an Idempotency-Key helps.
"""

import argparse
import json
import sys
from pathlib import Path

from pydantic import SecretStr

from taskflow.api.app import create_app
from taskflow.settings import Settings

FILE = Path("openapi.json")


def main() -> int:
    """Write or check the file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail when the file is stale")
    parser.add_argument("file", nargs="?", type=Path, default=FILE)
    arguments = parser.parse_args()
    text = render()
    if not arguments.check:
        arguments.file.write_text(text, encoding="utf-8")
        return 0
    if arguments.file.exists() and arguments.file.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{arguments.file} is stale: run `python -m taskflow.api.openapi`.\n")
    return 1


def render() -> str:
    """Return the document as it is committed."""
    key = SecretStr("only-for-rendering-0123456789abcdef")
    document = create_app(Settings(secret_key=key)).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
