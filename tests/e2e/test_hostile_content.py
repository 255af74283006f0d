"""Whatever people, files and mails bring with them is shown as text: nothing of it runs on any page.

Every tab of these tests complains by itself about a dialog, a violated policy and a request to a foreign host or to a
canary; see `support.dashboard`.
"""

import re
from urllib.parse import quote
from uuid import uuid4

import pytest
from playwright.sync_api import expect

from support.dashboard import Dashboard
from support.up import System

CORPUS = (
    "<script>alert(1)</script>",
    "<img src=/canary onerror=alert(2)>",
    '"><svg onload=alert(3)>',
    "'-alert(4)-'",
    "javascript:alert(5)",
    "</script><script>fetch('/canary')</script>",
    "<iframe srcdoc='<script>parent.alert(6)</script>'></iframe>",
    "<a href='javascript:alert(7)'>click</a>",
    "{{constructor.constructor('alert(8)')()}}",
    "<style>@import 'https://canary.example/9'</style>",
    "</title><body onload=alert(10)>",
    "<math><mtext><table><mglyph><style><img src=/canary onerror=alert(11)>",
    '<meta http-equiv=refresh content="0;url=https://canary.example/12">',
    '<form action="https://canary.example/13"><input type=submit autofocus onfocus=alert(13)></form>',
    "${alert(14)}`${fetch('/canary')}`",
)
EVERYTHING = " ".join(CORPUS)
PLAIN = EVERYTHING.replace("{{", "{ {")  # in a template, braces of its own are code for the renderer


@pytest.fixture(scope="module")
def hostile(system: System) -> list[str]:
    """The addresses of all pages, with the corpus in every field that takes text."""
    domain = f"{uuid4().hex[:8]}.example"
    quoted = '"' + EVERYTHING.replace('"', '""') + '"'
    csv = f"email,{quoted},name\n" + "".join(f'x{n}@{domain},"{quoted[1:-1]}",{quoted}\n' for n in range(3))
    csv += f"{quoted},nobody,nobody\n"
    campaign = system.campaign(
        csv,
        filename="<img src=x onerror=alert(0)>.csv",
        name=EVERYTHING[:200],
        from_name="<script>alert(0)</script>",
        template_subject="<script>alert(0)</script> {{ name[:200] }}",
        template_body=f"<body onload=alert(0)>{PLAIN}{{{{ name }}}}<script>top.location='https://canary.example'</script>",
        template_text=f"{PLAIN} {{{{ name }}}}",
    )["campaign_id"]
    recipient = system.get(f"/campaigns/{campaign}/recipients")["items"][0]["recipient_id"]
    system.post(f"/campaigns/{campaign}/start")
    tasks = [
        system.post("/tasks", {"task_name": "always_fails", "args": {"word": EVERYTHING}, "max_retries": 0})["task_id"],
        system.post("/tasks", {"task_name": EVERYTHING[:200], "args": [EVERYTHING], "max_retries": 0})["task_id"],
        system.post("/tasks", {"task_name": "taskflow.echo", "args": {"message": EVERYTHING}})["task_id"],
    ]
    system.post("/api-keys", {"name": EVERYTHING[:100], "role": "viewer"})
    raw = f"From: <script>alert(0)</script>\r\nSubject: {EVERYTHING}\r\nX-{quote('<b>')}: {EVERYTHING}\r\n"
    system.mail(f"{raw}Content-Type: text/html\r\n\r\n<html>{EVERYTHING}</html>", to=f"raw@{domain}")
    for task_id in tasks:
        system.ended(task_id)
    system.completed(campaign)
    letters = [letter["dlq_id"] for letter in system.get("/dead-letters")["items"] if letter["task_id"] in tasks]
    mails = [mail["message_id"] for mail in system.get("/inbox", q=domain)["items"]]
    assert len(letters) == 2
    assert len(mails) == 4
    text = quote(EVERYTHING)
    return [
        "/",
        "/campaigns",
        *(f"/campaigns/{campaign}?tab={tab}" for tab in ("", "message", "import", "details")),
        f"/campaigns/{campaign}?recipient={recipient}",
        f"/tasks?task_name={text}",
        f"/tasks?status={text}&queue={text}&campaign_id={text}&since={text}",
        "/tasks",
        *(f"/tasks/{task_id}" for task_id in tasks),
        f"/tasks/{text.replace('/', '%2F')}",
        f"/workers?worker={text}",
        "/dead-letters",
        *(f"/dead-letters/{letter}" for letter in letters),
        f"/inbox?q={text}",
        *(f"/inbox/{mail}?tab={tab}" for mail in (mails[0], mails[-1]) for tab in ("html", "text", "headers")),
        "/settings/keys",
        "/settings/audit",
    ]


@pytest.mark.parametrize("half", [0, 1])  # two people: one may not ask so much in a minute
def test_nothing_that_people_wrote_runs_on_any_page(dashboard: Dashboard, hostile: list[str], half: int) -> None:
    page = dashboard.page
    dashboard.expected = "status of (404|422)"
    dashboard.sign_in()
    for path in hostile[half::2]:
        dashboard.goto(path)
        dashboard.settled()
        assert page.evaluate("document.querySelectorAll('main script, main [onerror], main [onload]').length") == 0
        assert page.evaluate("[...document.querySelectorAll('a')].every((a) => a.protocol.startsWith('http'))")
        assert page.url.startswith(dashboard.system.url)
    dashboard.goto("/settings/keys")
    expect(page.locator("main")).to_contain_text(CORPUS[0])  # shown, as the text that it is


def test_a_mail_is_shown_in_a_frame_in_which_nothing_runs(dashboard: Dashboard, hostile: list[str]) -> None:
    page = dashboard.page
    dashboard.sign_in()
    for path in [path for path in hostile if path.startswith("/inbox/") and path.endswith("=html")]:
        dashboard.goto(path)
        frame = page.locator("iframe[title='The mail']")
        expect(frame).to_have_attribute("sandbox", "")
        expect(page.frame_locator("iframe[title='The mail']").locator("body")).to_contain_text(
            re.compile("click|alert")
        )
        reached = page.evaluate("document.querySelector('iframe').contentDocument")
        assert reached is None  # another origin: neither side can reach into the other


def test_the_preview_of_a_template_runs_nothing(dashboard: Dashboard) -> None:
    page = dashboard.page
    dashboard.sign_in(at="/campaigns/new")
    quoted = '"' + EVERYTHING.replace('"', '""') + '"'
    file = {"name": "<b>.csv", "mimeType": "text/csv", "buffer": f"email,name\na@b.example,{quoted}\n".encode()}
    page.get_by_label("CSV file with recipients").set_input_files(file)
    page.get_by_label("Subject").fill("{{ name }}")
    page.get_by_role("textbox", name="HTML of the mail").fill(f"<p>start</p>{PLAIN}{{{{ name }}}}{{{{ name | safe }}}}")
    frame = page.frame_locator("iframe[title='Preview of the mail']")
    expect(frame.get_by_text("start")).to_be_visible()
    dashboard.settled()
    dashboard.button("Text").click()
    expect(page.get_by_role("region", name="text part")).to_contain_text("start")
