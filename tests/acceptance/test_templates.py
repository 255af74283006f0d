"""From files on disk to mails in the inbox: a template, a snippet, an image, an attachment, the real system."""

import email
import email.policy
import io
import json
import subprocess
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from support.up import COMMAND, System

pytestmark = pytest.mark.xdist_group("templates")

MJML = """<mjml>
  <mj-head><mj-style>.price { color: #c00 }</mj-style></mj-head>
  <mj-body>
    <mj-section><mj-column>
      <mj-image src="cid:logo.png" alt="Our shop" />
      <mj-text css-class="price">
        Dear {{ first_name }}, {{ total | money('EUR') }} until {{ until | date('long') }}.
      </mj-text>
    </mj-column></mj-section>
    {% include 'footer' %}
  </mj-body>
</mjml>"""
FOOTER = """<mj-section><mj-column>
  <mj-text><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section>"""
PEOPLE = (
    "email,first_name,locale,total\n"
    "ada@templates.example,Ada,en-GB,1234.5\n"
    "bea@templates.example,Bea,de-AT,99\n"
    "cyd@templates.example,Cyd,,7\n"
)  # fmt: skip


def run(system: System, *arguments: str, code: int = 0) -> Any:
    """Run a command with --json and return what it printed."""
    command = [*COMMAND, *arguments, "--json"]
    done = subprocess.run(command, env=system.environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}{done.stderr}"
    return json.loads(done.stdout.splitlines()[-1])


def inbox(system: System, address: str) -> list[EmailMessage]:
    """What somebody got, oldest first."""
    messages = []
    for mail in reversed(system.get("/inbox", q=address)["items"]):
        raw = system.http.get(f"/inbox/{mail['message_id']}/raw")
        parsed = email.message_from_bytes(raw.content, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        messages.append(parsed)
    return messages


def test_a_template_from_files_reaches_the_inbox_in_each_persons_language(system: System, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (40, 20), "red").save(picture, "PNG")
    for name, content in {
        "logo.txt": picture.getvalue(),  # the name lies
        "terms.pdf": b"%PDF-1.7\n" + b"x" * 2000,
        "footer.mjml": FOOTER.encode(),
        "sale.mjml": MJML.encode(),
        "sale-de.mjml": MJML.replace("Dear", "Liebe").replace("until {{", "bis {{").encode(),
        "people.csv": PEOPLE.encode(),
    }.items():
        (tmp_path / name).write_bytes(content)
    logo = run(system, "media", "upload", str(tmp_path / "logo.txt"))
    assert (logo["content_type"], logo["width"], logo["height"]) == ("image/png", 40, 20)
    terms = run(system, "media", "upload", str(tmp_path / "terms.pdf"))
    run(system, "snippet", "create", "footer", str(tmp_path / "footer.mjml"))
    template = run(
        system, "template", "create", "Sale", str(tmp_path / "sale.mjml"), "--subject", "For {{ first_name }}",
        "--preheader", "Only today", "--variant", "de", "Für {{ first_name }}", str(tmp_path / "sale-de.mjml"),
        "--variables", '{"until": "2026-12-24"}', "--inline", f"{logo['media_id']}=logo.png",
        "--attach", f"{terms['media_id']}=Terms & Conditions.pdf",
    )["template_id"]  # fmt: skip

    sample = json.dumps({"first_name": "Bea", "total": 99, "locale": "de-AT"})
    shown = run(system, "template", "preview", template, "--sample", sample)
    assert (shown["subject"], shown["locale"]) == ("Für Bea", "de")
    assert logo["url"] in shown["html"]
    served = httpx.get(logo["url"])
    assert (served.status_code, served.headers["content-type"]) == (200, "image/png")
    assert "sandbox" in served.headers["content-security-policy"]

    sent = run(system, "template", "test", template, "me@test.example", "--from", "shop@b.example", "--sample", sample)
    assert [one["outcome"] for one in sent] == ["accepted"]
    campaign = run(
        system, "campaign", "create", str(tmp_path / "people.csv"), "--name", "Sale", "--template", template,
        "--from", "shop@b.example", "--rate", "unlimited",
    )  # fmt: skip
    assert campaign["template_version"] == 1
    linted = run(system, "campaign", "lint", campaign["campaign_id"])
    assert linted["errors"] == 0
    run(system, "campaign", "start", campaign["campaign_id"])
    ended = run(system, "campaign", "watch", campaign["campaign_id"])
    assert (ended["status"], ended["outcome"]) == ("COMPLETED", "clean")

    expected = {
        "ada@templates.example": ("For Ada", "Dear Ada, €1,234.50 until 24 December 2026."),
        "bea@templates.example": ("Für Bea", "Liebe Bea, € 99,00 bis 24. Dezember 2026."),
        "cyd@templates.example": ("For Cyd", "Dear Cyd, €7.00 until December 24, 2026."),
    }
    for address, (subject, words) in expected.items():
        [message] = inbox(system, address)
        assert message["Subject"] == subject
        parts = list(message.walk())
        assert [part.get_content_type() for part in parts] == [
            "multipart/mixed", "multipart/related", "multipart/alternative", "text/plain", "text/html", "image/png",
            "application/pdf",
        ]  # fmt: skip
        assert words in parts[3].get_content().replace("\xa0", " ")
        html = parts[4].get_content()
        assert 'style="color: #c00;' in html
        assert f'src="cid:{parts[5]["Content-ID"][1:-1]}"' in html
        assert parts[5].get_content() == picture.getvalue()
        assert parts[6].get_filename() == "Terms & Conditions.pdf"
    [test] = inbox(system, "me@test.example")
    [bea] = inbox(system, "bea@templates.example")
    for part in ("plain", "html"):
        tested, mailed = (list(one.walk())[3 + (part == "html")].get_content() for one in (test, bea))
        assert tested.split("/unsubscribe/")[0] == mailed.split("/unsubscribe/")[0]
