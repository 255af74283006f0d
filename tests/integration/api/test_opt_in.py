"""Public forms and double opt-in, with real mail: only the holder of an address puts it on a list."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from support.api import Api, client_of, running
from support.imports import erasure_of
from support.signatures import valid, zone_of
from support.waiting import eventually
from taskflow.audience.consent.confirmation import Confirmations
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.domains.gmail import GmailMeter
from taskflow.delivery.domains.senders import Senders
from taskflow.delivery.domains.service import DomainService
from taskflow.delivery.messages.carrier import open_carrier
from taskflow.delivery.sandbox import Inbox, SandboxServer
from taskflow.engine.context import WorkerContext
from taskflow.engine.retry import NoRetry
from taskflow.settings import Settings
from taskflow.tracking.opt_in.mailer import ConfirmationMailer, NotAttemptedError, NotTakenError

CONTACTS, LISTS = "/api/v1/contacts", "/api/v1/lists"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HOSTILE = "<script>alert(1)</script>"


class Post:
    """Carries what the tasks ask for, as a worker does, and reads what arrived."""

    def __init__(self, database: Database, mailer: ConfirmationMailer) -> None:
        self.database = database
        self.mailer = mailer
        self.inbox = Inbox(database.pool)

    async def carry(self) -> list[str | None]:
        """Run the tasks there are; return what became of each."""
        rows = await self.database.pool.fetch("DELETE FROM tasks RETURNING task_kwargs")
        return [await self.mailer.send(UUID(row["task_kwargs"]["request_id"])) for row in rows]

    async def mails(self) -> list[tuple[str, str, str]]:
        """Return (to, subject, text), oldest first."""
        items = (await self.inbox.list_mails(None, None, 100)).items
        found = [await self.inbox.mail(item.message_id) for item in reversed(items)]
        return [(mail.rcpt_to, mail.subject or "", mail.text or "") for mail in found]

    async def link(self) -> str:
        """Return the path of the newest mail's link."""
        _, _, text = (await self.mails())[-1]
        found = re.search(r"http://127\.0\.0\.1:\d+(/confirm/\S+)", text)
        assert found is not None, text
        return found[1]


@pytest.fixture
async def post(api: Api, settings: Settings, database: Database, broker: RedisBroker) -> AsyncIterator[Post]:
    async with SandboxServer.running(database.pool, settings.sandbox) as sandbox:
        settings.sandbox.port = sandbox.port
        context = WorkerContext(database, broker, settings, uuid7(), uuid7())
        async with (
            contextlib.aclosing(context),
            open_carrier(context) as carrier,
            GmailMeter.open(database.pool) as gmail,
        ):
            confirmations = Confirmations(database.pool, settings.audience, erasure_of(settings))
            senders = Senders(database.pool, settings)
            yield Post(database, ConfirmationMailer(settings, confirmations, carrier, senders, gmail))


async def public_list(marketer: httpx.AsyncClient, opt_in: str = "double", **body: Any) -> dict[str, Any]:
    wanted = {"name": "News", "opt_in": opt_in, "visibility": "public", "confirm_from": "news@shop.example"}
    answer = await marketer.post(LISTS, json=wanted | body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def submit(api: Api, made: dict[str, Any], email: str, **fields: str) -> httpx.Response:
    agent = {"User-Agent": f"Browser {HOSTILE}"}
    return await api.anonymous.post(
        f"/subscribe/{made['list_id']}", data={"email": email, **fields}, headers=FORM | agent
    )


async def standing(database: Database, email: str) -> tuple[str, str | None] | None:
    """Return a person's status and that of their subscription."""
    row = await database.pool.fetchrow(
        "SELECT c.status, s.status AS subscription FROM subscribers c LEFT JOIN subscriptions s USING (contact_id)"
        " WHERE lower(c.email) = lower($1)",
        email,
    )
    return (row["status"], row["subscription"]) if row else None


async def history(database: Database, email: str) -> list[tuple[str, str]]:
    rows = await database.pool.fetch(
        "SELECT action, source FROM consents JOIN subscribers USING (contact_id) WHERE lower(email) = lower($1)"
        " ORDER BY consent_id",
        email,
    )
    return [(row["action"], row["source"]) for row in rows]


async def test_a_stranger_asks_confirms_by_mail_and_every_step_is_kept(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer, confirm_wording="Yes, a mail a week. <b>Really.</b>")
    page = await api.anonymous.get(f"/subscribe/{made['list_id']}")
    assert page.status_code == 200
    assert "&lt;b&gt;Really.&lt;/b&gt;" in page.text
    answer = await submit(api, made, "Ada@Example.com", first_name="Ada")
    assert answer.status_code == 202
    assert await standing(database, "ada@example.com") == ("PENDING", "PENDING")
    await post.carry()
    [(to, subject, text)] = await post.mails()
    assert (to, subject) == ("Ada@example.com", "Please confirm: News")
    assert "Yes, a mail a week." in text
    link = await post.link()
    for _ in range(2):  # scanners look
        asked = await api.anonymous.get(link)
        assert asked.status_code == 200
        assert ("A•••@example.com" in asked.text, "<button" in asked.text) == (True, True)
        assert "Ada@" not in asked.text
    assert await standing(database, "ada@example.com") == ("PENDING", "PENDING")
    for _ in range(2):  # and people click twice
        done = await api.anonymous.post(link, headers={"User-Agent": HOSTILE})
        assert done.status_code == 200
        assert "You are subscribed" in done.text
    assert await standing(database, "ada@example.com") == ("ACTIVE", "CONFIRMED")
    assert await history(database, "ada@example.com") == [("requested", "form"), ("confirmed", "page")]
    rows = await database.pool.fetch("SELECT * FROM consents ORDER BY consent_id")
    assert {row["wording"] for row in rows} == {"Yes, a mail a week. <b>Really.</b>"}
    assert {str(row["address"]) for row in rows} == {"127.0.0.1"}
    assert rows[1]["user_agent"] == HOSTILE
    audited = await database.pool.fetch("SELECT detail FROM audit_log WHERE action = 'subscription.confirm'")
    assert len(audited) == 1
    assert "You are subscribed" in (await api.anonymous.get(link)).text


async def test_people_who_ask_and_click_at_the_same_moment_do_it_once(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    answers = await asyncio.gather(*(submit(api, made, "ada@example.com") for _ in range(6)))
    assert {answer.status_code for answer in answers} == {202}
    assert await database.pool.fetchval("SELECT count(*) FROM subscriptions") == 1
    await post.carry()
    link = await post.link()
    clicks = await asyncio.gather(*(api.anonymous.post(link) for _ in range(6)))
    assert {click.status_code for click in clicks} == {200}
    steps = await history(database, "ada@example.com")
    assert [step for step in steps if step[0] != "requested"] == [("confirmed", "page")]
    assert await standing(database, "ada@example.com") == ("ACTIVE", "CONFIRMED")


async def test_a_link_brings_nobody_back_who_left_after_it(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    await submit(api, made, "ada@example.com")
    await post.carry()
    link = await post.link()
    await api.anonymous.post(link)
    contact_id = await database.pool.fetchval("SELECT contact_id FROM subscribers")
    await marketer.post(f"{CONTACTS}/{contact_id}/consents", json={"action": "withdrawn", "list_id": made["list_id"]})
    for answer in (await api.anonymous.get(link), await api.anonymous.post(link)):
        assert answer.status_code == 404
    assert await standing(database, "ada@example.com") == ("ACTIVE", "UNSUBSCRIBED")
    await submit(api, made, "ada@example.com")  # they come again: the old link is still of an earlier time
    assert await standing(database, "ada@example.com") == ("ACTIVE", "PENDING")
    assert (await api.anonymous.post(link)).status_code == 404
    await post.carry()
    assert (await api.anonymous.post(await post.link())).status_code == 200
    assert await standing(database, "ada@example.com") == ("ACTIVE", "CONFIRMED")


async def test_a_link_proves_one_address_one_request_and_one_week(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    await submit(api, made, "ada@example.com")
    await post.carry()
    link = await post.link()
    for wrong in (link[:-4] + "AAAA", link + "A", "/confirm/", "/confirm/%00", "/confirm/" + "A" * 5_000):
        assert (await api.anonymous.post(wrong)).status_code in (404, 405)
    contact_id = await database.pool.fetchval("SELECT contact_id FROM subscribers")
    await marketer.patch(f"{CONTACTS}/{contact_id}", json={"email": "eve@example.com"})
    assert (await api.anonymous.post(link)).status_code == 404
    await marketer.patch(f"{CONTACTS}/{contact_id}", json={"email": "ADA@example.com"})
    assert (await api.anonymous.get(link)).status_code == 200
    shift = "interval '8 days'"
    await database.pool.execute(f"UPDATE consents SET created_at = created_at - {shift}")  # noqa: S608 - ours
    await database.pool.execute(f"UPDATE subscriptions SET subscribed_at = subscribed_at - {shift}")  # noqa: S608 - ours
    assert (await api.anonymous.post(link)).status_code == 404
    assert await standing(database, "ADA@example.com") == ("PENDING", "PENDING")


async def test_the_answer_is_the_same_whoever_asks(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    for email in ("on@example.com", "bounced@example.com", "gone@example.com"):
        await marketer.post(CONTACTS, json={"email": email, "status": "BOUNCED" if "bounced" in email else "ACTIVE"})
    ids = {
        row["email"].partition("@")[0]: str(row["contact_id"])
        for row in await database.pool.fetch("SELECT * FROM subscribers")
    }
    await marketer.post(
        f"{LISTS}/{made['list_id']}/contacts",
        json={"contact_ids": [ids["on"]], "confirmed": True, "wording": "yes"},
    )
    await marketer.post(f"{CONTACTS}/{ids['gone']}/consents", json={"action": "withdrawn"})
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason, source)"
        " VALUES ('email', 'suppressed@example.com', 'complained', 'test')"
    )
    answers = [
        await submit(api, made, email)
        for email in (
            "on@example.com",
            "bounced@example.com",
            "gone@example.com",
            "suppressed@example.com",
            "new@example.com",
        )
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[0].text)}
    trapped = await submit(api, made, "robot@example.com", website="https://spam.example")
    assert (trapped.status_code, trapped.text) == (202, answers[0].text)
    assert await standing(database, "robot@example.com") is None
    assert await standing(database, "suppressed@example.com") is None
    await post.carry()
    assert sorted(to for to, _, _ in await post.mails()) == ["gone@example.com", "new@example.com"]
    await api.anonymous.post(re.search(r"/confirm/\S+", (await post.mails())[0][2])[0])  # type: ignore[index]
    await api.anonymous.post(await post.link())
    assert await standing(database, "gone@example.com") == ("ACTIVE", "CONFIRMED")
    left = await database.pool.fetch("SELECT address FROM suppressions")
    assert [row["address"] for row in left] == ["suppressed@example.com"]


async def test_what_is_refused_is_refused_of_everybody(api: Api, marketer: httpx.AsyncClient, post: Post) -> None:
    made = await public_list(marketer)
    await marketer.post(CONTACTS, json={"email": "ada@example.com"})
    for wrong in ({"locale": "German"}, {"first_name": "\x07"}):
        answers = [await submit(api, made, email, **wrong) for email in ("ada@example.com", "new@example.com")]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert answers[0].text == answers[1].text


async def test_who_waits_for_a_confirmation_and_is_added_elsewhere_waits_no_more(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    await submit(api, made, "ada@example.com")
    contact_id = str(await database.pool.fetchval("SELECT contact_id FROM subscribers"))
    other = (await marketer.post(LISTS, json={"name": "Customers"})).json()
    await marketer.post(f"{LISTS}/{other['list_id']}/contacts", json={"contact_ids": [contact_id]})
    assert (await marketer.get(f"{CONTACTS}/{contact_id}")).json()["status"] == "ACTIVE"
    items = (await marketer.get(f"{CONTACTS}/{contact_id}/subscriptions")).json()["items"]
    assert [item["status"] for item in items] == ["CONFIRMED", "PENDING"]


async def test_a_stranger_changes_nothing_about_who_is_known_and_puts_no_word_into_a_mail(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    await marketer.post(CONTACTS, json={"email": "ada@example.com", "attributes": {"first_name": "Ada"}})
    await submit(api, made, "ada@example.com", first_name="Visit https://evil.example")
    await submit(api, made, "new@example.com", first_name="Visit https://evil.example")
    await post.carry()
    assert "evil" not in str(await post.mails())
    rows = await database.pool.fetch("SELECT email, attributes FROM subscribers ORDER BY email")
    assert rows[0]["attributes"] == {"first_name": "Ada"}


async def test_nobody_is_flooded_with_mails_that_ask(
    api: Api, marketer: httpx.AsyncClient, post: Post, settings: Settings
) -> None:
    lists = [await public_list(marketer, name=f"News {number}") for number in range(7)]
    for made in lists:
        for _ in range(5):
            assert (await submit(api, made, "ada@example.com")).status_code == 202
    await post.carry()
    mails = await post.mails()
    per_list = {subject: sum(mail[1] == subject for mail in mails) for _, subject, _ in mails}
    assert max(per_list.values()) == settings.audience.confirmations_per_day
    assert len(mails) == 5 * settings.audience.confirmations_per_day


async def test_a_single_opt_in_takes_a_stranger_at_once_but_asks_who_had_left(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer, "single")
    await submit(api, made, "ada@example.com", first_name="Ada")
    assert await standing(database, "ada@example.com") == ("ACTIVE", "CONFIRMED")
    assert await history(database, "ada@example.com") == [("granted", "form")]
    contact_id = await database.pool.fetchval("SELECT contact_id FROM subscribers")
    await marketer.post(f"{CONTACTS}/{contact_id}/consents", json={"action": "withdrawn", "list_id": made["list_id"]})
    await submit(api, made, "ada@example.com")
    assert await standing(database, "ada@example.com") == ("ACTIVE", "PENDING")


@pytest.mark.parametrize("visibility", ["private", "archived", "unknown", "no id"])
async def test_a_list_that_is_not_public_has_no_form(
    api: Api, marketer: httpx.AsyncClient, post: Post, visibility: str
) -> None:
    made = await public_list(marketer)
    change = {"visibility": "private"} if visibility == "private" else {"archived": True}
    await marketer.patch(f"{LISTS}/{made['list_id']}", json=change)
    list_id = {"unknown": str(UUID(int=7)), "no id": "'; --"}.get(visibility, made["list_id"])
    answers = [
        await api.anonymous.get(f"/subscribe/{list_id}"),
        await api.anonymous.post(f"/subscribe/{list_id}", data={"email": "a@example.com"}),
    ]
    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(
    "body",
    [
        b"email=%FF%FE", b"email=" + b"a" * 60_000, b"=&" * 1_000, b"", b"email=a%00@example.com",
        b"email=a@example.com%0d%0aBcc:b@example.com", b"email=" + HOSTILE.encode(),
    ],
)  # fmt: skip
async def test_what_is_no_address_is_shown_the_form_again(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database, body: bytes
) -> None:
    made = await public_list(marketer)
    answer = await api.anonymous.post(f"/subscribe/{made['list_id']}", content=body, headers=FORM)
    assert answer.status_code == 422
    assert ("<form" in answer.text, HOSTILE in answer.text) == (True, False)
    assert await database.pool.fetchval("SELECT count(*) FROM subscribers") == 0


async def test_a_program_sends_json(api: Api, marketer: httpx.AsyncClient, post: Post, database: Database) -> None:
    made = await public_list(marketer)
    path = f"/subscribe/{made['list_id']}"
    answer = await api.anonymous.post(path, json={"email": "ada@example.com", "locale": "de_at", "is_admin": True})
    assert (answer.status_code, answer.json()) == (202, {"status": "received"})
    assert await database.pool.fetchval("SELECT locale FROM subscribers") == "de-AT"
    for wrong in ({"email": 3}, [], {"email": "no"}):
        answer = await api.anonymous.post(path, json=wrong)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_contact")


async def test_one_address_sends_a_form_a_few_times_a_minute(settings: Settings) -> None:
    settings.audience.form_per_minute = 2
    async with running(settings) as limited:
        path = f"/subscribe/{UUID(int=7)}"
        async with client_of(limited.app, "192.0.2.7") as robot, client_of(limited.app, "192.0.2.8") as other:
            assert [(await robot.get(path)).status_code for _ in range(3)] == [404, 404, 429]
            assert (await other.get(path)).status_code == 404


async def test_a_mail_server_that_refuses_is_told_apart_and_no_address_is_kept(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    rules = [
        {"pattern": "*@defer.example", "action": "defer", "times": None},
        {"pattern": "*@reject.example", "action": "reject", "times": None},
    ]
    assert (await marketer.put("/api/v1/inbox/rules", json=rules)).status_code == 200
    for email, kind in (("ada@defer.example", NotTakenError), ("ada@reject.example", NoRetry)):
        await submit(api, made, email)
        with pytest.raises(kind) as caught:
            await post.carry()
        assert "ada@" not in str(caught.value)


async def test_a_provider_that_is_away_passes_the_mail_on_and_one_for_others_is_not_asked(
    api: Api, admin: httpx.AsyncClient, marketer: httpx.AsyncClient, post: Post, settings: Settings
) -> None:
    made = await public_list(marketer)
    away: dict[str, Any] = {"name": "away", "kind": "smtp"}
    away["settings"] = {"host": "127.0.0.1", "port": 1, "security": "none"}
    others = {"kind": "sandbox", "priority": 1}
    for body in (
        away,
        others | {"name": "bulk", "classes": ["bulk"]},
        others | {"name": "x", "domains": ["x.example"]},
    ):
        assert (await admin.post("/api/v1/providers", json=body)).status_code == 201
    await submit(api, made, "ada@example.com")
    [row] = await post.database.pool.fetch("SELECT task_kwargs FROM tasks")
    request_id = UUID(row["task_kwargs"]["request_id"])

    async def is_refused() -> bool:
        with pytest.raises(NotAttemptedError) as refused:
            await post.mailer.send(request_id)
        return "Connect" in str(refused.value)

    await eventually(is_refused, what="the provider that is away is known, and asked")
    assert await post.mails() == []
    # A relay that leads into the inbox: the sandbox itself takes nothing over.
    there = {"settings": away["settings"] | {"port": settings.sandbox.port}}
    relay = away | there | {"name": "relay", "priority": 9}
    assert (await admin.post("/api/v1/providers", json=relay)).status_code == 201

    async def is_carried() -> bool:
        with contextlib.suppress(NotTakenError):
            await post.mailer.send(request_id)
        return bool(await post.mails())

    await eventually(is_carried, what="the new provider is seen")
    [(to, _, _)] = await post.mails()
    assert to == "ada@example.com"


async def test_who_cannot_be_asked_any_more_is_not(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    await submit(api, made, "ada@example.com")
    await submit(api, made, "grace@example.com")
    await submit(api, made, "alan@example.com")
    await database.pool.execute("DELETE FROM subscribers WHERE email = 'ada@example.com'")
    await database.pool.execute("UPDATE subscribers SET status = 'COMPLAINED' WHERE email = 'grace@example.com'")
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason, source)"
        " VALUES ('email', 'alan@example.com', 'manual', 'test')"
    )
    assert await post.carry() == [None, None, None]
    assert await post.mails() == []


async def test_a_suppressed_domain_and_an_erased_person_get_no_mail_and_the_same_answer(
    api: Api, marketer: httpx.AsyncClient, post: Post, settings: Settings, database: Database
) -> None:
    made = await public_list(marketer)
    erased, kept = "erased@example.com", "known@bad.example"
    await marketer.post(CONTACTS, json={"email": kept})
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason, source) VALUES"
        " ('email', '@bad.example', 'unsubscribed', 'test'), ('email', $1, 'erased', 'test')",
        erasure_of(settings).of(erased),
    )
    answers = [await submit(api, made, email) for email in ("new@bad.example", kept, erased, "new@example.com")]
    assert {(answer.status_code, answer.text) for answer in answers} == {(202, answers[-1].text)}
    await post.carry()
    assert [to for to, _, _ in await post.mails()] == ["new@example.com"]
    assert await standing(database, erased) is None


async def test_a_confirmation_is_not_sent_to_whom_an_erasure_or_a_domain_suppresses_meanwhile(
    api: Api, marketer: httpx.AsyncClient, post: Post, settings: Settings, database: Database
) -> None:
    made = await public_list(marketer)
    for email in ("ada@example.com", "bob@bad.example"):
        await submit(api, made, email)
    await database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason, source) VALUES"
        " ('email', '@bad.example', 'manual', 'test'), ('email', $1, 'erased', 'test')",
        erasure_of(settings).of("ada@example.com"),
    )
    assert await post.carry() == [None, None]


async def test_staff_cannot_have_somebody_asked_who_wants_no_mail(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    made = await public_list(marketer)
    ids = [(await marketer.post(CONTACTS, json={"email": f"p{n}@example.com"})).json()["contact_id"] for n in range(3)]
    await marketer.post(f"{CONTACTS}/{ids[0]}/consents", json={"action": "withdrawn"})
    await marketer.post("/api/v1/suppressions", json={"address": "p1@example.com"})
    await marketer.patch(f"{CONTACTS}/{ids[2]}", json={"status": "BOUNCED"})
    added = await marketer.post(f"{LISTS}/{made['list_id']}/contacts", json={"contact_ids": ids})
    assert added.json() == {"confirmed": 0, "pending": 0, "unchanged": 3}
    assert await post.carry() == []


async def test_who_left_everything_comes_back_to_the_one_list_that_they_ask_for(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database
) -> None:
    first, second = await public_list(marketer, "single"), await public_list(marketer, "single", name="Offers")
    for made in (first, second):
        await submit(api, made, "ada@example.com")
    contact_id = await database.pool.fetchval("SELECT contact_id FROM subscribers")
    await marketer.post(f"{CONTACTS}/{contact_id}/consents", json={"action": "withdrawn"})
    await submit(api, first, "ada@example.com")
    await post.carry()
    await api.anonymous.post(await post.link())
    items = (await marketer.get(f"{CONTACTS}/{contact_id}/subscriptions")).json()["items"]
    assert {item["name"]: item["status"] for item in items} == {"News": "CONFIRMED", "Offers": "UNSUBSCRIBED"}
    assert (await marketer.get(f"{CONTACTS}/{contact_id}")).json()["status"] == "ACTIVE"
    assert await database.pool.fetchval("SELECT count(*) FROM suppressions") == 0


async def test_the_mail_that_asks_is_signed_and_says_what_it_is(
    api: Api, marketer: httpx.AsyncClient, post: Post, database: Database, settings: Settings
) -> None:
    domains = DomainService(database, settings)
    await domains.add("shop.example", "bounces.shop.example")
    domain = await domains.rotate("shop.example", force=True)
    made = await public_list(marketer)
    assert (await submit(api, made, "ada@gmail.com")).status_code == 202
    [reply] = await post.carry()
    assert reply is not None
    row = await database.pool.fetchrow("SELECT raw, mail_from FROM inbox_messages")
    assert row is not None
    assert valid(row["raw"], zone_of(domain.keys)) == [True, True]
    assert row["mail_from"].startswith("b+")
    assert row["mail_from"].endswith("@bounces.shop.example")
    assert b"Auto-Submitted: auto-generated" in row["raw"]
    assert b"Feedback-ID: all:confirmation:" in row["raw"]
    assert b"Precedence" not in row["raw"]
    assert b"List-Unsubscribe" not in row["raw"]
