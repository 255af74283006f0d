"""Dates, money and numbers as the recipient's country writes them."""

import pytest

from taskflow.content.jail.formats import FORMATS
from taskflow.content.rendering import Rendered, RenderPool, RenderProblem, Template
from taskflow.content.variables import PASSES_MISSING

VALUES = {"day": "2026-11-27", "at": "2026-11-27T23:30:00Z", "sum": 1234.5, "text": "0.256", "name": "Ada"}


async def shown(pool: RenderPool, source: str, language: str | None = None, **values: object) -> str:
    """What one recipient reads; spaces that do not break become plain ones."""
    compiled = await pool.compile(Template("s", "", source, format="text", locale=language))
    [result] = await pool.render(compiled, [VALUES | values])
    return " ".join(result.text.split()) if isinstance(result, Rendered) else f"refused: {result.message}"


@pytest.mark.parametrize(
    ("source", "template", "own", "expected"),
    [
        ("{{ day | date }}", "en", None, "Nov 27, 2026"),
        ("{{ day | date('full') }}", "de", None, "Freitag, 27. November 2026"),
        ("{{ day | date('short') }}", "en", "en-GB", "27/11/2026"),
        ("{{ sum | money('EUR') }}", "de", "de-AT", "€ 1.234,50"),
        ("{{ sum | money('eur') }}", "de", "de_CH", "EUR 1'234.50"),
        ("{{ sum | money('JPY') }}", "ja", None, "￥1,234"),
        ("{{ sum | number }}", "fr", None, "1 234,5"),
        ("{{ 1234567.891 | number(1) }}", "hi", None, "12,34,567.9"),
        ("{{ text | percent }} {{ text | percent(1) }}", "en", None, "26% 25.6%"),
        ("{{ text | percent(1) }}", "de", None, "25,6 %"),
        ("{{ '18:05' | time }}", "en", "en-US", "6:05 PM"),
        ("{{ at | datetime('short') }}", "de", None, "27.11.26, 23:30"),
    ],
)
async def test_values_are_written_as_the_locale_does(
    pool: RenderPool, source: str, template: str, own: str | None, expected: str
) -> None:
    assert await shown(pool, source, template, **({"locale": own} if own else {})) == expected


async def test_the_text_decides_the_language_and_the_recipient_the_country(pool: RenderPool) -> None:
    assert await shown(pool, "{{ sum | number }}", "en", locale="de-DE") == "1,234.5"
    assert await shown(pool, "{{ sum | number }}", None, locale="de-DE") == "1.234,5"
    for nonsense in ("", "xx-YY", "de-AT-" + "x" * 500, "../../etc", 7, None, ["de"], "tlh"):
        assert await shown(pool, "{{ sum | number }}", "de", locale=nonsense) == "1.234,5"


async def test_an_instant_is_shown_in_the_recipients_time_zone(pool: RenderPool) -> None:
    assert await shown(pool, "{{ at | datetime('short') }}", "de", time_zone="Europe/Vienna") == "28.11.26, 00:30"
    assert await shown(pool, "{{ at | time }}", "en", time_zone="Asia/Tokyo") == "8:30 AM"
    assert await shown(pool, "{{ at | date }}", "en", time_zone="../../etc/passwd") == "Nov 27, 2026"
    assert await shown(pool, "{{ day | date }}", "en", time_zone="Pacific/Kiritimati") == "Nov 27, 2026"


async def test_neighbours_do_not_share_a_locale(pool: RenderPool) -> None:
    compiled = await pool.compile(Template("s", "", "{{ 1234.5 | number }}", format="text"))
    results = await pool.render(compiled, [{"locale": tag} for tag in ("de", "en", "fr", "de")])
    assert [" ".join(result.text.split()) for result in results if isinstance(result, Rendered)] == [
        "1.234,5", "1,234.5", "1 234,5", "1.234,5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "source",
    ["{{ name | date }}", "{{ '2026-02-30' | date }}", "{{ 7 | date }}", "{{ day | time }}", "{{ day | datetime }}",
     "{{ name | number }}", "{{ true | number }}", "{{ '1e9999' | number }}", "{{ 'NaN' | money('EUR') }}",
     "{{ '1' * 60 | number }}", "{{ ('1' * 60) | number }}", "{{ sum | money('€') }}", "{{ sum | money(7) }}",
     "{{ sum | number(99) }}", "{{ sum | number('0' * 9) }}", "{{ day | date('yyyy' * 99) }}", "{{ [] | number }}",
     "{{ sum | money }}", "{{ 1e-300 | number }}"],
)  # fmt: skip
async def test_what_cannot_be_read_is_an_error_of_this_message_and_no_guess(pool: RenderPool, source: str) -> None:
    compiled = await pool.compile(Template("s", "", source, format="text"))
    [result] = await pool.render(compiled, [VALUES])
    assert isinstance(result, RenderProblem), result


async def test_a_missing_value_stays_missing_behind_a_format(pool: RenderPool) -> None:
    source = "{{ renewal | date('long') | default('soon') }} {{ bonus | money('EUR') | d('-') }}"
    compiled = await pool.compile(Template("s", "", source, format="text"))
    assert (compiled.required_variables, compiled.optional_variables) == ((), ("bonus", "renewal"))
    assert await shown(pool, source) == "soon -"
    assert await shown(pool, "{{ renewal | date }}") == "refused: 'renewal' is missing"


def test_every_format_passes_on_what_is_missing() -> None:
    assert FORMATS.keys() == PASSES_MISSING
