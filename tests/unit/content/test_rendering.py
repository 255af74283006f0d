"""What a good template becomes."""

import asyncio

import pytest

from taskflow.content.errors import TemplateSyntaxProblem
from taskflow.content.rendering import Rendered, RenderPool, RenderProblem, Template
from taskflow.content.rendering.models import Part, ProblemCode, TextSource
from taskflow.settings import CampaignSettings


async def render(pool: RenderPool, template: Template, **context: object) -> Rendered:
    [result] = await pool.render(await pool.compile(template), [context])
    assert isinstance(result, Rendered), result
    return result


async def test_html_is_escaped_and_subject_and_text_are_not(pool: RenderPool) -> None:
    message = await render(
        pool, Template("Hi {{ name }}", "<p>{{ name }}</p>", "Hi {{ name | e }}"), name="<Zoë & 'Ψ'>"
    )
    assert message.subject == "Hi <Zoë & 'Ψ'>"
    assert message.html == "<p>&lt;Zoë &amp; &#39;Ψ&#39;&gt;</p>"
    assert message.text == "Hi <Zoë & 'Ψ'>"
    assert message.html_bytes.decode() == message.html


@pytest.mark.parametrize(
    "evil", ["a\r\nBcc: x@example.com", "a\nb", "a\rb", "a\u2028b", "a\x00b", "a\x85b", "\r\na\r\n\r\n"]
)
async def test_a_subject_is_one_line(pool: RenderPool, evil: str) -> None:
    subject = (await render(pool, Template("{{ x }} end", "b"), x=evil)).subject
    assert subject.isprintable()
    assert subject.startswith("a ")
    assert subject.endswith(" end")


async def test_campaign_variables_are_everyones_and_a_recipients_own_value_wins(pool: RenderPool) -> None:
    template = Template("s", "{{ shop }} {{ city }}", variables={"shop": "Acme", "city": "Ulm"})
    compiled = await pool.compile(template)
    assert compiled.required_variables == ()
    results = await pool.render(compiled, [{}, {"city": "Bonn"}])
    assert [result.html for result in results if isinstance(result, Rendered)] == ["Acme Ulm", "Acme Bonn"]


async def test_a_missing_variable_names_itself_its_part_and_its_line(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "one\ntwo {{ nmae }}"))
    assert compiled.required_variables == ("nmae",)
    good_and_bad = await pool.render(compiled, [{"nmae": "x"}, {"name": "x"}])
    assert isinstance(good_and_bad[0], Rendered)
    problem = good_and_bad[1]
    assert isinstance(problem, RenderProblem)
    assert (problem.code, problem.part, problem.line, problem.variable) == (
        ProblemCode.MISSING_VARIABLE,
        Part.HTML,
        2,
        "nmae",
    )


async def test_a_runtime_error_belongs_to_its_recipient(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "{{ 10 // n }}"))
    good, bad = await pool.render(compiled, [{"n": 5}, {"n": 0}])
    assert isinstance(good, Rendered)
    assert isinstance(bad, RenderProblem)
    assert bad.code == ProblemCode.TEMPLATE_ERROR
    assert "division" in bad.message


async def test_every_parts_syntax_error_is_reported_with_its_line(pool: RenderPool) -> None:
    with pytest.raises(TemplateSyntaxProblem) as raised:
        await pool.compile(Template("{{ a", "x\ny\n{% if %}", "{{ b|nofilter }}"))
    found = [(problem["part"], problem["line"]) for problem in raised.value.context["problems"]]
    assert found == [("subject", 1), ("html", 3), ("text", 1)]
    assert "subject template, line 1" in str(raised.value)


async def test_text_comes_from_the_html_template_once(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", '<h1>Hi {{ name }}</h1><a href="https://x.example/{{ id }}">shop</a>'))
    assert compiled.text_source == TextSource.TEMPLATE
    [message] = await pool.render(compiled, [{"name": "<A>", "id": 7}])
    assert isinstance(message, Rendered)
    assert message.text == "Hi <A>\n\nshop (https://x.example/7)\n"


async def test_text_comes_from_each_message_when_the_template_inserts_markup(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "<p>{{ block | safe }}</p>"))
    assert compiled.text_source == TextSource.MESSAGE
    [message] = await pool.render(compiled, [{"block": "<b>5 &euro;</b>"}])
    assert isinstance(message, Rendered)
    assert message.text == "5 €\n"


async def test_large_calls_and_many_callers_keep_the_order() -> None:
    async with RenderPool(CampaignSettings(), 2) as pool:
        compiled = await pool.compile(Template("{{ n }}", "{{ n }}" + "x" * 5000))
        calls = [pool.render(compiled, [{"n": call * 1000 + n} for n in range(700)]) for call in range(5)]
        for call, results in enumerate(await asyncio.gather(*calls)):
            numbers = [result.subject for result in results if isinstance(result, Rendered)]
            assert numbers == [str(call * 1000 + n) for n in range(700)]


async def test_nothing_to_render_is_nothing(pool: RenderPool) -> None:
    assert await pool.render(await pool.compile(Template("", "")), []) == []
    message = await render(pool, Template("", ""))
    assert (message.subject, message.html, message.text) == ("", "", "\n")


@pytest.mark.parametrize("part", ["subject", "html", "text"])
async def test_nobody_reads_the_word_none_where_a_value_is_null(pool: RenderPool, part: str) -> None:
    sources = {"subject": "s", "html": "<p>h</p>", "text": "t"} | {part: "Total: {{ order.total }}"}
    [null, given] = await pool.render(
        await pool.compile(Template(**sources)), [{"order": {"total": None}}, {"order": {"total": 3}}]
    )
    assert isinstance(null, RenderProblem)
    assert (null.code, null.part) == (ProblemCode.MISSING_VARIABLE, part)
    assert isinstance(given, Rendered)
    guarded = await render(
        pool, Template("s", "{{ x | default('-', true) }}{% if x is none %} none{% endif %}"), x=None
    )
    assert guarded.html == "- none"


async def test_a_name_with_a_dot_in_it_is_not_taken_for_two(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "{{ order['net.total'] }}{{ order['net.tax'] }}{{ order.a.b }}"))
    assert compiled.required_paths == ("order", "order.a.b")


async def test_words_that_were_compiled_lately_are_not_compiled_again(pool: RenderPool) -> None:
    first = await pool.compile(Template("s", "{{ name }}, of late"))
    assert await pool.compile(Template("s", "{{ name }}, of late")) is first
    assert await pool.compile(Template("s", "{{ name }}, of late", "given")) is not first
    assert (await render(pool, Template("s", "{{ name }}, of late"), name="Zoë")).html == "Zoë, of late"
