"""The SMTP relay: stock clients, hostile clients, and what the ledger has of both."""

import asyncio
import base64
import email.policy
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest
from prometheus_client import REGISTRY

from support.api import Api
from support.certificates import server_context
from support.messages import PATH, ledger
from support.processes import running
from support.relay import Line, connected, key_of
from support.scripted_smtp import ScriptedSmtp
from support.signatures import signatures, valid, zone_of
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.cli.checkup import relay
from taskflow.cli.checkup.finding import Level
from taskflow.db.pool import Database
from taskflow.delivery.domains.service import DomainService
from taskflow.delivery.messages import service as messages
from taskflow.delivery.return_paths import ReturnPaths
from taskflow.delivery.submission.protocol import _is_loopback
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.identity.models import Role
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

T = TypeVar("T")
COUNTED = {
    "taskflow_submission_mails_total": {},
    "taskflow_submission_messages_total": {},
    "taskflow_submission_refusals_total": {"code": "553"},
}


@pytest.fixture
async def server(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[SubmissionServer]:
    """The relay on loopback, without a certificate."""
    async with SubmissionServer.running(database, broker, settings) as running_server:
        yield running_server


@pytest.fixture
async def key(api: Api) -> str:
    """The key of somebody who may send."""
    return await key_of(api, Role.MARKETER)


async def blocking(work: Callable[[], T]) -> T:
    """Run a blocking client beside the server."""
    return await asyncio.to_thread(work)


def mail(**headers: str) -> EmailMessage:
    """Return a mail as Python makes it."""
    message = EmailMessage()
    message["From"] = "Shop <shop@sender.example>"
    message["To"] = "ann@example.com"
    message["Subject"] = "Grüße"
    for name, value in headers.items():
        message[name.replace("_", "-")] = value
    message.set_content("Dear Ann,\n.\nyour order is on its way.\n")
    return message


@pytest.fixture
async def line(server: SubmissionServer) -> AsyncIterator[Line]:
    """A connection that has said EHLO."""
    async with connected(server) as found:
        assert (await found.reply()).startswith(b"220")
        assert (await found.say("EHLO client.example")).startswith(b"250")
        yield found


async def test_a_stock_client_sends_through_the_relay_and_the_bytes_arrive_unchanged(
    server: SubmissionServer, api: Api, key: str, mailing: dict[str, str], smtp: ScriptedSmtp, database: Database
) -> None:
    message = mail(Bcc="secret@example.com", X_TaskFlow_Tag="order", Message_ID="<mine@sender.example>")

    data = message.as_bytes(policy=email.policy.SMTP)

    def work() -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.login("whoever", key)
            return client.sendmail(
                "bounce@sender.example", ["ann@example.com", "bob@example.com", "ANN@example.com"], data
            )

    assert await blocking(work) == {}
    rows = await ledger(database)
    assert set(rows) == {"ann@example.com", "bob@example.com"}
    assert {(row["from_address"], tuple(row["tags"])) for row in rows.values()} == {("shop@sender.example", ("order",))}
    async with running(mailing, "coordinator"), running(mailing, "worker"):

        async def sent() -> bool:
            return all(row["status"] == "SENT" for row in (await ledger(database)).values())

        await eventually(sent, seconds=60, what="both messages sent")
    wanted = data
    for header in (b"Bcc: secret@example.com\r\n", b"X-TaskFlow-Tag: order\r\n"):
        assert header in wanted
        wanted = wanted.replace(header, b"")
    for arrived in smtp.messages:
        head, _, text = arrived.body.partition(b"\r\n\r\n")
        arrived_without_date = head.rpartition(b"\r\nDate: ")[0] + b"\r\n\r\n" + text
        assert arrived_without_date == wanted.replace(b"\r\n.\r\n", b"\r\n..\r\n")
        assert arrived.mail_from == b"bounce@sender.example"
    async with await api.as_role(Role.ADMIN) as admin:
        message_id = rows["ann@example.com"]["message_id"]
        found = (await admin.get(f"{PATH}/{message_id}")).json()
        assert (found["subject"], found["source"]) == ("Grüße", "smtp")
        content = (await admin.get(f"{PATH}/{message_id}/content")).json()
        assert "your order is on its way" in content["text"]


async def test_a_mail_that_its_domain_has_not_signed_is_signed_on_its_way(
    server: SubmissionServer, key: str, mailing: dict[str, str], smtp: ScriptedSmtp, database: Database
) -> None:
    domains = DomainService(database, server._settings)
    added = await domains.add("sender.example")
    await domains.rotate("sender.example", force=True)
    data = mail(Message_ID="<mine@sender.example>").as_bytes(policy=email.policy.SMTP)
    own = b"DKIM-Signature: v=1; a=rsa-sha256; d=sender.example; s=own; h=From; bh=x; b=x\r\n" + data

    def work() -> None:
        with smtplib.SMTP("127.0.0.1", server.port) as client:
            client.login("whoever", key)
            client.sendmail("bounce@sender.example", ["plain@example.com"], data)
            client.sendmail("bounce@sender.example", ["own@example.com"], own)

    await blocking(work)
    async with running(mailing, "coordinator"), running(mailing, "worker"):

        async def sent() -> bool:
            return all(row["status"] == "SENT" for row in (await ledger(database)).values())

        await eventually(sent, seconds=60, what="both messages sent")
    arrived = {message.rcpt_to: message.body.replace(b"\r\n..", b"\r\n.") for message in smtp.messages}
    assert valid(arrived[b"plain@example.com"], zone_of(added.keys)) == [True, True]
    assert signatures(arrived[b"own@example.com"]) == ["own"], "what was signed stays as it is"


async def test_mail_goes_by_its_from_and_bounces_come_back_by_its_return_path(
    line: Line, key: str, mailing: dict[str, str], smtp: ScriptedSmtp, database: Database, settings: Settings
) -> None:
    await database.pool.execute(
        "INSERT INTO sending_domains (domain, return_path_domain) VALUES ('sender.example', 'bounces.sender.example')"
    )
    await line.sign_in(key)
    for sender, recipient, data in (
        ("app@elsewhere.example", "ann@example.com", b"From: The shop <Shop@Sender.example>"),
        ("app@elsewhere.example", "bob@example.com", b"From: shop@other.example"),
        ("", "cid@example.com", b"From: MAILER-DAEMON@sender.example"),
    ):
        assert (await line.say(f"MAIL FROM:<{sender}>")).startswith(b"250 ")
        assert (await line.say("RCPT TO:<>")).startswith(b"553 "), "nobody is no recipient"
        assert (await line.say(f"RCPT TO:<{recipient}>")).startswith(b"250 ")
        assert (await line.say("DATA")).startswith(b"354 ")
        assert (await line.say(data + b"\r\n\r\nx\r\n.\r\n")).startswith(b"250 ")
    async with running(mailing, "coordinator"), running(mailing, "worker"):

        async def sent() -> bool:
            return all(row["status"] == "SENT" for row in (await ledger(database)).values())

        await eventually(sent, seconds=60, what="all messages sent")
    rows = await ledger(database)
    assert {address: row["from_address"] for address, row in rows.items()} == {
        "ann@example.com": "Shop@Sender.example",
        "bob@example.com": "shop@other.example",
        "cid@example.com": "MAILER-DAEMON@sender.example",
    }
    paths = {message.rcpt_to.decode(): message.mail_from.decode() for message in smtp.messages}
    returns = ReturnPaths(signing_key(settings).get_secret_value().encode(), "bounces.sender.example")
    assert paths["ann@example.com"].endswith("@bounces.sender.example")
    assert returns.read(paths["ann@example.com"]).message_id == rows["ann@example.com"]["message_id"]
    assert paths["bob@example.com"] == "app@elsewhere.example"
    assert paths["cid@example.com"] == "", "a bounce of a bounce goes nowhere"


class SlowCommit:
    """The commit of a mail, which waits until it may go."""

    def __init__(self) -> None:
        self.is_near = asyncio.Event()
        self.may_go = asyncio.Event()
        self._real = messages.copy_into

    async def __call__(self, *arguments: Any) -> None:
        self.is_near.set()
        await self.may_go.wait()
        await self._real(*arguments)


@pytest.fixture
def commit(monkeypatch: pytest.MonkeyPatch) -> SlowCommit:
    slow = SlowCommit()
    monkeypatch.setattr(messages, "copy_into", slow)
    return slow


async def test_250_names_the_message_and_comes_after_the_commit(
    line: Line, key: str, database: Database, commit: SlowCommit
) -> None:
    assert (await line.open_mail(key, "ann@example.com")).startswith(b"354")
    line.writer.write(b"From: a@b.example\r\n\r\nx\r\n.\r\n")
    answer = asyncio.create_task(line.reply())
    await commit.is_near.wait()
    assert not answer.done()
    assert await ledger(database) == {}
    commit.may_go.set()
    row = (await ledger(database) if await answer else {})["ann@example.com"]
    assert await answer == f"250 2.0.0 queued as {row['message_id']}\r\n".encode()


async def test_a_lost_connection_to_the_database_keeps_a_mail_once(
    line: Line, key: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = messages.copy_into, []

    async def failing(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 1:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
        await real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(messages, "copy_into", failing)
    await line.open_mail(key, "ann@example.com")
    assert (await line.say(b"From: a@b.example\r\n\r\nx\r\n.\r\n")).startswith(b"250")
    assert (len(calls), len(await ledger(database))) == (2, 1)


async def test_a_server_that_ends_answers_a_mail_whose_commit_is_under_way(
    database: Database,
    broker: RedisBroker,
    settings: Settings,
    key: str,
    commit: SlowCommit,
) -> None:
    stop = asyncio.Event()
    started: asyncio.Future[SubmissionServer] = asyncio.get_running_loop().create_future()

    async def serve() -> None:
        async with SubmissionServer.running(database, broker, settings) as server:
            started.set_result(server)
            await stop.wait()

    serving = asyncio.create_task(serve())
    async with connected(await started) as busy, connected(await started) as idle:
        for client in (busy, idle):
            await client.reply()
            await client.say("EHLO client.example")
        await busy.open_mail(key, "ann@example.com")
        busy.writer.write(b"From: a@b.example\r\n\r\nx\r\n.\r\n")
        await commit.is_near.wait()
        stop.set()
        assert await idle.reader.read() == b"", "who waits for nothing is hung up at once"
        commit.may_go.set()
        assert (await busy.reply()).startswith(b"250 2.0.0 queued as ")
        assert await busy.reader.read() == b""
    await serving
    assert set(await ledger(database)) == {"ann@example.com"}


async def test_a_client_that_did_not_hear_250_sends_its_mail_again_and_nobody_gets_two(
    line: Line, key: str, database: Database
) -> None:
    data = b"From: a@b.example\r\nMessage-ID: <1@b.example>\r\n\r\nx\r\n.\r\n"
    await line.open_mail(key, "ann@example.com", "bob@example.com")
    first = await line.say(data)

    async def again(data: bytes, *recipients: str) -> bytes:
        for command in ("MAIL FROM:<shop@sender.example>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"):
            await line.say(command)
        return await line.say(data)

    assert await again(data, "Bob@example.com", "ann@example.com") == first
    assert len(await ledger(database)) == 2
    for other in (
        again(data, "ann@example.com"),
        again(data.replace(b"x", b"y"), "ann@example.com", "bob@example.com"),
    ):
        answer = await other
        assert answer.startswith(b"250 ")
        assert answer != first
    assert await database.pool.fetchval("SELECT count(*) FROM messages") == 5
    nameless = data.replace(b"Message-ID", b"X-Message-ID")
    assert await again(nameless, "ann@example.com") != await again(nameless, "ann@example.com")


async def test_who_has_no_key_of_a_sender_gets_nowhere(line: Line, server: SubmissionServer, api: Api) -> None:
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"530 ")
    viewer = await key_of(api, Role.VIEWER)
    token = (await api.sign_in("viewer@example.com"))["access_token"]
    for password in (viewer, token):
        encoded = base64.b64encode(b"\0name\0" + password.encode()).decode()
        if len(encoded) < 480:
            assert (await line.say(f"AUTH PLAIN {encoded}")).startswith(b"535 ")
    name, wrong = (base64.b64encode(word).decode() for word in (b"name", b"tf_" + b"0" * 60))
    assert (await line.say("AUTH LOGIN")).startswith(b"334 ")
    assert (await line.say(name)).startswith(b"334 ")
    assert (await line.say(wrong)).startswith(b"535 ")
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"530 ")
    assert (await line.say("AUTH LOGIN " + name)).startswith(b"334 ")
    assert (await line.say(wrong)).startswith(b"421 "), "the third wrong password is the last"
    assert await line.reader.read() == b""


async def test_a_key_that_is_revoked_in_the_middle_of_a_session_sends_no_further_mail(
    line: Line, key: str, database: Database
) -> None:
    await line.open_mail(key, "ann@example.com")
    assert (await line.say(b"From: a@b.example\r\n\r\nx\r\n.\r\n")).startswith(b"250")
    await database.pool.execute("UPDATE api_keys SET revoked_at = now()")
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"535 ")
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"530 ")


async def test_a_key_with_a_limit_hands_over_so_many_mails_and_each_is_in_the_audit_log(
    line: Line, server: SubmissionServer, key: str, database: Database
) -> None:
    await database.pool.execute("UPDATE api_keys SET rate_limit_per_minute = 2")
    await line.open_mail(key, "ann@example.com", "bob@example.com")
    kept = await line.say(b"From: a@b.example\r\n\r\nx\r\n.\r\n")
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"250")
    async with connected(server) as other:
        await other.reply()
        await other.say("EHLO client.example")
        await other.sign_in(key)
        assert (await other.say("MAIL FROM:<shop@sender.example>")).startswith(b"451 4.7.1 At most 2 mails a minute")
    [row] = await database.pool.fetch("SELECT * FROM audit_log WHERE action = 'message.send'")
    assert row["target_id"] in kept.decode()
    assert (row["actor"], str(row["address"])) == ("marketer@example.com (key mail)", "127.0.0.1")
    assert row["detail"] == {"messages": 2, "source": "smtp"}


async def test_a_key_with_domains_hands_over_mail_from_those_only(line: Line, key: str, database: Database) -> None:
    await database.pool.execute("UPDATE api_keys SET scopes = '{messages:send}', from_domains = '{sender.example}'")
    await line.sign_in(key)
    ours, refused = "<a@sender.example>", b"550 5.7.1 This key may send mail from sender.example only, not from "
    for returns, senders, answer in (
        (ours, b"a@other.example", refused + b"a@other.example."),
        (ours, b"a@notsender.example", refused),
        (ours, b"a@sender.example, b@other.example\r\nSender: a@sender.example", refused),
        (ours, b"a@sender.example\r\nSender: A <b@other.example>", refused + b"b@other.example."),
        ("<b@other.example>", b"a@sender.example", refused + b"b@other.example."),
        ("<>", b"a@mail.sender.example\r\nSender: A <a@sender.example>", b"250 "),
    ):
        for command in (f"MAIL FROM:{returns}", "RCPT TO:<ann@example.com>", "DATA"):
            await line.say(command)
        assert (await line.say(b"From: " + senders + b"\r\n\r\nx\r\n.\r\n")).startswith(answer)
    key_id = await database.pool.fetchval("SELECT key_id FROM api_keys")
    assert await database.pool.fetch("SELECT from_address, key_id FROM messages") == [("a@mail.sender.example", key_id)]


async def test_the_relay_counts_what_it_keeps_and_refuses(line: Line, server: SubmissionServer, key: str) -> None:
    before = {name: REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in COUNTED.items()}
    await line.open_mail(key, "ann@example.com", "bob@example.com")
    await line.say(b"From: a@b.example\r\n\r\nx\r\n.\r\n")
    assert (await line.say("MAIL FROM:<no address>")).startswith(b"553")
    after = {name: REGISTRY.get_sample_value(name, labels) or 0.0 for name, labels in COUNTED.items()}
    assert [after[name] - before[name] for name in COUNTED] == [1, 2, 1]
    assert server.report() == {"status": "ok", "database": "ok", "port": server.port, "connections": 1}


async def test_without_a_limit_of_the_key_the_settings_have_one(line: Line, settings: Settings, key: str) -> None:
    settings.message.rate_limit_per_minute = 1
    assert (await line.open_mail(key, "ann@example.com")).startswith(b"354")
    await line.say(b"From: a@b.example\r\n\r\nx\r\n.\r\n")
    assert (await line.say("MAIL FROM:<shop@sender.example>")).startswith(b"451 4.7.1 ")


async def test_an_address_may_try_so_many_keys_a_minute(line: Line, settings: Settings, key: str) -> None:
    settings.http.rate_limit_ip_per_minute = 1
    assert (await line.sign_in("tf_" + "0" * 60)).startswith(b"535 ")
    assert (await line.sign_in(key)).startswith(b"454 4.7.0 At most 1 sign-ins a minute")


async def test_behind_a_proxy_on_this_machine_nobody_is_local(
    database: Database, broker: RedisBroker, settings: Settings, key: str
) -> None:
    settings.submission.trust_loopback = False
    async with SubmissionServer.running(database, broker, settings) as server, connected(server) as line:
        await line.reply()
        await line.say("EHLO client.example")
        assert (await line.sign_in(key)).startswith(b"538 ")


async def test_a_key_crosses_a_network_only_under_tls(
    database: Database,
    broker: RedisBroker,
    settings: Settings,
    key: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("taskflow.delivery.submission.protocol._is_loopback", lambda _: False)
    _, pem = server_context(tmp_path)
    settings.submission.cert_file, settings.submission.key_file = pem, tmp_path / "server.key"
    settings.submission.tls_port = 0
    settings.smtp.helo_name = "mail.shop.example"
    async with SubmissionServer.running(database, broker, settings) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        plain = Line(reader, writer)
        assert (await plain.reply()).startswith(b"220 mail.shop.example ")
        assert (await plain.say("EHLO client.example")).startswith(b"250")
        token = base64.b64encode(b"\0name\0" + key.encode()).decode()
        assert (await plain.say(f"AUTH PLAIN {token}")).startswith(b"538 ")
        # What stands before the handshake in the same packet is thrown away, not taken for the client's.
        assert (await plain.say(b"STARTTLS\r\nNOOP\r\nMAIL FROM:<eve@evil.example>\r\n")).startswith(b"220 ")
        writer.close()
        trusting = ssl.create_default_context(cafile=str(pem))

        def work() -> tuple[bool, dict[str, tuple[int, bytes]]]:
            with smtplib.SMTP("localhost", server.port) as client:
                client.ehlo()
                offered = client.has_extn("auth")
                client.starttls(context=trusting)
                client.login("whoever", key)
                return offered, client.sendmail(
                    "shop@sender.example", ["ann@example.com"], mail().as_bytes(policy=email.policy.SMTP)
                )

        assert await blocking(work) == (False, {})

        def work_under_tls() -> tuple[bool, bool]:
            with smtplib.SMTP_SSL("localhost", server.tls_port or 0, context=trusting) as client:
                client.ehlo()
                offered = client.has_extn("starttls")
                client.login("whoever", key)
                client.sendmail("shop@sender.example", ["bob@example.com"], mail().as_bytes(policy=email.policy.SMTP))
                return offered, client.has_extn("auth")

        assert await blocking(work_under_tls) == (False, True)
        where = settings.submission.model_copy(update={"port": server.port, "tls_port": server.tls_port})
        assert (await relay.examine(where)).level is Level.OK
    assert set(await ledger(database)) == {"ann@example.com", "bob@example.com"}


@pytest.mark.parametrize(
    ("peer", "is_loopback"),
    [(("127.0.0.1", 1), True), (("::1", 1, 0, 0), True), (("10.0.0.1", 1), False), (None, False), (("", 0), False)],
)
def test_only_this_machine_is_loopback(peer: object, is_loopback: bool) -> None:
    assert _is_loopback(peer) is is_loopback


FROM = b"From: a@b.example\r\n"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"Subject: x\r\n\r\nx", b"no From"),
        (FROM + FROM + b"\r\nx", b"2 headers From"),
        (b"From: a@b.example\r\nSubject: a\r\nSubject: b\r\n\r\nx", b"2 headers Subject"),
        (b"From: nobody\r\n\r\nx", b"From:"),
        (b"From: a@b.example, -x@b.example\r\n\r\nx", b"From:"),
        (b"just text\r\n\r\nx", b"is no header"),
        (b" folded first\r\n" + FROM + b"\r\nx", b"second line"),
        (FROM + b"Subject: \xc3\xa5\r\n\r\nx", b"not ASCII"),
        (FROM + b"\r\n" + b"x" * 999, b"over 998 bytes"),
        (FROM + b"\r\n\0", b"NUL"),
        (FROM[:-2], b"no headers"),
        (FROM + b"X-SMTPAPI: {}\r\n\r\nx", b"an order"),
        (FROM + b"x-ses-source-arn: x\r\n\r\nx", b"an order"),
    ],
)
async def test_mail_that_can_be_read_in_two_ways_is_refused(
    line: Line, key: str, database: Database, data: bytes, why: bytes
) -> None:
    await line.open_mail(key, "ann@example.com")
    answer = await line.say(data + b"\r\n.\r\n")
    assert answer.startswith(b"550 5.6.0 "), answer
    assert why in answer
    assert await ledger(database) == {}
    assert (await line.say("NOOP")).startswith(b"250"), "the session goes on"


@pytest.mark.parametrize("ending", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n\n.\r\r\n"], ids=repr)
async def test_only_crlf_dot_crlf_ends_a_mail_so_no_second_one_is_smuggled(
    line: Line, key: str, database: Database, ending: bytes
) -> None:
    await line.open_mail(key, "ann@example.com")
    smuggled = (
        b"MAIL FROM:<ceo@sender.example>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\nFrom: ceo@sender.example\r\n\r\npay"
    )
    answer = await line.say(FROM + b"\r\nhello" + ending + smuggled + b"\r\n.\r\n")
    assert answer.startswith(b"250 "), answer
    assert set(await ledger(database)) == {"ann@example.com"}
    raw: bytes = await database.pool.fetchval("SELECT raw FROM message_submissions")
    assert raw.endswith(smuggled + b"\r\n"), "it is text of the one mail"
    assert b"\n" not in raw.replace(b"\r\n", b""), "and its line ends are such that nobody else is fooled"
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert (await line.say("NOOP")) == b"250 OK\r\n", "nothing of it was taken for a command"


@pytest.mark.parametrize(
    "address",
    [
        "ann@example.com> SIZE=1", '"a b"@example.com', "-oQ/tmp@example.com", "ann@exa mple.com", "ann@@example.com",
        "ann", "ann@example.com\0", "a" * 65 + "@example.com",
    ],
)  # fmt: skip
async def test_hostile_recipients_are_refused_one_by_one(line: Line, key: str, address: str) -> None:
    token = base64.b64encode(b"\0anybody\0" + key.encode()).decode()
    await line.say(f"AUTH PLAIN {token}")
    await line.say("MAIL FROM:<shop@sender.example>")
    assert (await line.say(f"RCPT TO:<{address}>"))[:1] == b"5"
    assert (await line.say("DATA")).startswith(b"503 ")


async def test_sizes_and_recipients_have_limits(
    database: Database, broker: RedisBroker, settings: Settings, key: str
) -> None:
    settings.submission.max_message_bytes, settings.submission.max_recipients = 1_000, 2
    async with SubmissionServer.running(database, broker, settings) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        client = Line(reader, writer)
        await client.reply()
        await client.say("EHLO client.example")
        token = base64.b64encode(b"\0anybody\0" + key.encode()).decode()
        await client.say(f"AUTH PLAIN {token}")
        assert (await client.say("MAIL FROM:<shop@sender.example> SIZE=2000")).startswith(b"552 ")
        await client.say("MAIL FROM:<shop@sender.example>")
        await client.say("RCPT TO:<a@example.com>")
        await client.say("RCPT TO:<b@example.com>")
        assert (await client.say("RCPT TO:<c@example.com>")).startswith(b"452 ")
        await client.say("DATA")
        assert (await client.say(FROM + b"\r\n" + b"line\r\n" * 300 + b".\r\n")).startswith(b"552 ")
        writer.close()
    assert await ledger(database) == {}
