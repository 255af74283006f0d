"""This machine: versions, the home, the disk, the secret key, the dashboard."""

import importlib.util
import os
import platform
import shutil
import stat
import subprocess
from pathlib import Path

from taskflow import __version__
from taskflow.base.errors import ConfigurationError
from taskflow.cli.checkup.finding import Finding, ok, problem, warning
from taskflow.embedded import binaries
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

GB = 1024**3
_DISK_WARNING = 2 * GB
_DISK_PROBLEM = GB // 4


def examine(settings: Settings) -> list[Finding]:
    """Look at everything that needs no server."""
    return [_versions(), *_home(settings.home), _disk(settings.home), _secret_key(settings), *_programs(), _dashboard()]


def _versions() -> Finding:
    seen = f"TaskFlow {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}"
    return ok("versions", seen)


def _home(home: Path) -> list[Finding]:
    if not home.exists():
        return [ok("home", f"{home} does not exist yet; the first start makes it")]
    if not os.access(home, os.W_OK | os.X_OK):
        return [problem("home", f"{home} cannot be written", "Give this user the right to, or set TASKFLOW_HOME.")]
    findings = [ok("home", f"{home} is private and writable")]
    if home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        findings = [warning("home", f"others may enter {home}", f"chmod 700 {home}")]
    for name in ("secret-key", "cli-key", "admin-password"):
        file = home / name
        if file.exists() and file.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            findings.append(problem("home", f"others may read {file}", f"chmod 600 {file}, then make a new one"))
    return findings


def _disk(home: Path) -> Finding:
    existing = next(folder for folder in (home.absolute(), *home.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    seen = f"{free / GB:.1f} GB free at {existing}"
    if free < _DISK_PROBLEM:
        return problem("disk", seen, "Free some space: PostgreSQL stops when the disk is full.")
    if free < _DISK_WARNING:
        return warning("disk", seen, "Free some space, or move TASKFLOW_HOME to a larger disk.")
    return ok("disk", seen)


def _secret_key(settings: Settings) -> Finding:
    if settings.secret_key is None:
        return ok("secret key", "not set; `taskflow up` makes one under the home")
    try:
        signing_key(settings)
    except ConfigurationError as error:
        return problem("secret key", "not usable", str(error))
    return ok("secret key", "set and long enough")


def _programs() -> list[Finding]:
    """Look for the embedded servers' programs and start each once."""
    findings = []
    try:
        major = binaries.postgresql_major(binaries.postgresql_prefix())
        findings.append(ok("embedded postgresql", f"PostgreSQL {major}"))
    except (ConfigurationError, OSError, subprocess.CalledProcessError) as error:
        findings.append(warning("embedded postgresql", "does not run here", str(error)))
    try:
        program = binaries.redis_server()
        shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)  # noqa: S603
        findings.append(ok("embedded redis", shown.stdout.split(" sha=")[0].strip()))
    except (ConfigurationError, OSError, subprocess.CalledProcessError) as error:
        findings.append(warning("embedded redis", "does not run here", str(error)))
    return findings


def _dashboard() -> Finding:
    spec = importlib.util.find_spec("taskflow.api")
    folder = Path(spec.origin).parent / "dashboard" if spec and spec.origin else None
    if folder is None or not (folder / "index.html").exists():
        return warning("dashboard", "not built: the API serves no pages", "python3 tools/bootstrap.py dashboard")
    return ok("dashboard", "built")
