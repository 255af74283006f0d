"""Variables are found where they stand, in one walk, however long a source is."""

import pytest

from taskflow.base.errors import TaskFlowError
from taskflow.content.lint.uses import Use, uses
from taskflow.content.rendering import RenderPool, Template


def test_the_first_use_of_each_variable_is_found() -> None:
    source = Template(
        "{{ a }}",
        "one\n{% if order.total %}{{ order.total | money('EUR') }}\n{{ 'quoted' | d(b) }}{% endif %}\n{{\n c | date }}",
        snippets={"foot": "x\n{{ d }}"},
    )
    found = uses(source)
    assert found["a"] == Use("subject", 1, None, None)
    assert found["order.total"] == found["order"] == Use("html", 2, None, None)
    assert found["b"][:2] == ("html", 3)
    assert found["c"] == Use("html", 5, None, "date")
    assert found["d"] == Use("html", 2, "foot", None)
    assert "quoted" not in found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("{{ " * 170_000, 0),
        ("{% raw %}" + "{{" * 250_000, 1),
        ("{{ " + "a" * 500_000, 0),
        ("{{ a" + " " * 500_000, 0),
        ("{{a|a}}" * 70_000, 1),
        ("{{ '" + "\n".join(f"w{n}" for n in range(80_000)) + "' }}", 79_999),
    ],
)
def test_a_source_made_to_slow_us_down_does_not(text: str, names: int) -> None:
    """More than one walk over these (a look ahead at each word, a count of lines from the top) would take hours."""
    assert len(uses(Template("s", text))) == names


async def test_a_template_with_thousands_of_variables_is_refused(pool: RenderPool) -> None:
    with pytest.raises(TaskFlowError) as raised:
        await pool.compile(Template("s", "".join(f"{{{{ v{number} }}}}" for number in range(1_001))))
    assert "more than 1,000 variables" in str(raised.value)
