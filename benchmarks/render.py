"""(h) Rendering: how many messages one jail process renders in a second, and what compiling a template costs.

Each message has a subject, an HTML part and a plain text part. `render.messages_per_s` is MJML with a snippet, styles
and formats by locale; `render.html_per_s` the 10 KB of HTML of the campaign benchmark. Speed is by the processor time
of the jail, so it is that of one core whatever else the machine does; `wall` is what a caller waits.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from benchmarks import people
from benchmarks.cpu import CpuMeter
from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import Servers
from taskflow.content.rendering import Format, Rendered, RenderPool, Template
from taskflow.settings import CampaignSettings

_BATCH = 100
_COMPILED = 20
_MJML = """<mjml>
  <mj-head><mj-style>.price { color: {{ color }} } a { color: #1d4ed8 }</mj-style></mj-head>
  <mj-body>
    <mj-section background-color="#ffffff"><mj-column>
      <mj-image src="https://cdn.example/{{ shop }}.png" alt="{{ shop }}" />
      <mj-text font-size="20px">Dear {{ first_name }},</mj-text>
      <mj-text css-class="price">{{ total | money('EUR') }} until {{ until | date('long') }}</mj-text>
    </mj-column></mj-section>
    {% for item in items %}
    <mj-section><mj-column>
      <mj-text>{{ item.name }} <b>{{ item.price | money('EUR') }}</b></mj-text>
    </mj-column></mj-section>
    {% endfor %}
    <mj-section><mj-column><mj-button href="https://shop.example/{{ code }}">Go</mj-button></mj-column></mj-section>
    {% include 'footer' %}
  </mj-body>
</mjml>"""
_FOOTER = """<mj-section><mj-column><mj-text>
<a href="{{ unsubscribe_url }}">Unsubscribe</a> {{ email }}</mj-text></mj-column></mj-section>"""


def _person(number: int) -> dict[str, Any]:
    return {
        "first_name": f"Person {number}",
        "email": f"p{number}@bench.example",
        "unsubscribe_url": f"https://mail.example/unsubscribe/{number:040}",
        "total": number * 1.25,
        "code": f"{number:08x}",
        "locale": ("de-AT", "en-GB", "fr", "de")[number % 4],
        "items": [{"name": "Lamp", "price": 20 + number % 7}, {"name": "Chair", "price": 99.5}],
    }


def _example() -> Template:
    """Return the template of the campaign benchmark: plain HTML."""
    fields = json.loads((people.EXAMPLE / "campaign.json").read_text(encoding="utf-8"))
    subject = (people.EXAMPLE / "subject.txt").read_text(encoding="utf-8").strip()
    html = (people.EXAMPLE / "template.html").read_text(encoding="utf-8")
    return Template(subject, html, variables=fields["template_variables"])


def _shopper(number: int) -> dict[str, Any]:
    return {
        "email": f"p{number}@bench.example",
        "name": f"Zoë {number}",
        "city": "München",
        "language": "en",
        "discount": "25",
        "favourite": "desk lamp",
        "points": str(number),
        "unsubscribe_url": f"https://mail.example/unsubscribe/{number:040}",
    }


def _mjml(number: int = 0) -> Template:
    return Template(
        f"For {{{{ first_name }}}}, {number}",
        _MJML,
        variables={"shop": "Acme", "color": "#c00", "until": "2026-12-24"},
        format=Format.MJML,
        preheader="Only today, {{ first_name }}",
        inline_css=True,
        snippets={"footer": _FOOTER},
        locale="de",
    )


async def run(_servers: Servers, options: Options, figures: Figures) -> None:
    """Run every round."""
    example = _example()
    for _ in range(options.runs):
        async with RenderPool(CampaignSettings()) as pool:
            await _compile(pool, figures)
            await _render(pool, "messages", _mjml(), _person, options.recipients, figures)
            await _render(pool, "html", example, _shopper, options.recipients, figures)


async def _compile(pool: RenderPool, figures: Figures) -> None:
    meter = CpuMeter(jail=pool.pids[0])
    for number in range(_COMPILED):  # each is another template: none is in the cache
        await pool.compile(_mjml(number))
    figures.add("render.compile_ms", meter.seconds()["jail"] * 1000 / _COMPILED, "ms")


async def _render(
    pool: RenderPool,
    name: str,
    template: Template,
    person: Callable[[int], dict[str, Any]],
    count: int,
    figures: Figures,
) -> None:
    compiled = await pool.compile(template)
    batches = [[person(number) for number in range(start, start + _BATCH)] for start in range(0, count, _BATCH)]
    await pool.render(compiled, batches[0])
    meter, started = CpuMeter(jail=pool.pids[0]), time.perf_counter()
    for batch in batches:
        done = await pool.render(compiled, batch)
        assert all(isinstance(one, Rendered) for one in done), done[0]
    wall, spent = time.perf_counter() - started, meter.seconds()["jail"]
    rendered = len(batches) * _BATCH
    figures.add(f"render.{name}_per_s", rendered / spent, "msg/s")
    figures.add(f"render.{name}_wall_per_s", rendered / wall, "msg/s")
