"""The marketer's main job: a file, a mail, a start, and what became of every recipient."""

import re
from uuid import uuid4

from playwright.sync_api import Page, expect

from support.dashboard import Dashboard
from support.up import System
from support.waiting import eventually_sync

PEOPLE = 60
DOMAIN = f"{uuid4().hex[:8]}.example"
CSV = "email;first_name;city\n" + "".join(f"person{n}@{DOMAIN};Zoë {n};Zürich\n" for n in range(PEOPLE - 1))
CSV += "gone@refused.example;Amir;Malmö\nnot an address;Nobody;Nowhere\n"

DROP = """({ target, name, text }) => {
  const files = new DataTransfer();
  files.items.add(new File([text], name, { type: "text/csv" }));
  for (const type of ["dragover", "drop"])
    target.dispatchEvent(new DragEvent(type, { dataTransfer: files, bubbles: true, cancelable: true }));
}"""
RECORD = """(element) => {
  window.seen = new Set();
  new MutationObserver(() => window.seen.add(element.textContent)).observe(
    element, { subtree: true, characterData: true, childList: true });
}"""


def drop_csv(page: Page, name: str, text: str) -> None:
    target = page.get_by_role("group", name="Recipients file").element_handle()
    page.evaluate(DROP, {"target": target, "name": name, "text": text})


def test_a_dropped_file_becomes_mails_under_the_eyes_of_the_marketer(dashboard: Dashboard, system: System) -> None:
    page = dashboard.page
    system.call("PUT", "/inbox/rules", json=[{"pattern": "*@refused.example", "action": "reject", "times": None}])
    dashboard.sign_in("marketer", at="/campaigns/new")

    drop_csv(page, "people.csv", CSV)
    expect(page.get_by_text("3 columns · UTF-8 · semicolon")).to_be_visible()
    first_rows = page.get_by_role("region", name="First rows of the file")
    expect(first_rows.get_by_role("row").nth(1)).to_contain_text(f"person0@{DOMAIN}")
    dashboard.button("Create campaign").click()
    expect(page.get_by_text("Give the campaign a name.").first).to_be_visible()
    page.get_by_label("Campaign name").fill("Early access")
    page.get_by_label("Subject").fill("{{ first_name }}, greetings to {{ city }}")
    page.get_by_label("From address").fill("news@example.com")
    page.get_by_role("textbox", name="HTML of the mail").fill("<h1>Hello {{ first_name }}</h1>")
    page.get_by_label("Mails a minute").fill("600")  # six seconds in which to see it move
    expect(page.get_by_text("Zoë 0, greetings to Zürich")).to_be_visible()
    mail = page.frame_locator("iframe[title='Preview of the mail']")
    expect(mail.get_by_role("heading", name="Hello Zoë 0")).to_be_visible()
    dashboard.button("Next row").click()
    expect(mail.get_by_role("heading", name="Hello Zoë 1")).to_be_visible()
    dashboard.accessible()

    dashboard.button("Create campaign").click()
    dashboard.heading("Early access")
    page.get_by_role("button", name="Import").click()
    expect(page.get_by_text("people.csv")).to_be_visible()
    expect(page.get_by_text(re.compile(rf"Accepted\s*{PEOPLE}"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Rejected\s*1"))).to_be_visible()
    with page.expect_download() as rejected:
        dashboard.button("Download rejected rows").click()
    assert "not an address" in rejected.value.path().read_text()
    page.go_back()  # a tab is a place of its own

    dashboard.button("Start").click()
    headline = page.get_by_role("region", name="Progress").locator("p").first
    headline.evaluate(RECORD)
    dashboard.button(f"Mail {PEOPLE} recipients").click()
    dashboard.toast("Campaign started")
    expect(headline).to_have_text(f"{PEOPLE - 1} / {PEOPLE} sent (98.33%)")
    expect(page.get_by_text("59 sent, 1 failed")).to_be_visible()
    on_the_way = [int(text.split(" /")[0]) for text in page.evaluate("[...window.seen]")]
    assert any(0 < sent < PEOPLE - 1 for sent in on_the_way), on_the_way
    dashboard.accessible()

    campaign = system.get(f"/campaigns/{page.url.rpartition('/')[2].partition('?')[0]}")
    assert campaign["status"] == "COMPLETED"
    legend = page.get_by_role("region", name="Progress").get_by_role("listitem")
    shown = {text.split()[0]: int(text.split()[1]) for text in legend.all_inner_texts()}
    assert shown["Sent"] == campaign["sent_count"] == campaign["progress"]["sent"] == PEOPLE - 1
    assert shown["Failed"] == campaign["failed_count"] == campaign["progress"]["failed"] == 1
    assert sum(shown.values()) == PEOPLE

    status = page.get_by_role("group", name="Status")
    status.get_by_role("button", name=re.compile("^Failed")).click()
    expect(page).to_have_url(re.compile(r"status=FAILED"))
    expect(dashboard.row("@")).to_have_count(1)
    expect(dashboard.row("gone@refused.example")).to_contain_text("550")
    with page.expect_download() as export:
        dashboard.button("Export failed as CSV").click()
    assert export.value.path().read_text().count("@refused.example") == 1
    dashboard.row("gone@refused.example").click()
    drawer = page.get_by_role("dialog")
    expect(drawer).to_contain_text("Malmö")
    dashboard.accessible()
    page.keyboard.press("Escape")
    expect(drawer).to_have_count(0)

    status.get_by_role("button", name=re.compile("^Sent")).click()
    dashboard.row(f"person7@{DOMAIN}").click()
    page.get_by_role("link", name="Find their mail in the inbox").click()
    page.get_by_role("list", name="Mails").get_by_role("link").click()
    expect(page.get_by_role("heading", level=2, name="Zoë 7, greetings to Zürich")).to_be_visible()
    received = page.frame_locator("iframe[title='The mail']")
    expect(received.get_by_role("heading", name="Hello Zoë 7")).to_be_visible()
    assert page.locator("iframe[title='The mail']").get_attribute("sandbox") == ""
    dashboard.button("Headers").click()
    expect(page.get_by_role("region", name="Headers")).to_contain_text("List-Unsubscribe")
    dashboard.accessible()


def test_a_misspelt_variable_is_told_before_the_first_mail(admin: Dashboard, system: System) -> None:
    campaign = system.campaign(CSV, name="Misspelt", template_body="<p>Dear {{ frist_name }}</p>")
    admin.goto(f"/campaigns/{campaign['campaign_id']}")
    admin.expected = "409"
    admin.button("Start").click()
    admin.button(f"Mail {PEOPLE} recipients").click()
    told = admin.page.get_by_role("alert").filter(has_text="was not started")
    expect(told).to_contain_text("{{ frist_name }}")
    expect(told).to_contain_text("60 rows")
    expect(told).to_contain_text("Did you mean {{ first_name }}?")
    admin.accessible()
    assert system.get(f"/campaigns/{campaign['campaign_id']}")["status"] == "DRAFT"


def test_a_running_campaign_is_paused_resumed_and_cancelled(admin: Dashboard, system: System) -> None:
    page = admin.page
    campaign = system.campaign(CSV, name="Slow", rate_limit_per_minute="60")
    path = f"/campaigns/{campaign['campaign_id']}"
    system.post(f"{path}/start")
    admin.goto(path)
    badge = admin.header
    expect(badge).to_contain_text("Running")
    admin.button("Pause").click()
    expect(badge).to_contain_text("Paused")
    expect(page.get_by_text("wait for you to resume")).to_be_visible()
    admin.goto("/")
    expect(page.get_by_role("list", name="Needs attention")).to_contain_text("Slow is paused")
    page.get_by_role("link", name="Slow is paused").click()
    admin.button("Resume").click()
    expect(badge).to_contain_text("Running")
    admin.button("Cancel").click()
    asked = page.get_by_role("alertdialog")
    expect(asked).to_contain_text("Cancel Slow?")
    expect(asked).to_contain_text(re.compile(r"\d+ recipients will get no mail"))
    admin.accessible()
    admin.button("Cancel campaign").click()
    expect(badge).to_contain_text("Cancelled")
    ended = eventually_sync(
        lambda: found if (found := system.get(path))["progress"]["pending"] == 0 else None,
        seconds=30,
        every=0.1,
        what="everybody who waited is swept",
    )["progress"]
    assert ended["sent"] + ended["failed"] + ended["cancelled"] == PEOPLE
    expect(page.get_by_role("region", name="Progress")).to_contain_text(re.compile(rf"Skipped\s*{ended['cancelled']}"))


def test_a_campaign_to_contacts_says_what_is_decided_only_at_its_start(dashboard: Dashboard, system: System) -> None:
    page = dashboard.page
    tag = uuid4().hex[:8]
    condition = {"type": "tags", "values": [tag]}
    segment = system.post("/segments", {"name": f"Segment {tag}", "definition": {"condition": condition}})
    values = {"order": {"total": 12.5, "items": ["tea", "milk"]}, "first_name": "Zoë"}
    system.post("/contacts", {"email": f"zoe@{tag}.example", "tags": [tag], "locale": "de", "attributes": values})
    body = (
        "<mjml><mj-body><mj-section><mj-column><mj-text>{WORDS} {{ first_name }}, {{ order.total | money('EUR') }} for "
    )
    body += "{{ order['items'] | join(' and ') }}</mj-text></mj-column></mj-section></mj-body></mjml>"
    variants = [
        {
            "format": "mjml",
            "locale": locale,
            "subject": f"{words} {{{{ first_name }}}}",
            "body": body.replace("{WORDS}", words),
        }
        for locale, words in (("en", "Hello"), ("de", "Hallo"))
    ]
    template = system.post("/templates", {"name": f"Template {tag}", "variants": variants})
    fields = {"name": f"Contacts {tag}", "from_email": "news@example.com", "rate_limit_per_minute": None}
    audience = {"segments": [segment["segment_id"]]}
    made = system.post("/campaigns", fields | {"template_id": template["template_id"], "audience": audience})

    dashboard.sign_in("marketer", at="/campaigns")
    row = page.get_by_role("row").filter(has_text=f"Contacts {tag}")
    expect(row).to_contain_text("not chosen yet")
    dashboard.page.goto(f"{system.url}/campaigns/{made['campaign_id']}")
    expect(page.get_by_role("region", name="Progress")).to_contain_text("Recipients are chosen at the start")
    expect(page.get_by_text("Nobody is chosen yet")).to_be_visible()
    dashboard.accessible()
    page.get_by_role("button", name="Details").click()
    expect(page.get_by_text("1 segment", exact=True)).to_be_visible()
    expect(page.get_by_text("version 1 of")).to_be_visible()
    page.get_by_role("button", name="Message").click()
    expect(page.get_by_text("There is no recipient yet to show the mail for")).to_be_visible()

    dashboard.button("Start").click()
    dashboard.button("Mail its audience").click()
    expect(page.get_by_role("region", name="Progress")).to_contain_text("1 / 1 sent")
    mail = page.frame_locator("iframe[title='The mail']")
    expect(mail.get_by_text("Hallo Zoë, 12,50\u00a0€ for tea and milk")).to_be_visible()
    expect(page.get_by_text("Hallo Zoë", exact=True)).to_be_visible()
    dashboard.accessible()
