"""MJML, styles, preheaders and snippets: compiled once, merged after."""

import pytest

from taskflow.base.errors import TaskFlowError
from taskflow.content.errors import TemplateSyntaxProblem
from taskflow.content.rendering import Rendered, RenderPool, RenderProblem, Template
from taskflow.content.rendering.models import Format

MJML = """<mjml>
  <mj-head>
    <mj-style>.warm { color: {{ color }} } a:hover { color: blue }</mj-style>
  </mj-head>
  <mj-body>
    {% for item in items %}
    <mj-section background-color="{{ color }}"><mj-column>
      <mj-text css-class="warm">{{ item }} <a href="https://x.example/{{ id }}?a=1&amp;b=2">link</a>
      <b>{{ name }}</b></mj-text>
    </mj-column></mj-section>
    {% endfor %}
    {% include 'footer' %}
  </mj-body>
</mjml>"""
FOOTER = "<mj-section><mj-column><mj-text>\nBye, {{ nmae }}</mj-text></mj-column></mj-section>"


def mjml(source: str, **changes: object) -> Template:
    return Template("s", source, format=Format.MJML, inline_css=True, **changes)


def page(inner: str) -> str:
    return f"<mjml><mj-body><mj-section><mj-column>{inner}</mj-column></mj-section></mj-body></mjml>"


async def rendered(pool: RenderPool, template: Template, **context: object) -> Rendered:
    [result] = await pool.render(await pool.compile(template), [context])
    assert isinstance(result, Rendered), result
    return result


async def problems(pool: RenderPool, template: Template) -> list[tuple[str, int | None, str | None]]:
    with pytest.raises(TaskFlowError) as raised:
        await pool.compile(template)
    return [(item["code"], item["line"], item["snippet"]) for item in raised.value.context["problems"]]


async def test_mjml_becomes_html_with_styles_on_elements_and_code_where_it_was(pool: RenderPool) -> None:
    template = mjml(MJML, snippets={"footer": FOOTER})
    message = await rendered(pool, template, color="red", items=["<One>", "Two"], id=7, name="Ada", nmae="Ada")
    assert message.html.count('class="warm"') == 2
    assert 'style="color: red;' in message.html
    assert 'bgcolor="red"' in message.html
    assert "a:hover { color: blue }" in message.html
    assert "&lt;One&gt; <a" in message.html
    assert 'href="https://x.example/7?a=1&amp;b=2"' in message.html
    assert "</a> <b>" in " ".join(message.html.split())
    assert "Bye, Ada" in message.html
    assert "mj-" not in message.html.replace("mj-column", "").replace("mj-outlook", "").replace("mj-full", "")
    assert "data-css-inline" not in message.html
    assert "googleapis" not in message.html
    assert "link (https://x.example/7?a=1&b=2)" in message.text
    assert "Bye, Ada" in message.text


async def test_an_error_finds_the_line_and_the_snippet_in_which_it_was_written(pool: RenderPool) -> None:
    compiled = await pool.compile(mjml(MJML, snippets={"footer": FOOTER}))
    assert compiled.required_variables == ("color", "id", "items", "name", "nmae")
    context = {"color": "red", "items": [1], "id": 7, "name": "Ada", "nmae": "Ada"}
    wrong = {name: value for name, value in context.items() if name != "nmae"}
    late = {name: value for name, value in context.items() if name != "name"}
    misspelled, unnamed = await pool.render(compiled, [wrong, late])
    assert isinstance(misspelled, RenderProblem)
    assert (misspelled.variable, misspelled.line, misspelled.snippet) == ("nmae", 2, "footer")
    assert isinstance(unnamed, RenderProblem)
    assert (unnamed.variable, unnamed.line, unnamed.snippet) == ("name", 9, None)


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [
        ("<mjml><mj-body>\n<mj-section>\n</mj-body></mjml>", "template_syntax", 2),
        ("<mjml>\n<mj-head>\n<mj-attributes>{% if x %}</mj-attributes>{% endif %}</mj-head>", "template_syntax", 3),
        ("<mjml><mj-head><mj-style>a{}</mj-style>\n<mj-foo /></mj-head></mjml>", "template_syntax", 2),
        ("<mjml>\n\n{{ a b }}</mjml>", "template_syntax", 3),
        ("<mjml><mj-body>\n{% include 'nothing' %}</mj-body></mjml>", "unknown_snippet", 2),
        ("<mjml><mj-body>\n\n<mj-include path='/etc/passwd' /></mj-body></mjml>", "template_forbidden", 3),
        ("<mjml><mj-body>\n<MJ-INCLUDE path='x' /></mj-body></mjml>", "template_forbidden", 2),
        (page("\n</mj-column><mj-column width='{{ width }}'>"), "template_syntax", 2),
        ("<p>no MJML at all</p>", "template_syntax", 1),
        ("", "template_syntax", 1),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_mjml_is_said_with_its_line(
    pool: RenderPool, source: str, code: str, line: int
) -> None:
    assert await problems(pool, mjml(source)) == [(code, line, None)]


async def test_styles_of_html_move_to_their_elements_and_stay_for_what_cannot(pool: RenderPool) -> None:
    source = (
        "<html><head><style>p { color: {{ color }} } @media (max-width: 9px) { p { color: red } }</style></head>"
        "<body><table>{% for row in rows %}<tr><td><p>{{ row }}</p></td></tr>{% endfor %}</table></body></html>"
    )
    message = await rendered(pool, Template("s", source, inline_css=True), color="blue", rows=[1, 2])
    assert message.html.count('<p style="color: blue;">') == 2
    assert "@media (max-width: 9px)" in message.html
    assert message.html.index("<table>") < message.html.index("<tr>") < message.html.index("</table>")


async def test_html_without_styles_stays_as_it_was_written(pool: RenderPool) -> None:
    source = "<P>Hi {{ name }}<BR>\n<img src=x>"
    assert (await rendered(pool, Template("s", source, inline_css=True), name="Ada")).html == source.replace(
        "{{ name }}", "Ada"
    )


async def test_a_preheader_stands_first_hidden_and_only_in_html(pool: RenderPool) -> None:
    template = Template("s", "<html><body class='a'><p>Text</p></body></html>", preheader="For {{ name }} & <you>")
    message = await rendered(pool, template, name="<Ada>")
    start = message.html.index("<body class='a'>") + len("<body class='a'>")
    assert message.html[start:].startswith('<div style="display:none')
    assert "For &lt;Ada&gt; &amp; &lt;you&gt;" in message.html
    assert message.text == "Text\n"


async def test_snippets_work_in_every_part_and_in_each_other(pool: RenderPool) -> None:
    snippets = {"greeting": 'Hi {{ name }}{% include "mark" %}', "mark": "!"}
    template = Template("{% include 'greeting' %}", "<p>{%- include 'greeting' -%}</p>", "{% include 'greeting' %}",
                        snippets=snippets)  # fmt: skip
    message = await rendered(pool, template, name="<A>")
    assert (message.subject, message.html, message.text) == ("Hi <A>!", "<p>Hi &lt;A&gt;!</p>", "Hi <A>!")


@pytest.mark.parametrize(
    "source", ["{% include name %}", "{% include 'footer' ignore missing %}", "{% include ['footer'] %}",
               "{% include '../footer' %}"]
)  # fmt: skip
async def test_only_a_name_in_quotes_can_be_included(pool: RenderPool, source: str) -> None:
    with pytest.raises(TemplateSyntaxProblem):
        await pool.compile(Template("s", source, snippets={"footer": "x"}))


async def test_code_that_looks_like_markup_or_braces_comes_through(pool: RenderPool) -> None:
    source = page(
        """<mj-text>{{ '}}' }}{% if a < b and c > 'd' %}<i>{{ "<b>" }}</i>{% endif %}{# <mj-text> #}"""
        """{% raw %}{{ raw }}{% endraw %}</mj-text><mj-button href='{{ "x'y" }}'>Go</mj-button>"""
    )
    message = await rendered(pool, mjml(source), a=1, b=2, c="e")
    assert "}}<i>&lt;b&gt;</i>{{ raw }}" in message.html
    assert 'href="x&#39;y"' in message.html


async def test_plain_text_alone_has_no_html(pool: RenderPool) -> None:
    message = await rendered(pool, Template("s", "", "Hi {{ name }}", format=Format.TEXT), name="<Ada>")
    assert (message.html_bytes, message.text) == (b"", "Hi <Ada>")


async def test_code_between_attributes_comes_through_an_inliner(pool: RenderPool) -> None:
    style = "<style>p { color: red }</style>"
    chosen = await rendered(
        pool, Template("s", style + "<p {{ extra }} id={{ id }}>x</p>", inline_css=True), extra="dir", id=7
    )
    assert '<p dir id="7" style="color: red;">x</p>' in chosen.html
    source = style + '<p {% if a %}class="a"{% else %}class="b"{% endif %}>x</p>'
    kept = await rendered(pool, Template("s", source, inline_css=True), a=False)
    assert kept.html == style + '<p class="b">x</p>'


async def test_a_preheader_stands_in_the_body_that_every_client_reads(pool: RenderPool) -> None:
    html = '<html><!--[if mso]><body class="mso"><![endif]--><!--[if !mso]><!--><body><!--<![endif]-->Hi</body></html>'
    message = await rendered(pool, Template("s", html, preheader="Only today"))
    assert message.html.index("<!--[if !mso]><!--><body><div") < message.html.index("Only today")
