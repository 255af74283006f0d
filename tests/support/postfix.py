"""Postfix from the machine's packages, run by a test: its own folder, queue and ports, on loopback, ended by pid.

    hop = Postfix.installed(folder, "next-hop.example", sasl={"taskflow": "s3cret"})
    async with hop.running({"smtpd_tls_security_level": "encrypt"}, {0: {}}) as ports: ...

Its master must be started by root: it gives its daemons other users. It ends by itself after ten minutes, should the
test that started it be killed.
"""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from support.waiting import eventually

_LONGEST = 600  # seconds of one run
_SERVICES = """
pickup    unix n - n 60    1 pickup
cleanup   unix n - n -     0 cleanup
qmgr      unix n - n 300   1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n -     - trivial-rewrite
bounce    unix - - n -     0 bounce
defer     unix - - n -     0 bounce
trace     unix - - n -     0 bounce
verify    unix - - n -     1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n -     - proxymap
smtp      unix - - n -     - smtp
showq     unix n - n -     - showq
error     unix - - n -     - error
retry     unix - - n -     - error
anvil     unix - - n -     1 anvil
scache    unix - - n -     1 scache
postlog   unix-dgram n - n - 1 postlogd
"""
_ALWAYS = {
    "compatibility_level": "3.6",
    "maillog_file": "/dev/stdout",
    "inet_interfaces": "loopback-only",
    "inet_protocols": "ipv4",
    "mydestination": "",
    "local_recipient_maps": "",
    "alias_maps": "",
    "alias_database": "",
    "notify_classes": "",
    "disable_dns_lookups": "yes",
    "smtp_host_lookup": "native",
    "default_destination_recipient_limit": "1",
    "smtpd_client_connection_rate_limit": "0",
}


class Postfix:
    """One instance; its folder outlives a run, so that the second starts at once."""

    def __init__(self, folder: Path, hostname: str) -> None:
        """Make the folder, readable for Postfix's own user."""
        self.folder = folder
        self.hostname = hostname
        self.log = folder / "log"
        owner = pwd.getpwnam("postfix")
        for name in ("conf", "conf/sasl", "queue", "data"):
            (folder / name).mkdir()
        os.chown(folder / "data", owner.pw_uid, owner.pw_gid)

    def knows(self, users: Mapping[str, str]) -> None:
        """Let these users sign in (Cyrus SASL, passwords in a sasldb)."""
        folder = self.folder / "conf" / "sasl"  # where Debian's Postfix looks, whatever cyrus_sasl_config_path says
        database = folder / "users.db"
        for name, password in users.items():
            subprocess.run(
                ["saslpasswd2", "-p", "-c", "-f", database, "-u", self.hostname, name],
                input=password.encode(),
                check=True,
            )
        shutil.chown(database, "postfix")
        (folder / "smtpd.conf").write_text(
            f"pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {database}\nmech_list: PLAIN LOGIN\n"
        )

    @asynccontextmanager
    async def running(self, settings: Mapping[str, str], *ports: Mapping[str, str]) -> AsyncIterator[Sequence[int]]:
        """Run it for the length of a block; hand out a port for each mapping of settings that hold there alone."""
        numbers = [_free_port() for _ in ports]
        self._configure(settings, dict(zip(numbers, ports, strict=True)))
        check = await asyncio.create_subprocess_exec("postfix", "-c", self.folder / "conf", "check")
        assert await check.wait() == 0, f"Postfix does not like what is in {self.folder / 'conf'}"
        with self.log.open("ab") as log:
            master = await asyncio.create_subprocess_exec(
                _daemons() / "master", "-c", self.folder / "conf", "-s", "-e", str(_LONGEST),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        try:
            await eventually(lambda: _answers(numbers) or master.returncode is not None, seconds=30, what="Postfix")
            assert master.returncode is None, self.said()
            yield numbers
        finally:
            with suppress(ProcessLookupError):
                master.terminate()
            try:
                async with asyncio.timeout(20):
                    await master.wait()
            finally:
                with suppress(ProcessLookupError):  # whoever of its daemons did not hear it
                    os.killpg(master.pid, signal.SIGKILL)

    def said(self) -> str:
        """Return its log."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    async def idle(self) -> None:
        """Wait until its queue is empty."""

        async def is_empty() -> bool:
            return not any(any(_files(self.folder / "queue" / name)) for name in ("incoming", "active", "deferred"))

        await eventually(is_empty, seconds=60, what=f"an empty queue of Postfix\n{self.said()[-3000:]}")

    def _configure(self, settings: Mapping[str, str], ports: Mapping[int, Mapping[str, str]]) -> None:
        conf = self.folder / "conf"
        lines = {
            **_ALWAYS,
            "queue_directory": str(self.folder / "queue"),
            "data_directory": str(self.folder / "data"),
            "cyrus_sasl_config_path": str(conf / "sasl"),
            "smtpd_sasl_local_domain": self.hostname,
            "myhostname": self.hostname,
            **settings,
        }
        (conf / "main.cf").write_text("".join(f"{name} = {value}\n" for name, value in lines.items()))
        listening = [
            f"127.0.0.1:{port} inet n - n - - smtpd\n"
            + "".join(f"    -o {{ {name} = {value} }}\n" for name, value in options.items())
            for port, options in ports.items()
        ]
        (conf / "master.cf").write_text("".join(listening) + _SERVICES.lstrip())


def _daemons() -> Path:
    found = subprocess.run(["postconf", "-d", "-h", "daemon_directory"], capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(ports: Sequence[int]) -> bool:
    for port in ports:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return False
    return True


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
