"""The text part says what the HTML part shows."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.content.jail.program import Program
from taskflow.content.plain_text import NotConvertibleError, html_to_text, template_to_text

CASES = {
    "<p>One</p><p>Two</p>": "One\n\nTwo\n",
    "a<br>b<br><br>c": "a\nb\n\nc\n",
    "  lots \n of   space ": "lots of space\n",
    "<b>Bold</b>, <i>it</i>alic": "Bold, italic\n",
    "<a href='https://x.example/?a=1&amp;b=2'>shop</a>.": "shop (https://x.example/?a=1&b=2).\n",
    "<a href='https://x.example'>https://x.example</a>": "https://x.example\n",
    "<a href='mailto:a@example.com'>a@example.com</a>": "a@example.com\n",
    "<a href='#top'>up</a>": "up\n",
    "<a href='https://x.example'><img src=x alt='Our logo'></a>": "Our logo (https://x.example)\n",
    "<ul><li>one</li><li>two</li></ul>": "- one\n- two\n",
    "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>": "a b\nc\n",
    "<head><title>t</title><style>p{}</style></head><body>x<script>y</script></body>": "x\n",
    "<div style='display: none'>preheader</div>x": "x\n",
    "x<span hidden>y</span>": "x\n",
    "<pre>a\n  b</pre>": "a\n  b\n",
    "5&nbsp;&euro; &lt;b&gt;": "5 € <b>\n",
    "a<hr>b": "a\n--------------------\nb\n",
    "": "\n",
}


@pytest.mark.parametrize("html", CASES)
def test_html_becomes_text(html: str) -> None:
    assert html_to_text(html) == CASES[html]


TEMPLATES = [
    "<p>Hello {{ name }}, <b>{{ city }}</b>!</p>",
    "<table>{% for x in items %}<tr><td>{{ x }}</td><td>{{ loop.index }}</td></tr>{% endfor %}</table><p>end</p>",
    "{% if city %}<p>In {{ city }}</p>{% else %}<p>nowhere</p>{% endif %}<p>x</p>",
    "<a href='https://x.example/{{ city }}?a=b'>go to {{ city }}</a> now",
    "<p {% if city %}style='color:red'{% endif %}>{{ name }}</p>",
    "<p title='a > b'>{{ name }}</p><!-- note {{ city }} -->z",
    "<ul>{% for x in items %}<li>{{ x }}</li>{% endfor %}</ul>",
    "{# a note #}<p>{{ name | upper }}{% set y = 'q' %}{{ y }}</p>",
    "<style>p { color: {{ city }} }</style><p>x</p>",
    "<!doctype html>{% set z = 'q' %}<html><head>{% set y = 'r' %}<title>x</title></head><body>{{ y }}{{ z }}</body>",
    "<!-- {% if city %} --><p>a</p><!-- {% else %} --><p>b</p><!-- {% endif %} -->",
    "<!--[if mso]><p>{{ city }}</p><![endif]--><p>x</p>",
    "<p>Dear {% if city %}{{ name }}{% endif %}, hi</p>",
]
VALUES = {"name": "Zoë", "city": "Köln", "items": ["one", "two"]}


@pytest.mark.parametrize("source", TEMPLATES)
def test_converting_the_template_says_the_same_as_converting_the_message(source: str) -> None:
    program = Program({"subject": "", "html": source, "text": None, "variables": {}}, 10_000)
    assert program.text_source == "template"
    _, html, text = program.render(VALUES)
    assert text.decode().split() == html_to_text(html.decode()).split()


@pytest.mark.parametrize(
    "source", ["{{ x | safe }}", "{% autoescape false %}{{ x }}{% endautoescape %}", "{% raw %}{{ x }}{% endraw %}"]
)
def test_templates_that_cannot_be_converted_say_so(source: str) -> None:
    with pytest.raises(NotConvertibleError):
        template_to_text(source)


@given(st.text(alphabet="<>/abp =\"'!-&;{}%#\n", max_size=200))
def test_no_html_and_no_template_breaks_the_converter(source: str) -> None:
    html_to_text(source)
    with contextlib.suppress(NotConvertibleError):
        template_to_text(source)


@pytest.mark.parametrize("depth", [240, 5000])
def test_deep_nesting_is_text_or_a_clear_error(depth: int) -> None:
    html = "<div>" * depth + "x"
    if depth < 250:
        assert html_to_text(html) == "x\n"
    else:
        with pytest.raises(RecursionError):
            html_to_text(html)
