"""SpamAssassin reads every mail that we show to others: each stays far from looking like spam.

The mails of `examples/`, those that the pages of `docs/` show, and those that the product writes itself go through the
whole system and Postfix, and are judged as they were delivered, by the rules that need no network.
"""

import ast
import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.policy import default
from email.utils import formatdate
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from real.conftest import Installation
from support.signatures import valid
from support.waiting import eventually

pytestmark = pytest.mark.real

ROOT = Path(__file__).parents[2]
PAGES = sorted({ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")})
HIGHEST = 1.0  # exclusive; five and more are spam
_BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"-d '(\{.*?\})'$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"""'"\$\(base64 [^)]*\)"'""")  # what the shell puts in
# What a receiver's own server writes on top: without it, SpamAssassin trusts the mail for coming from this machine. The
# address is a public one, because those of documentation count against a mail; nobody connects to it.
_RECEIVED = (
    b"Received: from mail.sender.example (mail.sender.example [93.184.215.14])\r\n"
    b"\tby mx.example.com (Postfix) with ESMTPS id 4711 for <%b>;\r\n\t%b\r\n"
)
_PERSON = {
    "first_name": "Änne", "city": "Köln", "country": "Germany", "total": 1234.5, "until": "2026-12-24",
    "frist_name": "Änne",  # a page shows how the lint finds this one
}  # fmt: skip


def blocks(language: str, mark: str) -> Iterator[str]:
    """Yield what the pages show in a language that has a mark in it."""
    for page in PAGES:
        yield from (code for kind, code in _BLOCK.findall(page.read_text()) if kind == language and mark in code)


def calls() -> Iterator[dict[str, Any]]:
    """Yield the calls of the messages API with own words that the pages show."""
    for code in blocks("bash", "/api/v1/messages"):
        for found in _CALL.findall(code):
            if '"subject"' in found:
                yield json.loads(_FILE.sub("QSBmaWxlLgo=", found))


async def judged(raw: bytes, home: Path) -> tuple[float, str]:
    """Return SpamAssassin's score of a mail, and the rules that it found."""
    process = await asyncio.create_subprocess_exec(
        "spamassassin", "--local", "--test-mode", "--nocreate-prefs",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, _ = await process.communicate(raw)
    verdict = str(message_from_bytes(said, policy=default)["X-Spam-Status"])
    found = re.match(r"(?:No|Yes), score=(-?[\d.]+) required=\S+ tests=(.*?) autolearn", verdict)
    assert found is not None, verdict or said[:2000]
    return float(found[1]), found[2]


async def campaigns(installation: Installation) -> None:
    """Send every campaign that is shown, to a few people each."""
    sale = ROOT / "examples" / "black-friday"
    told = json.loads((sale / "campaign.json").read_text())
    lines = (sale / "recipients.csv").read_text().splitlines()
    names = lines[0].split(",")
    people = [dict(zip(names, line.split(","), strict=False)) for line in islice(lines, 1, 2_000, 400)]
    await installation.campaign(
        **told | {"from_email": "deals@sender.example"},
        template_subject=(sale / "subject.txt").read_text().strip(),
        template_body=(sale / "template.html").read_text(),
        recipients=people,
    )
    newsletter = ast.parse((ROOT / "examples" / "messaging" / "newsletter.py").read_text())
    [body] = [
        ast.literal_eval(node.value)
        for node in newsletter.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "BODY"
    ]
    for words in (body, *blocks("html", "unsubscribe_url")):
        await installation.campaign(
            template_subject="Hello {{ first_name }}",
            template_body=words,
            recipients=[{"email": "anna@example.com", **_PERSON}],
        )


async def templates(installation: Installation) -> None:
    """Send the MJML that the pages show, as a campaign and as a message."""
    await installation.post("snippets", name="footer", body=FOOTER)
    upload = {"file": ("logo.png", (ROOT / "docs" / "images" / "dashboard.png").read_bytes(), "image/png")}
    media = (await installation.admin.post("/api/v1/media", files=upload)).json()
    for place, words in enumerate(blocks("xml", "<mjml>")):
        template = await installation.post(
            "templates",
            name=f"Sale {place}",
            variants=[{"format": "mjml", "subject": "For {{ first_name }}", "preheader": "Only today", "body": words}],
            attachments=[{"media_id": media["media_id"], "filename": "logo.png", "inline": True}],
        )
        chosen = {"template_id": template["template_id"]}
        await installation.campaign(**chosen, recipients=[{"email": "anna@example.com", **_PERSON}])
        unsubscribe_url = "https://sender.example/settings"
        await installation.message(
            "bob@example.com", **chosen, variables=_PERSON | {"unsubscribe_url": unsubscribe_url}
        )


FOOTER = """<mj-section><mj-column>
  <mj-text><a href="{{ unsubscribe_url }}">Unsubscribe</a></mj-text>
</mj-column></mj-section>"""


async def confirmation(installation: Installation) -> None:
    """Ask somebody to confirm, as a public form does."""
    made = await installation.post(
        "lists", name="News", opt_in="double", visibility="public", confirm_from="news@sender.example",
        confirm_wording="Yes, I want a mail a week.",
    )  # fmt: skip
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await installation.admin.post(
        f"/subscribe/{made['list_id']}", data={"email": "eve@example.com"}, headers=form
    )
    assert answer.status_code == 202, answer.text


async def test_no_mail_that_we_show_or_write_looks_like_spam(installation: Installation, tmp_path: Path) -> None:
    sink = installation.hop.sink
    await campaigns(installation)
    await templates(installation)
    shown = list(calls())
    assert len(shown) >= 2
    for call in shown:
        await installation.message(*call.pop("to"), **call | {"from_email": "shop@sender.example"})
    await confirmation(installation)
    await eventually(lambda: len(sink.messages) == 14, seconds=60, what="every mail; is there another on a page?")
    subjects = {str(message_from_bytes(one.body, policy=default)["Subject"]) for one in sink.messages}
    assert {"For Änne", "Hello Änne", "Order 7", "Please confirm: News"} <= subjects
    scores: dict[str, tuple[float, str]] = {}
    for message in sink.messages:
        raw = re.sub(rb"(?m)^\.\.", b".", message.body)
        assert valid(raw, installation.zone) == [True, True]
        subject = str(message_from_bytes(raw, policy=default)["Subject"])
        received = _RECEIVED % (message.rcpt_to, formatdate().encode())
        score, rules = await judged(received + raw, tmp_path)
        assert "ALL_TRUSTED" not in rules
        scores[f"{len(scores)}: {subject} to {message.rcpt_to.decode()}"] = (score, rules)
    print("\n".join(f"{score:5.1f} {name}: {rules}" for name, (score, rules) in scores.items()))  # noqa: T201
    high: Mapping[str, tuple[float, str]] = {name: one for name, one in scores.items() if one[0] >= HIGHEST}
    assert not high


async def test_spamassassin_is_awake(tmp_path: Path) -> None:
    score, rules = await judged(
        _RECEIVED % (b"ann@example.com", formatdate().encode())
        + b"From: x@example.com\r\nSubject: hi\r\n\r\n"
        + b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n",
        tmp_path,
    )
    assert score > 900
    assert "GTUBE" in rules
