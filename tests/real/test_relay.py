"""The SMTP relay beside clients that everybody has: swaks, msmtp, curl, and Postfix that sends through us."""

import asyncio
import email
import email.policy
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from support.messages import ledger
from support.postfix import Postfix
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.settings import Settings

pytestmark = pytest.mark.real


@pytest.fixture
async def relay(
    database: Database, broker: RedisBroker, settings: Settings, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SubmissionServer]:
    """The relay with a certificate, to whom even this machine is a stranger: no key without TLS."""
    monkeypatch.setattr("taskflow.delivery.submission.protocol._is_loopback", lambda _: False)
    where = settings.submission
    where.cert_file, where.key_file, where.port = certificates, certificates.with_name("server.key"), 0
    async with SubmissionServer.running(database, broker, settings) as server:
        yield server


@pytest.fixture
async def key(admin: httpx.AsyncClient) -> str:
    """An API key of somebody who may send."""
    answer = await admin.post("/api/v1/api-keys", json={"name": "mail", "role": "marketer"})
    found: str = answer.json()["key"]
    return found


async def run(*command: object, said: bytes = b"", **environment: str) -> tuple[int, str]:
    """Run a program for half a minute at most; return its status and what it printed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **environment},
    )
    try:
        async with asyncio.timeout(30):
            printed, _ = await process.communicate(said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, printed.decode(errors="replace")


def mail(to: str) -> bytes:
    """Return a mail as a program has it."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Shop <shop@sender.example>", to, "Grüße"
    message["Message-ID"] = "<mine@sender.example>"
    message["Date"] = "Mon, 30 Nov 2026 03:00:00 +0000"
    message.set_content("Dear Ann,\n.\n..\nyour order is on its way.\n")
    message.add_attachment(bytes(range(256)) * 400, maintype="application", subtype="octet-stream", filename="a.bin")
    message.set_boundary("=_between")
    return message.as_bytes(policy=email.policy.SMTP)


async def kept(database: Database) -> dict[str, bytes]:
    """Return what the ledger has, by address."""
    rows = await database.pool.fetch(
        "SELECT m.address, s.raw FROM messages m JOIN message_submissions s USING (submission_id)"
    )
    return {row["address"]: row["raw"] for row in rows}


async def test_swaks_signs_in_after_starttls_and_is_told_each_messages_fate(
    relay: SubmissionServer, key: str, certificates: Path, database: Database
) -> None:
    common = ["swaks", "--server", "localhost", "--port", relay.port, "--from", "shop@sender.example", "--auth-user",
              "anybody", "--header", "From: shop@sender.example", "--timeout", 20]  # fmt: skip
    secured = [*common, "--tls", "--tls-verify", "--tls-ca-path", certificates]
    code, printed = await run(*secured, "--to", "ann@example.com,bob@example.com", "--auth-password", key, "--pipeline")
    assert code == 0, printed
    assert "PIPELINING" in printed
    assert "250 2.0.0 queued as" in printed
    code, printed = await run(*secured, "--to", "cid@example.com", "--auth-password", "tf_wrong")
    assert code != 0
    assert "535" in printed
    code, printed = await run(*common, "--to", "dan@example.com", "--auth-password", key)
    assert code != 0, "it must not sign in without TLS"
    assert key not in printed.split("Trying")[-1]
    assert set(await kept(database)) == {"ann@example.com", "bob@example.com"}


async def test_msmtp_delivers_what_sendmail_would(
    relay: SubmissionServer, key: str, certificates: Path, database: Database, tmp_path: Path
) -> None:
    config = tmp_path / "msmtprc"
    config.write_text(
        f"account default\nhost localhost\nport {relay.port}\ntls on\ntls_starttls on\ntls_trust_file {certificates}\n"
        f"auth on\nuser anybody\npassword {key}\nfrom shop@sender.example\nset_msgid_header off\n"
        "undisclosed_recipients off\n"
    )
    config.chmod(0o600)
    data = mail("ann@example.com").replace(b"\r\n", b"\n")
    code, printed = await run("msmtp", "--file", config, "--read-recipients", said=data, HOME=str(tmp_path))
    assert code == 0, printed
    assert await kept(database) == {"ann@example.com": mail("ann@example.com")}


async def test_curl_hands_over_a_mail_byte_for_byte(
    relay: SubmissionServer, key: str, certificates: Path, database: Database
) -> None:
    code, printed = await run(
        "curl", "--silent", "--show-error", "--ssl-reqd", "--cacert", certificates, f"smtp://localhost:{relay.port}",
        "--user", f"anybody:{key}", "--mail-from", "shop@sender.example", "--mail-rcpt", "ann@example.com",
        "--upload-file", "-", said=mail("ann@example.com"),
    )  # fmt: skip
    assert code == 0, printed
    assert await kept(database) == {"ann@example.com": mail("ann@example.com")}


async def test_postfix_sends_through_us_as_its_smarthost(
    relay: SubmissionServer, key: str, certificates: Path, database: Database, folder: Path
) -> None:
    (folder / "office").mkdir()
    office = Postfix(folder / "office", "office.example")
    settings = {
        "relayhost": f"[localhost]:{relay.port}",
        "smtp_tls_security_level": "secure",
        "smtp_tls_secure_cert_match": "hostname",
        "smtp_tls_CAfile": str(certificates),
        "smtp_sasl_auth_enable": "yes",
        "smtp_sasl_tls_security_options": "noanonymous",
        "smtp_sasl_password_maps": f"inline:{{ {{[localhost]:{relay.port} = anybody:{key}}} }}",
        "default_destination_recipient_limit": "50",
        "smtpd_recipient_restrictions": "permit_mynetworks, reject",
        "mynetworks": "127.0.0.1",
    }
    people = [f"p{number}@example.com" for number in range(20)]

    def submit(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail("shop@sender.example", people, mail("everybody@example.com"))
            client.sendmail(
                "shop@sender.example", ["jürgen@bücher.example"], mail("ann@example.com"), ["SMTPUTF8", "BODY=8BITMIME"]
            )

    async with office.running(settings, {}) as (port,):
        await asyncio.to_thread(submit, port)
        await office.idle()
    said = office.said()
    assert said.count("status=sent (250 2.0.0 queued as") == 21, said
    rows = await ledger(database)
    assert set(rows) == {*people, "jürgen@xn--bcher-kva.example"}
    assert {row["from_address"] for row in rows.values()} == {"shop@sender.example"}
    raws = await kept(database)
    for person in people:
        head, _, rest = raws[person].partition(b"From: Shop")
        assert b"From: Shop" + rest == mail("everybody@example.com")
        assert head.startswith(b"Received: "), "where it came from"
