"""Finding a Chromium, and saying loudly when there is none."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
REASON = "no Chromium on this machine: install one (Debian: apt-get install chromium) or set TASKFLOW_CHROMIUM"


def find() -> str | None:
    """Return the path of a Chromium, or None."""
    named = os.environ.get("TASKFLOW_CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def required() -> bool:
    """Return whether a missing Chromium is a failure (in CI) instead of a loud skip."""
    return os.environ.get("TASKFLOW_REQUIRE_CHROMIUM") == "1"
