"""`Messaging`: everything the API offers about people and content, typed, with problems as the errors they were."""

import asyncio
import io
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from support.api import Api, serving
from support.imports import work
from taskflow.audience.segments.conditions import EventCondition, EventKind
from taskflow.base.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    TaskFlowError,
    UnauthenticatedError,
    UnavailableError,
)
from taskflow.base.ids import uuid7
from taskflow.client import Messaging, SyncMessaging, wire
from taskflow.identity.first_start import ensure_cli_key, ensure_first_admin

IN_GERMANY = {"type": "attribute", "name": "country", "operator": "is", "value": "Germany"}
BODY = '<p>Hello {{ first_name }}</p><a href="{{ unsubscribe_url }}">stop</a>'


@pytest.fixture
async def messaging(admin: httpx.AsyncClient) -> AsyncIterator[Messaging]:
    """The client, over the application in this process."""
    admin.base_url = "http://testserver/api/v1"
    async with Messaging("http://testserver", "unused", http=admin) as found:
        yield found


def code_of(caught: pytest.ExceptionInfo[TaskFlowError]) -> str:
    return str(caught.value.context["code"])


async def test_a_contact_is_added_changed_tagged_found_and_deleted(messaging: Messaging) -> None:
    contacts = messaging.contacts
    ada = await contacts.add(
        email="ada@example.com", phone="+49 171 1234567", attributes={"first_name": "Ada"}, tags=["vip"]
    )
    assert (ada.phone, ada.status, ada.attributes) == ("+491711234567", "ACTIVE", {"first_name": "Ada"})
    with pytest.raises(ConflictError) as caught:
        await contacts.add(email="ada@example.com")
    assert code_of(caught) == "contact_exists"
    assert (await contacts.upsert(email="ada@example.com", attributes={"orders": 3})).contact_id == ada.contact_id
    changed = await contacts.update(ada.contact_id, phone=None, time_zone="Europe/Vienna")
    assert (changed.phone, changed.time_zone) == (None, "Europe/Vienna")
    assert changed.attributes == {"first_name": "Ada", "orders": 3}
    assert await contacts.tag([ada.contact_id], "beta", "vip") == 1
    assert [found.email async for found in contacts.find(tags=["beta", "vip"])] == ["ada@example.com"]
    assert await contacts.untag([ada.contact_id], "beta") == 1
    assert (await contacts.get(ada.contact_id)).tags == ["vip"]
    await contacts.delete(ada.contact_id)
    with pytest.raises(NotFoundError) as gone:
        await contacts.get(ada.contact_id)
    assert code_of(gone) == "contact_not_found"


async def test_lists_have_every_page_of_their_people(messaging: Messaging, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PAGE", 2)
    news = await messaging.lists.add(name="News", opt_in="single")
    people = [(await messaging.contacts.add(email=f"p{n}@example.com")).contact_id for n in range(5)]
    assert (await messaging.lists.subscribe(news.list_id, people)).confirmed == 5
    assert [one.contact_id async for one in messaging.lists.contacts(news.list_id)] == people[::-1]
    await messaging.contacts.unsubscribe(people[0], news.list_id)
    assert (await messaging.lists.get(news.list_id)).confirmed == 4
    assert (await messaging.contacts.subscribe(people[0], news.list_id, wording="again")).confirmed == 1
    assert (await messaging.lists.update(news.list_id, name="Letter")).name == "Letter"
    assert [one.name async for one in messaging.lists.find()] == ["Letter"]


async def test_consents_say_how_it_came(messaging: Messaging) -> None:
    ada = (await messaging.contacts.add(email="ada@example.com")).contact_id
    await messaging.contacts.record_consent(ada, action="granted", source="paper", wording="One letter a month")
    (consent,) = [one async for one in messaging.contacts.consents(ada)]
    assert (consent.action, consent.source, consent.wording) == ("granted", "paper", "One letter a month")
    assert await messaging.contacts.subscriptions(ada) == []


async def test_a_file_is_inspected_imported_and_its_rejected_rows_come_back(
    messaging: Messaging, api: Api, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes("E-Mail;Vorname\nanna@example.com;Änne\nnobody;Bert\n".encode("latin-1"))
    found = await messaging.imports.inspect(file)
    assert (found.delimiter, [column.title for column in found.columns]) == (";", ["E-Mail", "Vorname"])
    job = await messaging.imports.start(file, mapping={"Vorname": "first_name"}, tags=["shop"])
    assert (job.filename, job.status) == ("people.csv", "PENDING")
    await work(api.database, api.settings, job.import_id)
    report = await messaging.imports.get(job.import_id)
    assert (report.status, report.created, report.rejected) == ("COMPLETED", 1, 1)
    rejected = b"".join([chunk async for chunk in messaging.imports.rejected(job.import_id)])
    assert b"nobody" in rejected
    exported = b"".join([chunk async for chunk in messaging.contacts.export(tags=["shop"])])
    assert "Änne" in exported.decode()
    with pytest.raises(InvalidInputError):
        await messaging.imports.start(io.BytesIO(b""))


async def test_a_segment_is_counted_kept_and_read(messaging: Messaging) -> None:
    for country in ("Germany", "Austria"):
        await messaging.contacts.add(email=f"{country}@example.com", attributes={"country": country})
    assert (await messaging.segments.count(IN_GERMANY)).contacts == 1
    segment = await messaging.segments.save("Germans", IN_GERMANY, time_zone="Europe/Berlin")
    assert [one.email async for one in messaging.segments.contacts(segment.segment_id)] == ["Germany@example.com"]
    everybody = {"type": "not", "condition": {"type": "attribute", "name": "country", "operator": "missing"}}
    assert (await messaging.segments.update(segment.segment_id, conditions=everybody)).name == "Germans"
    assert (await messaging.segments.count(segment.segment_id)).contacts == 2
    with pytest.raises(InvalidInputError) as caught:
        await messaging.segments.count({"type": "attribute", "name": "country", "operator": "sounds_like"})
    assert code_of(caught) == "invalid_input"
    assert "opened" in (await messaging.segments.vocabulary()).events


async def test_what_another_system_saw_counts_for_segments(messaging: Messaging) -> None:
    ada = (await messaging.contacts.add(email="ada@example.com")).contact_id
    opened = EventCondition(type="event", event=EventKind.OPENED, in_last_days=30)
    assert (await messaging.segments.count(opened)).contacts == 0
    noted = await messaging.contacts.note_event(ada, event="opened", source="listmonk")
    assert (noted.event, noted.contact_id) == ("opened", ada)
    assert (await messaging.segments.count(opened)).contacts == 1
    (event,) = (await messaging.privacy.export(email="ada@example.com")).events
    assert event["detail"] == {"source": "listmonk"}
    with pytest.raises(NotFoundError):
        await messaging.contacts.note_event(uuid7(), event="clicked")
    with pytest.raises(InvalidInputError):
        await messaging.contacts.note_event(ada, event="complained")  # type: ignore[typeddict-item]  # that is the point


async def test_an_open_of_tomorrow_is_one_of_now(messaging: Messaging, api: Api) -> None:
    ada = (await messaging.contacts.add(email="ada@example.com")).contact_id
    later = await api.database.pool.fetchval("SELECT now() + interval '1 day'")
    noted = await messaging.contacts.note_event(ada, event="opened", occurred_at=later)
    assert noted.occurred_at < later


async def test_suppressions_are_added_checked_imported_exported_and_lifted(messaging: Messaging) -> None:
    suppressions = messaging.suppressions
    domain = await suppressions.add(address="@spam.example", note="a trap")
    assert (await suppressions.check("ada@spam.example")).suppressed
    report = await suppressions.import_file(io.BytesIO(b"email\nbert@example.com\nnobody\n"), reason="complained")
    assert (report.added, report.rejected) == (1, 1)
    assert [one.address async for one in suppressions.find(reason="complained")] == ["bert@example.com"]
    assert b"@spam.example" in b"".join([chunk async for chunk in suppressions.export()])
    await suppressions.delete(domain.suppression_id)
    assert not (await suppressions.check("ada@spam.example")).suppressed


async def test_a_template_is_linted_mended_and_shown_to_a_person(messaging: Messaging) -> None:
    ada = (await messaging.contacts.add(email="ada@example.com", attributes={"first_name": "Ada"})).contact_id
    template = await messaging.templates.add(name="Hello", variants=[{"subject": "{{ frist_name }}", "body": BODY}])
    findings = (await messaging.templates.lint(template.template_id)).findings
    assert "frist_name" in [finding.variable for finding in findings if finding.severity == "error"]
    wrong = await messaging.templates.preview(template.template_id, contact_id=ada)
    assert [problem.variable for problem in wrong.problems] == ["frist_name"]
    draft = [{"subject": "Hello {{ first_name }}", "body": BODY}]
    saved = await messaging.templates.save(template.template_id, variants=draft, base_version=1)
    assert (saved.version, saved.current.variants[0].subject) == (2, "Hello {{ first_name }}")
    with pytest.raises(ConflictError) as caught:
        await messaging.templates.save(template.template_id, variants=draft, base_version=1)
    assert code_of(caught) == "template_changed"
    assert (await messaging.templates.preview(template.template_id, contact_id=ada)).subject == "Hello Ada"
    made_up = await messaging.templates.preview(template.template_id, sample={"first_name": "Bea"})
    assert made_up.subject == "Hello Bea"
    assert [one.version async for one in messaging.templates.versions(template.template_id)] == [2, 1]
    with pytest.raises(InvalidInputError) as unreadable:
        await messaging.templates.add(name="Broken", variants=[{"subject": "x", "body": "{% if %}"}])
    assert code_of(unreadable) == "template_syntax"


async def test_a_campaign_is_made_for_an_audience_and_started(messaging: Messaging) -> None:
    for name in ("Ada", "Bea"):
        await messaging.contacts.add(email=f"{name}@example.com", attributes={"country": "Germany", "first_name": name})
    await messaging.contacts.add(email="nameless@example.com", attributes={"country": "Germany"})
    segment = await messaging.segments.save("Germans", IN_GERMANY)
    template = await messaging.templates.add(name="Hello", variants=[{"subject": "Hello", "body": BODY}])
    assert (await messaging.campaigns.count(segments=[segment.segment_id])).recipients == 3
    campaign = await messaging.campaigns.create(
        name="May",
        from_email="news@example.com",
        template_id=template.template_id,
        audience={"segments": [segment.segment_id]},
    )
    with pytest.raises(ConflictError) as caught:
        await messaging.campaigns.start(campaign.campaign_id)
    assert code_of(caught) == "missing_variables"
    shown = await messaging.campaigns.preview(campaign.campaign_id, sample={"first_name": "Eve"})
    assert (shown.problems, "Hello Eve" in (shown.html or "")) == ([], True)
    with pytest.raises(InvalidInputError):
        await messaging.campaigns.test(campaign.campaign_id, ["eve@example.com"] * 11)
    assert await messaging.campaigns.resolve(campaign.campaign_id, "failed") == 0
    await messaging.suppressions.add(address="nameless@example.com")
    started = await messaging.campaigns.start(campaign.campaign_id)
    assert (started.status, started.total_recipients) == ("RUNNING", 2)
    assert (await messaging.campaigns.pause(campaign.campaign_id)).status == "PAUSED"
    names = sorted([one.email async for one in messaging.campaigns.recipients(campaign.campaign_id)])
    assert names == ["Ada@example.com", "Bea@example.com"]
    assert (await messaging.campaigns.cancel(campaign.campaign_id)).status == "CANCELLED"
    assert [one.status async for one in messaging.campaigns.find()] == ["CANCELLED"]


async def test_a_campaign_to_a_list_of_recipients_says_what_became_of_it(messaging: Messaging) -> None:
    made = await messaging.campaigns.create(
        name="May",
        from_email="news@example.com",
        template_subject="Hello",
        template_body=BODY,
        recipients=[{"email": "ada@example.com", "first_name": "Ada"}, {"email": "nobody"}],
    )
    assert made.report is not None
    assert (made.report.accepted, made.report.rejected) == (1, 1)


async def test_a_person_is_handed_out_and_erased(messaging: Messaging) -> None:
    ada = (await messaging.contacts.add(email="ada@example.com")).contact_id
    stored = await messaging.privacy.export(email="ada@example.com")
    assert stored.contact is not None
    erasure = await messaging.privacy.erase(contact_id=ada, reason="a letter")
    assert (erasure.status, erasure.reason) == ("PENDING", "a letter")
    assert (await messaging.suppressions.check("ada@example.com")).suppressed
    assert [one.erasure_id async for one in messaging.privacy.find()] == [erasure.erasure_id]
    with pytest.raises(NotFoundError):
        await messaging.privacy.export(email="stranger@example.com")


def losing(client: httpx.AsyncClient) -> tuple[httpx.AsyncClient, list[str]]:
    """Return a client whose first answer is lost on the way, and the paths that were asked for."""
    asked: list[str] = []

    async def lose(request: httpx.Request) -> httpx.Response:
        content = await request.aread()
        answer = await client.send(
            client.build_request(request.method, request.url, content=content, headers=request.headers)
        )
        asked.append(request.url.path)
        if len(asked) == 1:
            raise httpx.ReadError("the connection broke")
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(lose), base_url="http://testserver/api/v1"), asked


async def test_a_provider_is_added_changed_tested_and_deleted(messaging: Messaging) -> None:
    providers = messaging.providers
    assert "smtp" in [kind.name for kind in (await providers.kinds()).items]
    there = {"host": "127.0.0.1", "port": 1, "security": "none", "username": "u"}
    relay = await providers.add(name="relay", kind="smtp", settings=there, secrets={"password": "p"})
    assert (relay.channel, relay.secrets_set) == ("email", ["password"])
    with pytest.raises(ConflictError) as caught:
        await providers.add(name="relay", kind="sandbox")
    assert code_of(caught) == "provider_name_taken"
    changed = await providers.change(relay.provider_id, per_day=5, secrets={"password": None}, classes=["bulk"])
    assert (changed.per_day, changed.secrets_set, changed.classes) == (5, [], ["bulk"])
    assert [one.name async for one in providers.find(channel="email")] == ["relay"]
    found = await providers.test(relay.provider_id)
    assert (found.works, found.found.startswith("127.0.0.1:1: CONNECT")) == (False, True)
    assert (await providers.rotate_secrets()).rewrapped == 0
    with pytest.raises(ConflictError, match="the last of its channel"):
        await providers.delete(relay.provider_id)
    await providers.delete(relay.provider_id, last=True)
    with pytest.raises(NotFoundError):
        await providers.get(relay.provider_id)


async def test_a_sending_domain_is_added_looked_at_rotated_and_forgotten(messaging: Messaging) -> None:
    domains = messaging.domains
    added = await domains.add("Example.org", return_path_domain="bounces.example.org")
    assert (added.domain, added.return_path_domain) == ("example.org", "bounces.example.org")
    assert {record.type for record in added.records} >= {"TXT"}
    with pytest.raises(ConflictError) as caught:
        await domains.add("example.org")
    assert code_of(caught) == "domain_exists"
    assert [key.state for key in await domains.keys("example.org")] == ["next", "next"]
    rotated = await domains.rotate("example.org", force=True)
    assert {key.state for key in rotated.keys} == {"active"}
    assert (await domains.set_return_path("example.org", None)).return_path_domain is None
    assert [one.domain async for one in domains.find()] == ["example.org"]
    with pytest.raises(TaskFlowError) as caught:
        await domains.whose("nobody@bounces.example.org")
    await domains.delete("example.org")
    with pytest.raises(NotFoundError):
        await domains.get("example.org")


async def test_a_breaker_is_switched_and_a_recipient_domain_limited(messaging: Messaging) -> None:
    routes = messaging.routes
    assert [route.name async for route in routes.find()] == ["sandbox", "sms-sandbox"]
    assert (await routes.stop("sandbox")).breaker.override == "open"
    await routes.limit_domain("gmail.com", per_minute=600)
    assert [(one.domain, one.per_minute) async for one in routes.domains()] == [("gmail.com", 600)]
    assert [one async for one in routes.domains(throttled=True)] == []
    await routes.unlimit_domain("gmail.com")
    with pytest.raises(NotFoundError):
        await routes.unlimit_domain("gmail.com")


async def test_a_call_whose_answer_was_lost_is_sent_again_and_makes_nothing_twice(
    messaging: Messaging, admin: httpx.AsyncClient
) -> None:
    http, asked = losing(admin)
    async with Messaging("http://testserver", "unused", http=http) as shaky:
        job = await shaky.imports.start(io.BytesIO(b"email\nada@example.com\n"))
    assert len(asked) == 2
    assert [one.import_id async for one in messaging.imports.find()] == [job.import_id]


async def test_a_route_is_stopped_and_a_webhook_is_tried_out(messaging: Messaging, api: Api) -> None:
    await messaging.providers.add(name="relay", kind="sandbox")
    assert "relay" in [one.name async for one in messaging.routes.find()]
    for switch, override in ((messaging.routes.stop, "open"), (messaging.routes.force, "closed")):
        assert (await switch("relay")).breaker.override == override
    assert (await messaging.routes.auto("relay")).breaker.override is None

    api.settings.webhook.allow_networks = [ip_network("127.0.0.0/8")]
    webhooks = messaging.webhooks
    hook = await webhooks.add(url="http://127.0.0.1:9/in", events=["message.failed"])
    assert [one.webhook_id async for one in webhooks.find()] == [hook.webhook_id]
    assert (await webhooks.rotate(hook.webhook_id)).secret != hook.secret
    sent = await webhooks.test(hook.webhook_id)
    assert [one.delivery_id async for one in webhooks.deliveries(hook.webhook_id)] == [sent.delivery_id]
    assert (await webhooks.change(hook.webhook_id, enabled=False)).disabled_at is not None
    with pytest.raises(ConflictError):
        await webhooks.replay(hook.webhook_id, sent.delivery_id)
    await webhooks.delete(hook.webhook_id)
    with pytest.raises(NotFoundError):
        await webhooks.get(hook.webhook_id)


async def test_what_cannot_be_repeated_is_not(messaging: Messaging, admin: httpx.AsyncClient) -> None:
    template = await messaging.templates.add(name="Hello", variants=[{"subject": "Hello", "body": BODY}])
    http, asked = losing(admin)
    async with Messaging("http://testserver", "unused", http=http) as shaky:
        with pytest.raises(UnavailableError):
            await shaky.templates.save(template.template_id, variants=[{"subject": "Again", "body": BODY}])
    assert len(asked) == 1
    assert (await messaging.templates.get(template.template_id)).version == 2


async def test_a_wrong_key_is_said_so(api: Api) -> None:
    api.anonymous.base_url = "http://testserver/api/v1"
    client = Messaging("http://testserver", "tf_wrong", http=api.anonymous)
    with pytest.raises(UnauthenticatedError):
        await client.contacts.get(uuid7())
    with pytest.raises(UnauthenticatedError):
        [chunk async for chunk in client.contacts.export()]


async def test_a_blocking_program_does_the_same(api: Api) -> None:
    await ensure_first_admin(api.database, api.settings)
    api.settings.home.mkdir(parents=True, exist_ok=True)
    await ensure_cli_key(api.database, api.settings)

    def program(url: str) -> tuple[UUID, list[str | None], bytes]:
        with SyncMessaging(url, api.settings.find_api().key) as messaging:
            news = messaging.lists.add(name="News")
            ada = messaging.contacts.add(email="ada@example.com", lists=[news.list_id])
            messaging.imports.inspect(io.BytesIO(b"email\nbea@example.com\n"))
            with pytest.raises(NotFoundError):
                messaging.contacts.get(uuid7())
            found = [one.email for one in messaging.contacts.find(list_id=news.list_id)]
            return ada.contact_id, found, b"".join(messaging.contacts.export())

    async with serving(api.settings) as url:
        contact_id, found, exported = await asyncio.to_thread(program, url)
    assert found == ["ada@example.com"]
    assert str(contact_id).encode() in exported


async def test_messages_are_sent_found_cancelled_and_exported(messaging: Messaging) -> None:
    messages = messaging.messages
    sent = await messages.send(
        to=[{"address": "ada@example.com", "variables": {"order": 7}}, "bert@example.com"],
        from_email="shop@example.com",
        subject="Order {{ order }}",
        text="Order {{ order }} is on its way.",
        variables={"order": 0},
        tags=["order"],
        attachments=[{"filename": "order.txt", "content": "U2V2ZW4="}],
    )
    ada, bert = sent.messages
    assert [one.address async for one in messages.find(tag="order")] == ["bert@example.com", "ada@example.com"]
    assert (await messages.cancel(bert.message_id)).status == "CANCELLED"
    assert [one.message_id async for one in messages.find(status="CANCELLED")] == [bert.message_id]
    found = await messages.get(ada.message_id)
    assert (found.status, found.source, found.attempts) == ("PENDING", "api", [])
    with pytest.raises(NotFoundError) as missing:
        await messages.content(ada.message_id)
    assert code_of(missing) == "content_not_kept"
    with pytest.raises(ConflictError) as certain:
        await messages.resolve(ada.message_id, "sent")
    assert code_of(certain) == "message_not_uncertain"
    with pytest.raises(ConflictError) as waiting:
        await messages.resend(ada.message_id)
    assert code_of(waiting) == "message_not_failed"
    assert b"ada@example.com" in b"".join([chunk async for chunk in messages.export(tag="order")])
    assert [one.address async for one in messages.find(search=str(ada.message_id))] == ["ada@example.com"]
    with pytest.raises(NotFoundError):
        [chunk async for chunk in messages.raw(ada.message_id)]
    assert (await messages.stats("day", tag="order")).counts == {"PENDING": 1, "CANCELLED": 1}
    assert (await messages.resolve_many("sent", tag="order")).resolved == 0
    assert (await messages.cancel_many(submission_id=sent.submission_id)).cancelled == 1


async def test_a_call_under_a_key_of_ones_own_sends_once(messaging: Messaging) -> None:
    hello = {"to": ["ada@example.com"], "from_email": "shop@example.com", "subject": "Hello", "text": "Hello"}
    first = await messaging.messages.send(idempotency_key="order-17", **hello)  # type: ignore[arg-type]
    assert await messaging.messages.send(idempotency_key="order-17", **hello) == first  # type: ignore[arg-type]
    assert len([one async for one in messaging.messages.find()]) == 1
    hello["subject"] = "Something else"
    for key, code in (("order-17", "idempotency_key_reused"), ("", "invalid_input"), ("Bestellung-ü", "invalid_input")):
        with pytest.raises(InvalidInputError) as refused:
            await messaging.messages.send(idempotency_key=key, **hello)  # type: ignore[arg-type]
        assert refused.value.context.get("code", refused.value.code) == code
    await messaging.messages.send(**hello)  # type: ignore[arg-type]
    await messaging.messages.send(**hello)  # type: ignore[arg-type]
    assert len([one async for one in messaging.messages.find()]) == 3


async def test_texts_are_previewed_sent_and_found(messaging: Messaging) -> None:
    preview = await messaging.sms.preview(text="x" * 158 + "😀")
    assert (preview.parts, preview.encoding, [one.code_point for one in preview.wide]) == (3, "ucs2", ["U+1F600"])
    template = await messaging.sms.add_template(
        name="otp",
        template_id="1107161234567890123",
        entity_id="1101234567890123456",
        header="TSKFLW",
        category="transactional",
        body="{#var#} is your code for {#var#}.",
    )
    assert [one.name async for one in messaging.sms.templates(search="code")] == ["otp"]
    assert (await messaging.sms.template(template.sms_template_id)).variables == 2
    sent = await messaging.messages.send(channel="sms", to=["+491711234567"], text="Hello 😀", sender="ACME")
    assert [(one.parts, one.encoding) for one in sent.messages] == [(1, "ucs2")]
    ravi = {"address": "+919876543210", "values": ["123456", "me"]}
    await messaging.messages.send(channel="sms", to=[ravi], dlt_template="otp")
    assert [one.from_address async for one in messaging.messages.find(channel="sms")] == ["TSKFLW", "ACME"]
    assert [one.address async for one in messaging.messages.find(channel="email")] == []
    with pytest.raises(InvalidInputError) as refused:
        await messaging.messages.send(channel="sms", to=["+491711234567", "nobody"], text="Hello")
    assert (code_of(refused), refused.value.context["index"]) == ("invalid_recipient", 1)
    assert [one async for one in messaging.sms.reports(message_id=sent.messages[0].message_id)] == []
    assert [one async for one in messaging.sms.replies(action="stop")] == []
    await messaging.sms.delete_template(template.sms_template_id)
    assert [one async for one in messaging.sms.templates()] == []
