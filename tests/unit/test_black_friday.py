"""The example that everybody meets first is what its README says."""

import json
import subprocess
import sys
from collections import Counter
from fnmatch import fnmatchcase
from pathlib import Path

import orjson
import pytest

from taskflow.audience.imports import CsvSource
from taskflow.content.rendering import Rendered, RenderPool, Template
from taskflow.content.rendering.models import TextSource
from taskflow.settings import CampaignSettings

EXAMPLE = Path(__file__).parents[2] / "examples" / "black-friday"
CSV = EXAMPLE / "recipients.csv"


async def read() -> tuple[list[tuple[str, dict[str, str]]], Counter[str]]:
    people: dict[str, dict[str, str]] = {}
    reasons: Counter[str] = Counter()
    with CSV.open("rb") as file:
        async with CsvSource.open(file, CampaignSettings()) as source:
            assert (source.encoding, source.delimiter, source.email_column) == ("utf-8", ",", "email")
            async for batch in source.batches():
                reasons.update(rejection.code.value for rejection in batch.rejected)
                for _, email, fields in batch.rows:
                    if people.setdefault(email.lower(), values := orjson.loads(fields)) is not values:
                        reasons["duplicate"] += 1
    return list(people.items()), reasons


async def test_the_list_has_ten_thousand_people_and_twenty_five_bad_rows() -> None:
    people, reasons = await read()
    assert len(people) == 10_000
    assert reasons == {"invalid_address": 11, "duplicate": 6, "wrong_field_count": 4, "control_character": 4}
    assert all(email.rpartition("@")[2].endswith(("example.com", "example.org", "example.net")) for email, _ in people)
    scripts = {fields["language"] for _, fields in people}
    assert len(scripts) == 21
    assert sum(not fields["name"].isascii() for _, fields in people) > 5_000


async def test_the_rules_refuse_twelve_and_put_off_sixty() -> None:
    people, _ = await read()
    matched = Counter(
        rule["action"]
        for rule in json.loads((EXAMPLE / "rules.json").read_text())
        for email, _ in people
        if fnmatchcase(email, rule["pattern"])
    )
    assert matched == {"reject": 12, "defer": 60}


async def test_everybody_can_be_rendered() -> None:
    campaign = json.loads((EXAMPLE / "campaign.json").read_text())
    subject, html = (EXAMPLE / "subject.txt").read_text(), (EXAMPLE / "template.html").read_text()
    people, _ = await read()
    async with RenderPool(CampaignSettings(), 1) as pool:
        compiled = await pool.compile(Template(subject, html, variables=campaign["template_variables"]))
        assert compiled.required_variables == ("city", "discount", "favourite", "name")
        assert compiled.optional_variables == ("points",)
        assert compiled.text_source == TextSource.TEMPLATE
        contexts = [{**fields, "email": email, "unsubscribe_url": "https://x.example/u"} for email, fields in people]
        results = await pool.render(compiled, contexts)
    messages = [result for result in results if isinstance(result, Rendered)]
    assert len(messages) == 10_000
    assert 9_000 < len(messages[0].html_bytes) < 13_000
    name = people[0][1]["name"]
    assert messages[0].subject.startswith(f"Hello {name}, check our deals")
    assert f"Hello {name}, check our deals!" in messages[0].text
    assert "Unsubscribe (https://x.example/u)" in messages[0].text
    assert "<" not in messages[0].text


def test_the_generator_writes_the_same_bytes_again(tmp_path: Path) -> None:
    program = tmp_path / "generate.py"
    program.write_bytes((EXAMPLE / "generate.py").read_bytes())
    (tmp_path / "names.json").write_bytes((EXAMPLE / "names.json").read_bytes())
    subprocess.run([sys.executable, str(program)], check=True)
    assert (tmp_path / "recipients.csv").read_bytes() == CSV.read_bytes()


@pytest.mark.parametrize("file", ["README.md", "campaign.json", "rules.json", "subject.txt", "template.html"])
def test_nothing_in_it_names_a_real_host(file: str) -> None:
    text = (EXAMPLE / file).read_text()
    assert "://" not in text.replace("https://shop.example.com", "")
