"""Set a checkout up with nothing but Python 3.11: `python3 tools/bootstrap.py PART…`.

| part | gives |
|---|---|
| runtime | .venv with requirements.txt and the `taskflow` command |
| dev | the same with requirements-dev.txt: tests and checks |
| bench | benchmarks/.venv with benchmarks/requirements.txt, the rivals that are measured beside us |
| node | dashboard/node_modules, by the machine's Node 20.19+ or by the one that ships as a wheel |
| dashboard | src/taskflow/api/dashboard, the built dashboard |
| real | the machine's own Postfix, swaks, msmtp, curl and SpamAssassin: installed on Debian, named elsewhere |
| npm ARG… | runs npm in dashboard/ with that Node (takes the rest of the line) |

Each part remembers a hash of all it was made from and does nothing when that is unchanged. Whatever is installed is
pinned by hash; where it is fetched from is the user's own pip and npm configuration.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
DASHBOARD = ROOT / "dashboard"
BUILT = ROOT / "src" / "taskflow" / "api" / "dashboard"
OLDEST_PYTHON = (3, 11)
OLDEST_NODE = (20, 19)
_NOT_SOURCES = {"node_modules", "dist", "tests"}
# What `make test-real` talks to: programs, and the Debian packages that have them.
_PEERS = {
    "postfix": "postfix",
    "saslpasswd2": "sasl2-bin",
    "swaks": "swaks",
    "msmtp": "msmtp",
    "curl": "curl",
    "spamassassin": "spamassassin",
}
_PEERS_FURTHER = ("libsasl2-modules", "libnet-ssleay-perl")  # signing in and TLS, for Postfix and swaks


def main(parts: list[str]) -> int:
    """Make every named part, in order."""
    if sys.version_info < OLDEST_PYTHON:
        return _with_a_newer_python(parts)
    if not parts:
        print(__doc__)
        return 2
    with _one_at_a_time():
        if parts[0] == "npm":
            node()
            return _npm(parts[1:])
        for part in parts:
            PARTS[part]()
    return 0


def runtime() -> None:
    """Make .venv able to run TaskFlow."""
    _environment(VENV, ROOT / "requirements.txt")
    _install_ourselves()


def dev() -> None:
    """Make .venv able to test and check TaskFlow."""
    _environment(VENV, ROOT / "requirements-dev.txt")
    _install_ourselves()


def bench() -> None:
    """Make the environment of the benchmarks."""
    _environment(ROOT / "benchmarks" / ".venv", ROOT / "benchmarks" / "requirements.txt")


def node() -> None:
    """Install the dashboard's packages."""
    if not (DASHBOARD / "package-lock.json").exists():
        return
    version = subprocess.run([_node(), "--version"], capture_output=True, text=True, check=True).stdout
    key = _digest([DASHBOARD / "package.json", DASHBOARD / "package-lock.json"], version)
    with _stamp(DASHBOARD / "node_modules" / ".made-from", key) as stale:
        if stale:
            _say("installing the dashboard's packages")
            if _npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]) != 0:
                sys.exit("npm could not install the dashboard's packages")


def dashboard() -> None:
    """Build the dashboard into the package."""
    if not (DASHBOARD / "package-lock.json").exists():
        _say("no dashboard sources here: the API is served without one")
        return
    sources = [
        path
        for path in DASHBOARD.rglob("*")
        if path.is_file() and not _NOT_SOURCES & set(path.relative_to(DASHBOARD).parts)
    ]
    with _stamp(ROOT / ".make" / "dashboard", _digest(sources)) as stale:
        if stale or not (BUILT / "index.html").exists():
            node()
            _say("building the dashboard")
            if _npm(["run", "--silent", "build", "--", "--logLevel", "error"]) != 0:
                sys.exit("the dashboard could not be built")


def real() -> None:
    """Install the mail programs of the `real` tests, or say what is missing: those tests are never skipped."""
    if os.getuid() != 0:
        sys.exit("The real tests start Postfix, which only root may: run `make test-real` as root, in a container say.")
    missing = [name for name in _PEERS if shutil.which(name) is None]
    if not missing:
        return
    packages = [_PEERS[name] for name in missing]
    if shutil.which("apt-get") is None:
        sys.exit(f"Not installed here: {', '.join(missing)}. Debian has them in: {' '.join(packages)}.")
    _say(f"installing {' '.join(packages)}")
    answers = b"postfix postfix/main_mailer_type select No configuration\n"  # the tests configure their own
    subprocess.run(["debconf-set-selections"], input=answers, check=False)
    install = ["apt-get", "install", "--yes", "--quiet", "--no-install-recommends", *packages, *_PEERS_FURTHER]
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    if _run(install, **quiet) != 0 and (_run(["apt-get", "update"]) != 0 or _run(install, **quiet) != 0):
        sys.exit(f"apt-get could not install {' '.join(packages)}")


PARTS = {"runtime": runtime, "dev": dev, "bench": bench, "node": node, "dashboard": dashboard, "real": real}


def _environment(venv: Path, requirements: Path) -> None:
    """Make a virtual environment with exactly pinned packages; one of another Python is made anew."""
    python = venv / "bin" / "python"
    with _stamp(venv / ".made-by", sys.version) as stale:
        if stale or not python.exists():
            _say(f"making {venv.relative_to(ROOT)}")
            shutil.rmtree(venv, ignore_errors=True)
            if subprocess.run([sys.executable, "-m", "venv", venv], check=False).returncode != 0:
                sys.exit("Python's venv module does not work here; on Debian: apt-get install python3-venv")
    _install(venv, ROOT / "requirements-setup.txt", pip=True)
    _install(venv, requirements)


def _install(venv: Path, requirements: Path, *, pip: bool = False) -> None:
    """Install hashed requirements, with uv where it is there and gets through, else with pip."""
    with _stamp(venv / f".installed-{requirements.stem}", _digest([requirements])) as stale:
        if not stale:
            return
        started = time.monotonic()
        _say(f"installing {requirements.relative_to(ROOT)}")
        uv = [venv / "bin" / "uv", "pip", "install", "--quiet", "--python", venv / "bin" / "python"]
        done = not pip and _run([*uv, "--require-hashes", "-r", requirements], **_uv_environment()) == 0
        if not done:
            slow = [venv / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            if _run([*slow, "--require-hashes", "-r", requirements]) != 0:
                sys.exit(f"{requirements.name} could not be installed")
        _say(f"  took {time.monotonic() - started:.0f} s")


def _install_ourselves() -> None:
    """Install this checkout as an editable package: the `taskflow` command, nothing fetched."""
    key = _digest([ROOT / "pyproject.toml"])
    with _stamp(VENV / ".installed-taskflow", key) as stale:
        if stale or not (VENV / "bin" / "taskflow").exists():
            uv = [VENV / "bin" / "uv", "pip", "install", "--quiet", "--python", VENV / "bin" / "python"]
            if _run([*uv, "--no-deps", "--no-build-isolation", "--offline", "--editable", ROOT]) != 0:
                sys.exit("taskflow itself could not be installed")


def _uv_environment() -> dict[str, str]:
    """Translate the user's pip settings that uv does not read by itself."""
    pairs = {
        "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
        "PIP_EXTRA_INDEX_URL": "UV_INDEX",
        "PIP_FIND_LINKS": "UV_FIND_LINKS",
        "PIP_CERT": "SSL_CERT_FILE",
    }
    return {new: os.environ[old] for old, new in pairs.items() if old in os.environ and new not in os.environ}


def _node() -> str:
    """Return the machine's Node if it is new enough, else the wheel's, installed into .venv when first needed."""
    ours = VENV / "bin" / "node"
    found = shutil.which("node")
    if found and Path(found) != ours and shutil.which("npm"):
        shown = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
        if tuple(int(part) for part in shown.strip().lstrip("v").split(".")[:2] if part.isdigit()) >= OLDEST_NODE:
            return found
    _environment(VENV, ROOT / "requirements-node.txt")
    return str(ours)


def _npm(arguments: list[str]) -> int:
    """Run npm in dashboard/ and return its exit code."""
    folder = Path(_node()).parent
    path = os.pathsep.join([str(folder), os.environ.get("PATH", os.defpath)])
    shell = "/bin/sh"  # npm would look for `sh` on a PATH that may have none
    return _run(["npm", *arguments], cwd=DASHBOARD, PATH=path, npm_config_script_shell=shell)


def _run(command: list[str | Path], cwd: Path = ROOT, **environment: str) -> int:
    program = shutil.which(str(command[0]), path=environment.get("PATH", os.environ.get("PATH")))
    if program is None:
        return 127
    return subprocess.run(
        [program, *command[1:]], cwd=cwd, env=os.environ | environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


def _digest(files: Iterable[Path], extra: str = "") -> str:
    """Return a hash over the names and contents of files."""
    digest = hashlib.sha256(extra.encode())
    for file in sorted(files):
        digest.update(f"{file.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


@contextmanager
def _stamp(file: Path, key: str) -> Iterator[bool]:
    """Say whether what `file` stands for is stale; write the new key when the block ends without an error."""
    stale = not file.exists() or file.read_text() != key
    yield stale
    if stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(key)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let a second `make` wait for the first."""
    (ROOT / ".make").mkdir(exist_ok=True)
    with (ROOT / ".make" / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _with_a_newer_python(parts: list[str]) -> int:
    for minor in range(14, 10, -1):
        newer = shutil.which(f"python3.{minor}")
        if newer:
            return subprocess.call([newer, __file__, *parts])
    sys.exit("TaskFlow needs Python 3.11 or newer; this is {}.".format(sys.version.split()[0]))  # noqa: UP032


def _say(sentence: str) -> None:
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
