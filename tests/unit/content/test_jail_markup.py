"""Hostile MJML, HTML and styles: the compilers reach nothing, and what eats them harms nobody else."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

import pytest

from support.hostile_templates import HTML_EATERS, HTML_ESCAPES, LAUGHS, MJML_EATERS, MJML_ESCAPES
from taskflow.base.errors import TaskFlowError
from taskflow.content.rendering import Format, Rendered, RenderPool, Template
from taskflow.settings import CampaignSettings

CANARY = "canary-77ab12"
GOOD = Template("Hello {{ name }}", "<p>{{ name }}</p>")
LEAKS = (CANARY, "root:x", "<class", "&lt;class", "<function", "&lt;function", "__main__")


class Listener:
    """A server that only notes that somebody came."""

    def __init__(self) -> None:
        self.visits = 0
        self.url = ""

    async def _visit(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.visits += 1
        writer.close()


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    found = Listener()
    async with await asyncio.start_server(found._visit, "127.0.0.1", 0) as server:
        found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield found


async def seen(pool: RenderPool, template: Template) -> str:
    """What a reader would see: the message, or its refusal."""
    try:
        compiled = await pool.compile(template)
    except TaskFlowError as error:
        return f"refused: {error} {error.context}"
    [result] = await pool.render(compiled, [{"name": "Ada"}])
    return f"{result.html} {result.text}" if isinstance(result, Rendered) else f"refused: {result}"


@pytest.mark.parametrize(("payloads", "form"), [(MJML_ESCAPES, Format.MJML), (HTML_ESCAPES, Format.HTML)], ids=str)
async def test_no_markup_reads_a_file_or_asks_a_server(
    pool: RenderPool, listener: Listener, payloads: list[str], form: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "TASKFLOW_CANARY", CANARY)
    for payload in payloads:
        source = payload.replace("CANARY_URL", listener.url)
        shown = await seen(pool, Template("s", source, format=form, inline_css=True, preheader="p"))
        assert not any(leak in shown for leak in LEAKS), (source, shown)
        assert shown.startswith("refused") or "mj-include" not in shown, source
    assert listener.visits == 0
    [result] = await pool.render(await pool.compile(GOOD), [{"name": "Ada"}])
    assert isinstance(result, Rendered)


@pytest.mark.parametrize(
    ("source", "form"),
    [(source, Format.MJML) for source in MJML_EATERS] + [(source, Format.HTML) for source in HTML_EATERS],
    ids=lambda value: str(value)[:30],
)
async def test_markup_that_eats_ends_within_its_limits_and_its_neighbours_render(source: str, form: Format) -> None:
    settings = CampaignSettings(render_seconds=0.5, template_bytes=2 * 1024 * 1024)
    async with RenderPool(settings, 1) as pool:
        good = await pool.compile(GOOD)
        started = time.monotonic()
        template = Template("s", source, format=form, inline_css=True, snippets=LAUGHS)
        eaten, neighbours = await asyncio.gather(seen(pool, template), pool.render(good, [{"name": "Ada"}] * 20))
        assert time.monotonic() - started < 15  # processor time is 0.5 s; the rest is leeway for a crowded machine
        assert eaten.startswith("refused") or len(eaten) < 8 * 1024 * 1024
        assert all(isinstance(result, Rendered) for result in neighbours)


@pytest.mark.parametrize("name", ["laugh0", "ring"])
async def test_snippets_that_multiply_are_refused_by_name(pool: RenderPool, name: str) -> None:
    template = Template("s", f"{{% include '{name}' %}}", snippets=LAUGHS)
    assert "template_limit" in await seen(pool, template)


async def test_a_lint_of_hostile_html_reads_it_in_the_jail_and_comes_back(pool: RenderPool) -> None:
    for source in ("<a>" * 100_000, "<div>" * 200_000, "<img src=x>" * 100_000, "<table><td>" * 50_000, "\x00" * 9, ""):
        found = await pool.inspect(source.encode())
        assert found is None or (len(found.links) <= 500 and len(found.images) <= 500)
    found = await pool.inspect(b"<a href='https://x.example'>go</a><img src=y alt=''><script></script>")
    assert found is not None
    assert (found.links, found.images, found.removed) == ((("https://x.example", "go"),), (("y", ""),), ("script",))
