"""Preview, test send and lint: what a person would get, by the code that sends."""

import email
import email.policy
import io
import re
from collections.abc import AsyncIterator
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import httpx
import pytest
from PIL import Image

from support.api import Api
from support.contacts import subscribe
from support.scripted_smtp import ScriptedSmtp
from support.signatures import valid, zone_of
from support.uncertain import add_provider
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.ids import uuid7
from taskflow.base.pagination import encode_cursor
from taskflow.campaigns.composer import CampaignComposer, open_composer
from taskflow.campaigns.contents import content_of
from taskflow.campaigns.ledger import Ledger
from taskflow.campaigns.repository import CampaignRepository
from taskflow.content.rendering import RenderPool
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.delivery.domains.service import DomainService
from taskflow.delivery.letterhead import Letterhead
from taskflow.identity.models import Role
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

BODY = """<mjml><mj-body><mj-section><mj-column><mj-text>
Dear {{ first_name }}, {{ total | money('EUR') }} until {{ until | date('long') }}.
<a href="{{ unsubscribe_url }}">Stop</a></mj-text></mj-column></mj-section></mj-body></mjml>"""
PEOPLE = {
    "ada": {"email": "ada@example.com", "locale": "en-GB", "attributes": {"first_name": "Ada", "total": 1234.5}},
    "bea": {"email": "bea@example.com", "locale": "de-AT", "attributes": {"first_name": "Bea <b>", "total": "99"}},
    "cy": {"email": "cy@example.com", "locale": None, "attributes": {"total": 7}},
}


def variant(**changes: Any) -> dict[str, Any]:
    return {"format": "mjml", "subject": "Hi {{ first_name }}", "body": BODY, "preheader": "Only today"} | changes


def draft(**changes: Any) -> dict[str, Any]:
    german = variant(locale="de", subject="Hallo {{ first_name }}", body=BODY.replace("Dear", "Liebe"))
    return {"variants": [variant(), german], "variables": {"until": "2026-12-24"}} | changes


@pytest.fixture
async def smtp(settings: Settings) -> AsyncIterator[ScriptedSmtp]:
    async with ScriptedSmtp() as server:
        settings.smtp.host, settings.smtp.port, settings.smtp.security = "127.0.0.1", server.port, "none"
        settings.http.public_url = "https://mail.example.com"
        yield server


@pytest.fixture
async def marketer(smtp: ScriptedSmtp, api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


@pytest.fixture
async def contacts(smtp: ScriptedSmtp, api: Api) -> dict[str, UUID]:
    ids: dict[str, UUID] = {}
    for name, person in PEOPLE.items():
        ids[name] = uuid7()
        await api.database.pool.execute(
            "INSERT INTO subscribers (contact_id, email, locale, attributes) VALUES ($1, $2, $3, $4)",
            ids[name], person["email"], person["locale"], person["attributes"],
        )  # fmt: skip
    return ids


async def answer(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    found = await client.post(f"/api/v1{path}", json=body)
    assert found.status_code in (200, 201), found.text
    return found.json()


async def saved(client: httpx.AsyncClient, **changes: Any) -> str:
    found = await answer(client, "/templates", draft(name="T", **changes))
    return str(found["template_id"])


def read(message: bytes) -> EmailMessage:
    parsed = email.message_from_bytes(message, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


async def test_three_people_see_three_messages(marketer: httpx.AsyncClient, contacts: dict[str, UUID]) -> None:
    template = await saved(marketer)
    ada = await answer(marketer, f"/templates/{template}/preview", {"contact_id": str(contacts["ada"])})
    assert (ada["locale"], ada["subject"], ada["problems"]) == ("en", "Hi Ada", [])
    assert "Dear Ada, €1,234.50 until 24 December 2026." in ada["html"]
    assert ada["size"] == len(ada["html"].encode())
    bea = await answer(marketer, f"/templates/{template}/preview", {"contact_id": str(contacts["bea"])})
    assert (bea["locale"], bea["subject"]) == ("de", "Hallo Bea <b>")
    assert "Liebe Bea &lt;b&gt;, €\u00a099,00 until 24. Dezember 2026." in bea["html"]
    cy = await answer(marketer, f"/templates/{template}/preview", {"contact_id": str(contacts["cy"])})
    assert [(one["code"], one["variable"]) for one in cy["problems"]] == [("missing_variable", "first_name")]
    unknown = await marketer.post(f"/api/v1/templates/{template}/preview", json={"contact_id": str(uuid7())})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "contact_not_found")


async def test_a_draft_is_previewed_without_being_saved(marketer: httpx.AsyncClient) -> None:
    sample = {"first_name": "Zoë", "total": 5}
    shown = await answer(marketer, "/templates/preview", draft(sample=sample, locale="de"))
    assert (shown["locale"], shown["subject"]) == ("de", "Hallo Zoë")
    broken = await answer(marketer, "/templates/preview", draft(variants=[variant(body="<mjml>\n{{ x")], sample=sample))
    assert [(one["code"], one["line"], one["locale"]) for one in broken["problems"]] == [("template_syntax", 2, "en")]
    assert (await marketer.get("/api/v1/templates")).json()["items"] == []


async def test_a_test_send_is_the_very_message_of_the_preview(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID], smtp: ScriptedSmtp
) -> None:
    template = await saved(marketer)
    body = {"contact_id": str(contacts["bea"]), "to": ["me@x.example", "you@x.example"], "from_email": "s@b.example"}
    sent = await answer(marketer, f"/templates/{template}/test", body)
    assert [(one["address"], one["outcome"], one["provider"]) for one in sent] == [
        ("me@x.example", "accepted", "smtp:127.0.0.1"),
        ("you@x.example", "accepted", "smtp:127.0.0.1"),
    ]
    message = read(smtp.messages[0].body)
    assert (message["To"], message["Subject"], message["Message-ID"]) == (
        "me@x.example", "Hallo Bea <b>", sent[0]["message_id"],
    )  # fmt: skip
    shown = await answer(marketer, f"/templates/{template}/preview", {"contact_id": str(contacts["bea"])})
    words = message.get_body(("plain",))
    assert words is not None
    before = shown["text"].partition("Stop")[0]
    assert words.get_content().replace("\r\n", "\n").startswith(before)
    assert "List-Unsubscribe" in message


async def test_a_test_send_is_signed_as_a_campaign_is(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID], smtp: ScriptedSmtp, api: Api
) -> None:
    domains = DomainService(api.database, api.settings)
    await domains.add("b.example")
    domain = await domains.rotate("b.example", force=True)
    template = await saved(marketer)
    body = {"contact_id": str(contacts["bea"]), "to": ["me@x.example"], "from_email": "s@b.example"}
    await answer(marketer, f"/templates/{template}/test", body)
    assert valid(smtp.messages[0].body.replace(b"\r\n..", b"\r\n."), zone_of(domain.keys)) == [True, True]


async def test_a_test_send_goes_over_the_providers_that_carry_transactional_mail_and_over_to_the_next(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID], smtp: ScriptedSmtp, api: Api
) -> None:
    for name, port, classes in (("dead", 1, []), ("bulk", smtp.port, ["bulk"]), ("good", smtp.port, [])):
        settings = {"host": "127.0.0.1", "port": port, "security": "none"}
        told = {"name": name, "kind": "smtp", "settings": settings, "classes": classes}
        await add_provider(api.database, api.settings, priority=2 if name == "good" else 1, **told)
    template = await saved(marketer)
    body = {"contact_id": str(contacts["bea"]), "to": ["me@x.example"], "from_email": "s@b.example"}
    [sent] = await answer(marketer, f"/templates/{template}/test", body)
    assert (sent["outcome"], sent["provider"]) == ("accepted", "good")
    assert len(smtp.messages) == 1
    await api.database.pool.execute("UPDATE providers SET enabled = false WHERE name <> 'bulk'")
    [sent] = await answer(marketer, f"/templates/{template}/test", body)
    assert (sent["outcome"], sent["provider"]) == ("not_started", None)
    assert sent["reply"] == "No provider takes transactional messages from b.example."
    assert await api.database.pool.fetchval("SELECT count(*) FROM messages") == 0


async def test_a_suppressed_address_gets_no_test(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID], smtp: ScriptedSmtp, api: Api
) -> None:
    template = await saved(marketer)
    await api.database.pool.execute(
        "INSERT INTO suppressions (channel, address, reason, source) VALUES ('email', '@gone.example', 'manual', 'api')"
    )
    body = {"contact_id": str(contacts["ada"]), "to": ["a@GONE.example"], "from_email": "s@b.example"}
    refused = await marketer.post(f"/api/v1/templates/{template}/test", json=body)
    assert (refused.status_code, refused.json()["code"]) == (409, "address_suppressed")
    assert smtp.messages == []


async def test_a_test_that_cannot_be_made_for_one_goes_to_nobody(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID], smtp: ScriptedSmtp
) -> None:
    template = await saved(marketer)
    for person, to in (("cy", ["a@x.example"]), ("ada", ["a@x.example", "no address"])):
        body = {"contact_id": str(contacts[person]), "to": to, "from_email": "s@b.example"}
        refused = await marketer.post(f"/api/v1/templates/{template}/test", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "no_message"), refused.text
    assert smtp.messages == []


async def test_lint_says_what_was_misspelled_and_where(marketer: httpx.AsyncClient, contacts: dict[str, UUID]) -> None:
    body = BODY.replace("first_name", "frist_name")
    found = await answer(marketer, "/templates/lint", draft(variants=[variant(body=body)]))
    missing = {(one["code"], one["variable"]): one for one in found["findings"]}
    wrong = missing["missing_variable", "frist_name"]
    assert (wrong["severity"], wrong["count"], wrong["part"], wrong["line"]) == ("error", 3, "html", 2)
    assert "Did you mean 'first_name'?" in wrong["message"]
    assert missing["missing_variable", "first_name"]["message"].startswith("cy@example.com lacks 'first_name'")
    assert ("unknown_variable", "frist_name") in missing
    assert ("unknown_variable", "first_name") not in missing


async def test_without_contacts_it_is_looked_at_with_values_that_fit(marketer: httpx.AsyncClient) -> None:
    shouting = variant(
        subject="GREAT {{ first_name }} OFFERS TODAY", body=BODY.replace("Stop</a>", "Stop</a><img src='x'>")
    )
    found = await answer(marketer, "/templates/lint", draft(variants=[shouting]))
    codes = {one["code"] for one in found["findings"]}
    assert {"subject_shouting", "missing_alt", "broken_image", "unknown_variable"} <= codes
    assert "not_rendered" not in codes


async def test_a_clean_template_has_no_findings(marketer: httpx.AsyncClient, contacts: dict[str, UUID]) -> None:
    found = await answer(marketer, "/templates/lint", draft(contact_ids=[str(contacts["ada"]), str(contacts["bea"])]))
    assert found == {"errors": 0, "warnings": 0, "notices": 0, "findings": []}


async def test_a_campaign_is_linted_for_every_recipient(marketer: httpx.AsyncClient) -> None:
    template = await saved(marketer)
    people = [{"email": f"p{n}@x.example", "first_name": "P", "total": 1} for n in range(30)]
    del people[20]["first_name"]
    fields = {"name": "C", "from_email": "shop@gmail.com", "template_id": template, "recipients": people}
    campaign = await answer(marketer, "/campaigns", fields)
    found = await answer(marketer, f"/campaigns/{campaign['campaign_id']}/lint", {})
    codes = {one["code"]: one for one in found["findings"]}
    assert codes["missing_variable"]["message"] == "1 recipients lack 'first_name', first p20@x.example."
    assert "sender_freemail" in codes
    shown = await answer(
        marketer, f"/campaigns/{campaign['campaign_id']}/preview", {"sample": {"first_name": "A", "total": 1}}
    )
    assert shown["subject"] == "Hi A"


async def test_an_sms_says_how_long_it_is(marketer: httpx.AsyncClient) -> None:
    text = {"format": "text", "body": "Hi {{ first_name }}, " + "x" * 150}
    sms = {"channel": "sms", "variants": [text]}
    shown = await answer(marketer, "/templates/preview", sms | {"sample": {"first_name": "Ada"}})
    assert (shown["text"][:9], shown["sms"]) == ("Hi Ada, x", {"encoding": "gsm7", "units": 158, "segments": 1})
    shown = await answer(marketer, "/templates/preview", sms | {"sample": {"first_name": "Łucja"}})
    assert shown["sms"] == {"encoding": "ucs2", "units": 160, "segments": 3}
    template = await answer(marketer, "/templates", sms | {"name": "SMS"})
    refused = await marketer.post(
        f"/api/v1/templates/{template['template_id']}/test", json={"to": ["a@b.example"], "from_email": "a@b.example"}
    )
    assert refused.json()["code"] == "no_provider"
    mailed = await marketer.post(
        "/api/v1/campaigns", json={"name": "C", "from_email": "a@b.example", "template_id": template["template_id"]}
    )
    assert mailed.json()["code"] == "template_shape"


async def test_a_campaign_to_contacts_is_linted_before_anybody_is_chosen(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID]
) -> None:
    template = await saved(marketer)
    everybody = await answer(
        marketer,
        "/segments",
        {
            "name": "All",
            "definition": {
                "condition": {"type": "field", "name": "created_at", "operator": "in_last_days", "value": 1}
            },
        },
    )
    fields = {
        "name": "C",
        "from_email": "shop@b.example",
        "template_id": template,
        "audience": {"segments": [everybody["segment_id"]]},
    }
    campaign = await answer(marketer, "/campaigns", fields)
    found = await answer(marketer, f"/campaigns/{campaign['campaign_id']}/lint", {})
    [missing] = [one for one in found["findings"] if one["code"] == "missing_variable"]
    assert missing["message"] == "1 recipients lack 'first_name', first cy@example.com."
    assert "unknown_variable" not in {one["code"] for one in found["findings"]}


async def test_a_value_that_only_a_loop_needs_is_found_by_rendering(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID]
) -> None:
    body = "<p>{% for item in items %}{{ item.name }}{% endfor %}<a href='{{ unsubscribe_url }}'>Stop</a></p>"
    people = [{"email": "a@x.example", "items": [{"name": "n"}, {"nmae": "n"}]}]
    fields = {"name": "C", "from_email": "s@b.example", "template_subject": "Hi", "template_body": body}
    campaign = await answer(marketer, "/campaigns", fields | {"recipients": people})
    found = await answer(marketer, f"/campaigns/{campaign['campaign_id']}/lint", {})
    assert [(one["code"], one["variable"]) for one in found["findings"] if one["severity"] == "error"] == [
        ("missing_variable", "name")
    ]


@pytest.mark.parametrize("kind", ["recipients", "audience"])
async def test_a_null_inside_a_value_keeps_a_campaign_from_starting(
    marketer: httpx.AsyncClient, api: Api, kind: str
) -> None:
    order = {"order": {"total": None}}
    fields: dict[str, Any] = {
        "name": "C",
        "from_email": "s@b.example",
        "template_subject": "Hi",
        "template_body": "<p>{{ order.total }}</p>",
    }
    if kind == "recipients":
        fields["recipients"] = [{"email": "a@x.example", **order}]
    else:
        await api.database.pool.execute(
            "INSERT INTO subscribers (contact_id, email, attributes) VALUES ($1, 'a@x.example', $2)", uuid7(), order
        )
        condition = {"type": "field", "name": "created_at", "operator": "in_last_days", "value": 1}
        segment = await answer(marketer, "/segments", {"name": "All", "definition": {"condition": condition}})
        fields["audience"] = {"segments": [segment["segment_id"]]}
    campaign = await answer(marketer, "/campaigns", fields)
    refused = await marketer.post(f"/api/v1/campaigns/{campaign['campaign_id']}/start")
    assert (refused.status_code, refused.json()["code"]) == (409, "missing_variables")
    assert [(one["variable"], one["count"]) for one in refused.json()["problems"]] == [("order.total", 1)]


async def test_a_picture_of_a_snippet_is_among_the_files_that_the_template_shows(marketer: httpx.AsyncClient) -> None:
    file = io.BytesIO()
    Image.new("RGB", (3, 2), "red").save(file, "PNG")
    made = (await marketer.post("/api/v1/media", files={"file": ("logo.png", file.getvalue())})).json()
    await answer(marketer, "/snippets", {"name": "head", "body": "<img src='cid:logo.png' alt='Shop'>"})
    template = draft(
        variants=[variant(format="html", body="{% include 'head' %}<p><a href='{{ unsubscribe_url }}'>Stop</a></p>")],
        attachments=[{"media_id": made["media_id"], "filename": "logo.png", "inline": True}],
    )
    shown = await answer(marketer, "/templates/preview", template | {"sample": {"first_name": "A"}})
    assert made["url"] in shown["html"]
    found = await answer(marketer, "/templates/lint", template)
    assert "broken_image" not in {one["code"] for one in found["findings"]}


@pytest.mark.parametrize("version", [0, -1, 2**31, 10**30])
async def test_a_number_that_no_version_can_have_is_refused(marketer: httpx.AsyncClient, version: int) -> None:
    template = await saved(marketer)
    path = f"/api/v1/templates/{template}/versions"
    fields = {"name": "C", "from_email": "s@b.example", "template_id": template, "template_version": version}
    for refused in (
        await marketer.get(f"{path}/{version}"),
        await marketer.post(f"{path}/{version}/restore"),
        await marketer.post(path, json=draft(base_version=version)),
        await marketer.post("/api/v1/campaigns", json=fields),
    ):
        assert refused.status_code == 422, refused.text
    cursor = encode_cursor(str(version))
    assert (await marketer.get(path, params={"cursor": cursor})).status_code in (200, 422)


async def test_preview_test_and_campaign_are_the_same_message_but_for_their_links(
    marketer: httpx.AsyncClient, contacts: dict[str, UUID], smtp: ScriptedSmtp, api: Api, settings: Settings
) -> None:
    template = await saved(marketer)
    lists = await answer(marketer, "/lists", {"name": "News", "opt_in": "single"})
    await subscribe(api.database, UUID(lists["list_id"]), contacts["bea"])
    fields = {"name": "C", "from_email": "s@b.example", "template_id": template}
    campaign = await answer(marketer, "/campaigns", fields | {"audience": {"lists": [lists["list_id"]]}})
    path = f"/campaigns/{campaign['campaign_id']}"
    person = {"contact_id": str(contacts["bea"])}
    shown = await answer(marketer, f"{path}/preview", person)
    await answer(marketer, f"{path}/test", person | {"to": ["bea@example.com"]})
    await answer(marketer, f"{path}/start", {})
    [row] = await api.database.pool.fetch("SELECT recipient_id FROM email_recipients")
    repository = CampaignRepository(api.database.pool)
    found = await repository.get(UUID(campaign["campaign_id"]))
    ledger = Ledger(api.database.hot, erasure=ErasureKey(signing_key(settings)))
    rows = await ledger.read(found.campaign_id, [row["recipient_id"]])
    async with RenderPool(settings.campaign) as rendering:
        content = await content_of(found, TemplateRepository(api.database.pool))
        words = await Words.of(rendering, content)
        composer = open_composer(settings, words, Letterhead(found.from_email), found.campaign_id, eight_bit=True)
        [sent] = await CampaignComposer(found, composer, 0).compose(list(rows.values()))
    assert isinstance(sent, bytes)
    tested = read(smtp.messages[0].body)
    mailed = read(sent)
    for part, of_preview in (("html", shown["html"]), ("plain", shown["text"])):
        texts = [
            re.sub(r"https://mail\.example\.com/[\w/-]+", "LINK", text.replace("\r\n", "\n").strip())
            for text in (of_preview, words_of(tested, part), words_of(mailed, part))
        ]
        assert texts[0].count("LINK") == 1
        assert texts[0] == texts[1] == texts[2]
    for name in ("From", "To", "Subject", "Precedence", "List-Unsubscribe-Post"):
        assert tested[name] == mailed[name]
    assert (shown["subject"], shown["locale"]) == (mailed["Subject"], "de")


def words_of(message: EmailMessage, part: str) -> str:
    found = message.get_body((part,))
    assert found is not None
    return str(found.get_content())
