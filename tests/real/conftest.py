"""Real peers: Postfix, stock clients, SpamAssassin. `make test-real` installs what they need and runs them."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support.api import Api, running
from support.certificates import server_context
from support.postfix import Postfix
from support.scripted_smtp import ScriptedSmtp
from taskflow.identity.models import Role
from taskflow.settings import Settings, SmtpSettings

PROGRAMS = ("postfix", "saslpasswd2", "swaks", "msmtp", "curl", "spamassassin")
USER, PASSWORD = "taskflow", "s3cret, with spaces"
LARGEST = 8 * 1024**2
FEATURES = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 20000000")


@pytest.fixture(scope="session", autouse=True)
def _peers() -> None:
    """Fail where a peer is missing: a test that was not run proved nothing."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.fail(f"not installed here: {', '.join(missing)}; `make test-real` says how")
    if os.getuid() != 0:
        pytest.fail("Postfix is started by root only")


@dataclass
class Hop:
    """Postfix as the next hop: mail that it takes it hands on to `sink`."""

    postfix: Postfix
    certificates: Path  # what must be trusted to talk to it
    port: int
    bare_port: int  # where it says nothing of what it can, and wants no TLS
    sink: ScriptedSmtp

    def settings(self, **changes: object) -> SmtpSettings:
        """Return how we reach it: STARTTLS, its certificate checked, signed in."""
        told = {
            "host": "localhost", "port": self.port, "security": "starttls", "ca_file": self.certificates,
            "username": USER, "password": PASSWORD, "connections": 2, "helo_name": "sender.example",
        }  # fmt: skip
        return SmtpSettings.model_validate(told | changes)

    def bare(self, **changes: object) -> SmtpSettings:
        """Return how we reach the port that offers nothing."""
        plain = {"port": self.bare_port, "security": "none", "ca_file": None, "username": None, "password": None}
        return self.settings(**(plain | changes))


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder with a short name that Postfix's own user may enter: a socket's path has 107 bytes."""
    found = Path(tempfile.mkdtemp(prefix="taskflow-real-"))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture(scope="session")
def certificates(folder: Path) -> Path:
    """The certificate of `localhost`, its own authority; the key is beside it, as `server.key`."""
    return server_context(folder)[1]


@pytest.fixture(scope="session")
def next_hop(folder: Path) -> Postfix:
    """Postfix as a server of submissions, not running."""
    (folder / "hop").mkdir()
    postfix = Postfix(folder / "hop", "next-hop.example")
    postfix.knows({USER: PASSWORD})
    return postfix


@pytest.fixture
async def sink() -> AsyncIterator[ScriptedSmtp]:
    """Where all mail ends."""
    async with ScriptedSmtp(FEATURES) as server:
        yield server


@pytest.fixture
async def hop(next_hop: Postfix, certificates: Path, sink: ScriptedSmtp) -> AsyncIterator[Hop]:
    """Postfix, running."""
    settings = {
        "relayhost": f"[127.0.0.1]:{sink.port}",
        "message_size_limit": str(LARGEST),
        "smtpd_tls_cert_file": str(certificates),
        "smtpd_tls_key_file": str(certificates.with_name("server.key")),
        "smtpd_recipient_restrictions": (
            "check_recipient_access inline:{"
            " {nobody@example.com = 550 5.1.1 No such user here},"
            " {later@example.com = 450 4.2.0 Greylisted, try again} },"
            " permit_sasl_authenticated, permit_mynetworks, reject"
        ),
        "transport_maps": "inline:{ {gone@example.com = error:5.1.1 The mailbox is gone} }",
    }
    guarded = {
        "smtpd_tls_security_level": "encrypt", "smtpd_sasl_auth_enable": "yes", "smtpd_tls_auth_only": "yes",
        "mynetworks": "192.0.2.1",
    }  # fmt: skip
    bare = {"smtpd_discard_ehlo_keywords": "pipelining, size, 8bitmime, smtputf8, chunking", "mynetworks": "127.0.0.1"}
    async with next_hop.running(settings, guarded, bare) as (port, bare_port):
        yield Hop(next_hop, certificates, port, bare_port, sink)


@pytest.fixture
async def api(settings: Settings) -> AsyncIterator[Api]:
    """The application in this process."""
    settings.http.rate_limit_user_per_minute = settings.http.rate_limit_ip_per_minute = 100_000
    async with running(settings) as found:
        yield found


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may do everything."""
    async with await api.as_role(Role.ADMIN) as client:
        yield client
