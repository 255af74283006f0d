"""Code that is hidden comes back as it was, where it was; locales fall back one step at a time."""

from hypothesis import given
from hypothesis import strategies as st

from taskflow.content.jail.environment import environment
from taskflow.content.jail.pieces import Listing, Piece, Veil, assemble
from taskflow.content.rendering import Template
from taskflow.content.templates.models import Content

ENVIRONMENT = environment(html=True)

markup = st.sampled_from(
    ["<p>", "</p>", "<a href='", "'>", '<td class="', '">', "<!--", "-->", "<style>", "</style>", "<title>", "</title>",
     "\n", " ", "words", "<", ">", "é&amp;", "<br/>", "<mj-title>", "</mj-title>", "tf0x0z", "<!--tf0x0z-->"]
)  # fmt: skip
code = st.sampled_from(
    ["{{ a }}", "{{ '}}' }}", '{{ a | d("<b>") }}', "{% if a %}", "{% endif %}", "{%- set x = '%}' -%}",
     "{% raw %}{{ <b> }}{% endraw %}", "{{\n a\n}}"]
)  # fmt: skip
sources = st.lists(markup | code, max_size=40).map("".join)


def joined(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


@given(sources)
def test_what_is_hidden_comes_back_as_it_was(source: str) -> None:
    pieces = assemble(ENVIRONMENT, source, {})
    veil = Veil()
    hidden = "".join(veil.hide(pieces))
    assert not any(braces in hidden for braces in ("{{", "{%")) or len(pieces) == 1
    assert veil.lost(hidden) is None
    assert joined(veil.lift(hidden)) == joined(pieces)


@given(sources)
def test_every_line_knows_where_it_was_written(source: str) -> None:
    pieces = assemble(ENVIRONMENT, source, {})
    spread = Listing(pieces, spread=True)
    for number in range(1, spread.text.count("\n") + 2):
        origin = spread.origin(number)
        assert origin is not None
        assert 1 <= origin.line <= source.count("\n") + 1


tags = st.sampled_from(
    ["de", "de-AT", "de-AT-x", "en", "en-GB", "zh-Hant-TW", "zh-Hant", "zh", "fr", "DE_at", "", "xx"]
)


@given(st.sets(tags.filter(lambda tag: tag and "_" not in tag), min_size=1), tags, st.data())
def test_a_locale_falls_back_to_its_nearest_parent_and_then_to_the_default(
    known: set[str], wanted: str, data: st.DataObject
) -> None:
    default = data.draw(st.sampled_from(sorted(known)))
    content = Content(default, {tag: Template("s", "b") for tag in known})
    lowered = {tag.lower(): tag for tag in known}
    parts = wanted.replace("_", "-").lower().split("-")
    parents = ["-".join(parts[:length]) for length in range(len(parts), 0, -1)]
    expected = next((lowered[parent] for parent in parents if parent in lowered), default)
    assert content.choose(wanted) == expected
    assert content.choose(None) == content.choose(7) == default
