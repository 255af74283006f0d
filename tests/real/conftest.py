"""Real peers: Postfix, stock clients, SpamAssassin. `make test-real` installs what they need and runs them."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.api import Api, running_without_limits
from support.certificates import server_context
from support.postfix import Postfix
from support.processes import running
from support.scripted_smtp import ScriptedSmtp
from support.signatures import zone_of
from support.waiting import eventually
from taskflow.db.pool import Database
from taskflow.delivery.domains.models import KeyState
from taskflow.delivery.domains.service import DomainService
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
async def graveyard() -> AsyncIterator[ScriptedSmtp]:
    """Where mail for `gone@example.com` is refused, after Postfix has taken it."""
    async with ScriptedSmtp(FEATURES) as server:
        server.always("RCPT", "550 5.1.1 The mailbox is gone")
        yield server


@pytest.fixture
async def hop(next_hop: Postfix, certificates: Path, sink: ScriptedSmtp, graveyard: ScriptedSmtp) -> AsyncIterator[Hop]:
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
        "transport_maps": f"inline:{{ {{gone@example.com = smtp:[127.0.0.1]:{graveyard.port}}} }}",
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
    async with running_without_limits(settings) as found:
        yield found


@pytest.fixture
async def admin(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody who may do everything."""
    async with await api.as_role(Role.ADMIN) as client:
        yield client


@dataclass
class Installation:
    """A coordinator and a worker whose only provider is the next hop, and a domain that signs."""

    admin: httpx.AsyncClient
    domains: DomainService
    zone: dict[str, str]  # the domain's keys
    hop: Hop

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """Make something over the API."""
        answer = await self.admin.post(f"/api/v1/{path}", json=body)
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def campaign(self, **fields: Any) -> dict[str, Any]:
        """Send a campaign and return it when it is over."""
        told = {"name": "Test", "from_email": "news@sender.example", "rate_limit_per_minute": None} | fields
        made = await self.post("campaigns", **told)
        await self.post(f"campaigns/{made['campaign_id']}/start")

        async def over() -> dict[str, Any] | None:
            found = (await self.admin.get(f"/api/v1/campaigns/{made['campaign_id']}")).json()
            return found if found["status"] == "COMPLETED" else None

        return await eventually(over, seconds=90, every=0.1, what="the campaign's end")

    async def message(self, *to: str, **fields: Any) -> list[dict[str, Any]]:
        """Send a message to each and return them when they are over."""
        submitted = await self.post("messages", **{"to": list(to), "from_email": "shop@sender.example"} | fields)
        paths = [f"/api/v1/messages/{one['message_id']}" for one in submitted["messages"]]

        async def over() -> list[dict[str, Any]] | None:
            found = [(await self.admin.get(path)).json() for path in paths]
            return found if all(one["status"] in ("SENT", "FAILED") for one in found) else None

        return await eventually(over, seconds=90, every=0.1, what="the messages' end")


@pytest.fixture
async def installation(
    admin: httpx.AsyncClient, database: Database, settings: Settings, environment: dict[str, str], hop: Hop
) -> AsyncIterator[Installation]:
    """All of it, running."""
    domains = DomainService(database, settings)
    await domains.add("sender.example", "bounces.sender.example")
    domain = await domains.rotate("sender.example", force=True)
    zone = zone_of(domain.keys_in(KeyState.ACTIVE))
    environment |= {"TASKFLOW_WORKER_PROCESSES": "1", "TASKFLOW_HTTP_PUBLIC_URL": "https://mail.sender.example"}
    async with (
        running(environment, "coordinator"),
        running(environment, "worker"),
    ):
        found = Installation(admin, domains, zone, hop)
        where = {"host": "localhost", "port": hop.port, "security": "starttls", "username": USER,
                 "helo_name": "mail.sender.example", "ca_certificates": hop.certificates.read_text()}  # fmt: skip
        made = await found.post(
            "providers", name="postfix", kind="smtp", settings=where, secrets={"password": PASSWORD}
        )
        tested = await found.post(f"providers/{made['provider_id']}/test")
        assert tested["works"], tested
        yield found
