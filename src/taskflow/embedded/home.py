"""`TASKFLOW_HOME`: the folder, its lock, and who its servers run as."""

import fcntl
import json
import os
import pwd
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from taskflow.base.errors import ConfigurationError


class HomeInUseError(ConfigurationError):
    """Another TaskFlow uses this home."""


class HomeNotWritableError(ConfigurationError):
    """The home cannot be written."""


@dataclass(frozen=True)
class Account:
    """The user that the servers run as: ours, unless we are root, which PostgreSQL refuses."""

    uid: int
    gid: int

    @property
    def is_other(self) -> bool:
        """Whether a server has to change its user."""
        return self.uid != os.geteuid()


@dataclass
class Running:
    """What `servers.json` says about the servers of a home."""

    guardian: int
    runtime: str
    database_url: str | None = None
    redis_url: str | None = None
    pids: dict[str, int] = field(default_factory=dict)


class Home:
    """The folder of one embedded installation."""

    def __init__(self, path: Path) -> None:
        """Name the folder; nothing is touched yet."""
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self._state = self.path / "servers.json"
        self._secret_key = self.path / "secret-key"

    def create(self) -> Self:
        """Make the folder if it is missing and prove that it can be written.

        Raises:
            HomeNotWritableError: with what to do about it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.logs.mkdir(exist_ok=True, mode=0o700)
            probe = self.path / f".writable-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise HomeNotWritableError(
                f"{self.path} cannot be written ({error.strerror}). "
                "Give this user the right to, or set TASKFLOW_HOME to another folder."
            ) from error
        return self

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the home for this process; the kernel lets go of it when the process ends, however it ends.

        Raises:
            HomeInUseError: another process holds it.
        """
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = self.running()
                holder = f" by process {running.guardian}" if running else ""
                raise HomeInUseError(
                    f"{self.path} is in use{holder}. Stop that TaskFlow first, or set TASKFLOW_HOME to another folder."
                ) from None
            yield

    def running(self) -> Running | None:
        """Return what the last guardian wrote about its servers; they need not live any more."""
        try:
            return Running(**json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def record(self, running: Running) -> None:
        """Write `servers.json` in one step, readable by this user only."""
        self.write_private(self._state, json.dumps(asdict(running), indent=2))

    def forget(self) -> None:
        """Remove `servers.json`: nothing runs."""
        self._state.unlink(missing_ok=True)

    def secret_key(self) -> str | None:
        """Return the secret key that embedded mode made for this home, if it did."""
        try:
            return self._secret_key.read_text(encoding="ascii").strip() or None
        except OSError:
            return None

    def make_secret_key(self) -> str:
        """Return the secret key of this home; make one, readable by this user only, when there is none."""
        key = self.secret_key()
        if key is None:
            key = secrets.token_urlsafe(48)
            self.write_private(self._secret_key, key)
        return key

    def write_private(self, file: Path, text: str) -> None:
        """Write `file` in one step with mode 0600; at no moment can anybody else read it."""
        draft = file.with_name(f".{file.name}.{os.getpid()}")
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(text + "\n")
        draft.replace(file)

    def account(self) -> Account:
        """Return who the servers run as: the owner of the data when we are root, `nobody` for new data.

        Raises:
            ConfigurationError: the data belongs to somebody else and we may not become them.
        """
        data = self.path / "postgresql"
        owner = data.stat().st_uid if data.exists() else None
        if os.geteuid() != 0:
            if owner not in {None, os.geteuid()}:
                raise ConfigurationError(
                    f"{data} belongs to user id {owner}, because TaskFlow was started there by root. "
                    "Start it as root again, change the owner, or set TASKFLOW_HOME to another folder."
                )
            return Account(os.geteuid(), os.getegid())
        if owner:
            entry = _entry(owner)
            return Account(owner, entry.pw_gid if entry else data.stat().st_gid)
        return _nobody()


def _nobody() -> Account:
    """Return an unprivileged user that has a passwd entry: initdb fails without one."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        entry = next((one for one in pwd.getpwall() if one.pw_uid > 0), None) or _no_account()
    return Account(entry.pw_uid, entry.pw_gid)


def _no_account() -> pwd.struct_passwd:
    raise ConfigurationError(
        "PostgreSQL refuses to run as root and this machine has no other user. Add one, or set TASKFLOW_DATABASE_URL."
    )


def _entry(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
