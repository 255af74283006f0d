"""The variables that a template needs are found before anybody lacks one."""

import pytest

from taskflow.content.jail.environment import environment
from taskflow.content.jail.program import ProblemError, Program
from taskflow.content.variables import ForeignTemplateError, requirements

ENVIRONMENT = environment(html=True)

CASES = {
    "{{ a }}": ("a", ""),
    "{{ a }} {{ b.c.d }} {{ e['f'] }}": ("a b.c.d e.f", ""),
    "{{ a | upper }}": ("a", ""),
    "{{ a.upper() }}": ("a", ""),
    "{{ a | default('x') }}": ("", "a"),
    "{{ a | d(b) }}": ("b", "a"),
    "{{ a.b | default('x') }}": ("a", "a.b"),
    "{{ a | trim | default('x') }}": ("a", ""),
    "{{ a | default('x') }} {{ a }}": ("a", ""),
    "{% if a %}{{ a }}{% endif %}": ("", "a"),
    "{% if not a %}x{% else %}{{ a }}{% endif %}": ("", "a"),
    "{% if a is defined %}{{ a }}{% endif %}": ("", "a"),
    "{% if a is defined and b %}{{ a }}{{ b }}{% else %}{{ b }}{% endif %}": ("b", "a"),
    "{% if a is undefined %}x{% else %}{{ a }}{% endif %}": ("", "a"),
    "{% if not (a is undefined or b is undefined) %}{{ a }}{{ b }}{% endif %}": ("", "a b"),
    "{% if a %}x{% elif b %}{{ b }}{% else %}{{ c }}{% endif %}": ("c", "a b"),
    "{% if a is undefined %}x{% elif a == 1 %}y{% endif %}": ("", "a"),
    "{% if a == 'x' %}y{% endif %}": ("a", ""),
    "{% if a and a.b %}{{ a.b }}{% endif %}": ("", "a a.b"),
    "{{ a or 'x' }}": ("", "a"),
    "{{ a and b }}": ("a b", ""),
    "{{ a if a is defined else b }}": ("b", "a"),
    "{{ 'x' if a }}": ("", "a"),
    "{% for x in a %}{{ x.y }}{{ loop.index }}{% else %}{{ b }}{% endfor %}{{ x }}": ("a b x", ""),
    "{% for k, v in a.items() if v %}{{ k }}{{ v }}{% endfor %}": ("a", ""),
    "{% set a = b %}{{ a }}": ("b", ""),
    "{% if a is not defined %}{% set a = 'x' %}{% endif %}{{ a }}": ("", "a"),
    "{% set a %}{{ b }}{% endset %}{{ a }}": ("b", ""),
    "{% with a = b %}{{ a }}{% endwith %}{{ c }}": ("b c", ""),
    "{% macro m(x, y=d) %}{{ x }}{{ y }}{{ z }}{% endmacro %}{{ m(a) }}": ("a d z", ""),
    "{% macro m(x) %}{{ caller(x) }}{% endmacro %}{% call(v) m(a) %}{{ v }}{{ b }}{% endcall %}": ("a b", ""),
    "{% filter upper %}{{ a }}{% endfilter %}": ("a", ""),
    "{% block b %}{{ a }}{{ self.b }}{% endblock %}": ("a", ""),
    "{% raw %}{{ a }}{% endraw %}{# {{ b }} #}": ("", ""),
    "{{ größe }} {{ 名前 }}": ("größe 名前", ""),
    "{{ a[b] }}": ("a b", ""),
    "{{ [a, {'x': b}] | join(c) }}": ("a b c", ""),
}


def words(paths: frozenset[tuple[str, ...]]) -> set[str]:
    return {".".join(path) for path in paths}


@pytest.mark.parametrize("source", CASES)
def test_required_and_optional_variables_are_told_apart(source: str) -> None:
    required, optional = CASES[source]
    found = requirements(ENVIRONMENT.parse(source))
    assert words(found.required) == set(required.split())
    assert words(found.optional) == set(optional.split())


@pytest.mark.parametrize("source", [source for source, (required, _) in CASES.items() if not required])
def test_a_template_without_required_variables_renders_from_nothing(source: str) -> None:
    Program({"subject": "", "html": source, "text": None, "variables": {}}, 1000).render({})


@pytest.mark.parametrize(
    "source", ["{{ a }}", "{{ a.b | d('x') }}", "{% if a == 1 %}{% endif %}", "{% for x in a %}{% endfor %}"]
)
def test_a_required_variable_that_is_missing_is_an_error(source: str) -> None:
    with pytest.raises(ProblemError) as raised:
        Program({"subject": "", "html": source, "text": None, "variables": {}}, 1000).render({})
    assert raised.value.problems[0]["code"] == "missing_variable"


@pytest.mark.parametrize("tag", ["include 'x'", "import 'x' as y", "from 'x' import y", "extends 'x'"])
def test_tags_that_load_other_templates_are_refused(tag: str) -> None:
    with pytest.raises(ForeignTemplateError):
        requirements(ENVIRONMENT.parse("{% " + tag + " %}"))
