"""One table of attacks through every entrance: no value makes a header, a command, a recipient or a second mail."""

import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Any

import httpx
import pytest

from support.api import Api
from support.hostile_mail import ATTACKS, EVE, OURS, check_mail, transcript
from support.messages import PATH, call, ledger
from support.processes import running
from support.relay import connected, key_of
from support.scripted_smtp import ScriptedSmtp
from support.waiting import eventually
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery import addresses
from taskflow.delivery.submission.server import SubmissionServer
from taskflow.identity.models import Role
from taskflow.settings import Settings

ENDED = {"SENT", "FAILED", "SUPPRESSED"}


def letters(number: int, attack: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield calls that have an attack in one field each."""
    for field, changes in {
        "from_name": {"from_name": attack},
        "reply_to": {"reply_to": attack},
        "from_email": {"from_email": attack},
        "subject": {"subject": attack},
        "words": {"text": attack, "html": attack},
        "header": {"headers": {"X-Case": attack}},
        "header name": {"headers": {attack: "x"}},
        "tag": {"tags": [attack]},
        "variable": {"subject": "Hi {{ v }}", "text": "{{ v }}", "html": "<p>{{ v }}</p>", "variables": {"v": attack}},
    }.items():
        yield field, call(f"case{number}.{field.replace(' ', '-')}@example.com", **changes)
    yield "name", call({"address": f"case{number}.name@example.com", "name": attack})
    yield "value", call({"address": f"case{number}.v@example.com", "variables": {"v": attack}}, subject="{{ v }}")
    yield "address", call(attack)


def safe(address: str) -> str:
    """Return how an address goes onto the wire, in lower case; empty when it must not."""
    try:
        return str(addresses.parse(address.strip())).lower()
    except addresses.UnsafeAddressError:
        return ""


def one_line(text: str) -> str:
    """Return a text as a subject has it: runs of white space and control characters are one space."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).strip()


def said(smtp: ScriptedSmtp) -> dict[str, bytes]:
    """Return every mail by its recipient; each got one, and no session held anything but mails."""
    everything = [one for received in smtp.received for one in transcript(received)]
    assert set(Counter(one.rcpt_to.lower() for one in everything).values()) <= {1}
    assert len(everything) == smtp.dots
    return {one.rcpt_to.lower(): one.body for one in everything}


def shown(mail: EmailMessage, field: str) -> str:
    """Return the name in an address field without spaces: Python puts some between the words of a long one."""
    name: str = mail[field].addresses[0].display_name
    return name.replace(" ", "")


@pytest.fixture
async def system(mailing: dict[str, str]) -> AsyncIterator[None]:
    async with running(mailing, "coordinator"), running(mailing, "worker"):
        yield


async def test_no_field_of_a_message_makes_anything_but_its_own_words(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, database: Database, system: None
) -> None:
    taken: dict[str, tuple[str, str]] = {}
    answers: Counter[tuple[str, int]] = Counter()
    for number, attack in enumerate(ATTACKS.values()):
        for field, body in letters(number, attack):
            answer = await marketer.post(PATH, json=body)
            assert answer.status_code in (201, 422), (field, attack, answer.text)
            answers[field, answer.status_code] += 1
            if answer.status_code == 201:
                [message] = answer.json()["messages"]
                taken[safe(message["address"])] = (field, attack)
    assert len(taken) > 150
    assert {field for field, code in answers if code == 422} >= {"subject", "reply_to", "header", "address", "name"}

    async def over() -> bool:
        return all(row["status"] in ENDED for row in (await ledger(database)).values())

    await eventually(over, seconds=90, every=0.2, what="the end of every message")
    mails = said(smtp)
    sent = {safe(address) for address, row in (await ledger(database)).items() if row["status"] == "SENT"}
    assert set(mails) == sent
    assert sent <= set(taken)
    assert len(sent) > 120
    assert not any(address.endswith("evil.example") for address in mails)
    for address, raw in mails.items():
        field, attack = taken[address]
        mail = check_mail(raw)
        assert safe(parseaddr(str(mail["To"]))[1]) == address
        words = mail.get_body(("plain",))
        assert words is not None
        match field:
            case "subject" if "{{" not in attack:
                assert str(mail["Subject"]) == attack.strip()
            case "value" | "variable":
                assert one_line(str(mail["Subject"]).removeprefix("Hi ")) == one_line(attack)
            case "header" if "=?" not in attack:
                assert str(mail["X-Case"]) == attack
            case "name":
                assert shown(mail, "To") == attack.strip().replace(" ", "")
            case "from_name":
                assert shown(mail, "From") == attack.strip().replace(" ", "")


async def test_no_recipient_of_a_campaign_makes_anything_but_its_own_words(
    marketer: httpx.AsyncClient, smtp: ScriptedSmtp, system: None
) -> None:
    told = {
        "name": "Hostile", "template_subject": "Hello {{ v }}", "template_body": "<p>{{ v }}</p>{{ unsubscribe_url }}",
        "from_email": "shop@sender.example", "rate_limit_per_minute": None,
    }  # fmt: skip
    people = [{"email": f"case{number}@example.com", "v": attack} for number, attack in enumerate(ATTACKS.values())]
    people += [{"email": attack, "v": "x"} for attack in ATTACKS.values()]
    campaigns = [told | {"recipients": people}]
    for number, attack in enumerate(ATTACKS.values()):
        one = {"recipients": [{"email": f"shared{number}@example.com"}], "template_subject": "Hello"}
        one |= {"template_body": "<p>{{ unsubscribe_url }}</p>"}
        campaigns += [told | one | {field: attack} for field in ("from_name", "reply_to", "name", "template_subject")]
    begun = []
    for body in campaigns:
        answer = await marketer.post("/api/v1/campaigns", json=body)
        assert answer.status_code in (201, 422), (body, answer.text)
        if answer.status_code == 201 and (body is campaigns[0] or body["template_subject"] != "Hello"):
            begun.append(f"/api/v1/campaigns/{answer.json()['campaign_id']}")
            started = await marketer.post(f"{begun[-1]}/start")
            assert started.status_code in (200, 422), started.text
            if started.status_code == 422:
                begun.pop()
    assert len(begun) > 20

    async def over() -> bool:
        states = [(await marketer.get(path)).json()["status"] for path in begun]
        return set(states) == {"COMPLETED"}

    await eventually(over, seconds=90, every=0.5, what="the end of every campaign")
    mails = said(smtp)
    assert len(mails) > 50
    allowed = {safe(person["email"]) for person in people} | {f"shared{n}@example.com" for n in range(len(ATTACKS))}
    assert set(mails) <= allowed - {""}
    assert not any(address.endswith("evil.example") for address in mails)
    for raw in mails.values():
        mail = check_mail(raw)
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.fixture
async def relay(database: Database, broker: RedisBroker, settings: Settings) -> AsyncIterator[SubmissionServer]:
    async with SubmissionServer.running(database, broker, settings) as server:
        yield server


async def test_no_mail_through_the_relay_becomes_two_or_goes_to_whom_it_did_not_name(
    relay: SubmissionServer, api: Api, mailing: dict[str, str], smtp: ScriptedSmtp, database: Database
) -> None:
    key, kept = await key_of(api, Role.MARKETER), 0
    async with connected(relay) as client:
        await client.reply()
        assert (await client.say("EHLO client.example")).startswith(b"250")
        assert (await client.sign_in(key)).startswith(b"235")
        for number, attack in enumerate(ATTACKS.values()):
            raw = attack.encode()
            stuffed = raw.replace(b"\r\n.", b"\r\n..")  # as a client must; without, it is the end of its mail
            stuffed = b"." + stuffed if stuffed.startswith(b".") else stuffed
            for place, data in {
                "subject": b"From: shop@sender.example\r\nSubject: " + stuffed + b"\r\n\r\nhello",
                "from": b'From: "' + stuffed + b'" <shop@sender.example>\r\n\r\nhello',
                "body": b"From: shop@sender.example\r\n\r\n" + stuffed,
            }.items():
                address = f"case{number}.{place}@example.com"
                mail = b"MAIL FROM:<shop@sender.example> BODY=8BITMIME SMTPUTF8\r\n"
                assert (await client.say(mail)).startswith(b"250")
                assert (await client.say(f"RCPT TO:<{address}>\r\n".encode())).startswith(b"250")
                assert (await client.say(b"DATA\r\n")).startswith(b"354")
                answer = await client.say(data + b"\r\n.\r\n")
                assert answer.startswith((b"250 2.0.0 queued as ", b"550 5.6.0 ")), (attack, place, answer)
                kept += answer.startswith(b"250")
                assert await client.say(b"NOOP\r\n") == b"250 OK\r\n", (attack, place)
            if b"\r" not in raw and b"\n" not in raw:
                expected = b"2" if safe(attack) else b"5"
                for begin, end in ((b"MAIL FROM:<", b"> SMTPUTF8\r\n"), (b"RCPT TO:<", b">\r\n")):
                    if begin.startswith(b"RCPT"):
                        await client.say(b"MAIL FROM:<shop@sender.example> SMTPUTF8\r\n")
                    answer = await client.say(begin + raw + end)
                    assert answer[:1] == expected, (attack, begin, answer)
                    assert await client.say(b"RSET\r\n") == b"250 OK\r\n", (attack, begin)
    assert kept > 60
    rows = await ledger(database)
    assert len(rows) == kept
    assert all(address.endswith("@example.com") and address.startswith("case") for address in rows)
    async with running(mailing, "coordinator"), running(mailing, "worker"):

        async def over() -> bool:
            return all(row["status"] in ENDED for row in (await ledger(database)).values())

        await eventually(over, seconds=90, every=0.2, what="the end of every message")
    mails = said(smtp)
    assert set(mails) == set(rows)
    for raw in mails.values():
        assert b"\r" not in raw.replace(b"\r\n", b"")
        assert b"\n" not in raw.replace(b"\r\n", b"")
        assert b"\0" not in raw
        assert max(map(len, raw.split(b"\r\n"))) <= 998
        assert b"\r\nbcc:" not in raw.partition(b"\r\n\r\n")[0].lower()


async def test_no_public_form_writes_to_anybody_else_or_says_whom_it_knows(
    api: Api,
    marketer: httpx.AsyncClient,
    smtp: ScriptedSmtp,
    database: Database,
    system: None,
) -> None:
    made = []
    for attack in ATTACKS.values():
        body = {"name": attack, "opt_in": "double", "visibility": "public", "confirm_from": "news@sender.example"}
        for changes in (
            {},
            {"name": f"n{len(made)}", "confirm_wording": attack},
            {"name": "x", "confirm_from": attack},
        ):
            answer = await marketer.post("/api/v1/lists", json=body | changes)
            assert answer.status_code in (201, 409, 422), (attack, answer.text)
            if answer.status_code == 201:
                made.append(answer.json()["list_id"])
    assert len(made) > 40
    pages = set()
    for number, list_id in enumerate(made):
        await api.anonymous.post(f"/subscribe/{list_id}", data={"email": f"list{number}@example.com"})
    public = next(iter(made))
    for number, attack in enumerate(ATTACKS.values()):
        forms = [
            {"email": attack},
            {"email": f"form{number}@example.com", "first_name": attack[:100], "last_name": attack},
        ]
        for form in forms:
            answer = await api.anonymous.post(f"/subscribe/{public}", data=form)
            assert answer.status_code in (202, 422, 429), (attack, answer.text)
            if answer.status_code == 202:
                pages.add(answer.text)
            assert EVE not in answer.headers.get("location", "")
    assert len(pages) == 1, "every answer is the same"

    async def over() -> bool:
        left = "SELECT count(*) FROM tasks WHERE status NOT IN ('COMPLETED', 'FAILED')"
        return await database.pool.fetchval(left) == 0

    await eventually(over, seconds=90, every=0.2, what="the end of every mail")
    assert await database.pool.fetchval("SELECT count(*) FROM tasks WHERE status = 'FAILED'") == 0
    mails = said(smtp)
    assert len(mails) >= len(made)
    allowed = {safe(attack) for attack in ATTACKS.values()} - {""}
    for address, raw in mails.items():
        assert address.endswith("@example.com") or address in allowed
        mail = check_mail(raw, OURS)
        assert str(mail["Subject"]).startswith("Please confirm: ")
