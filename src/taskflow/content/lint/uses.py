"""Where a template uses its variables, found in one walk: sources may be long, and made to slow us down."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from taskflow.content.rendering import Template

_WORD = re.compile(r"(\|\s*)?(?<![\w.'\"])([A-Za-z_][\w.]*)(?:\s*\|\s*(\w+))?")
_ENDS = {"{{": "}}", "{%": "%}"}
_BEGIN = re.compile(r"\{[{%]")


class Use(NamedTuple):
    """The first use of a variable, and the filter that stands behind it there."""

    part: str
    line: int
    snippet: str | None
    filter: str | None


def uses(source: Template) -> dict[str, Use]:
    """Return the first use of each path (`order.total`) and of each name (`order`)."""
    found: dict[str, Use] = {}
    texts = (
        ("subject", source.subject, None),
        ("html", source.html, None),
        ("text", source.text or "", None),
        ("preheader", source.preheader or "", None),
        *(("html", body, name) for name, body in source.snippets.items()),
    )
    for part, text, snippet in texts:
        for first_line, code in _codes(text):
            line, read = first_line, 0
            for word in _WORD.finditer(code):
                line += code.count("\n", read, word.start(2))
                read = word.start(2)
                if word[1] or word[2] in found:  # a filter's name, or not the first
                    continue
                use = Use(part, line, snippet, word[3])
                found[word[2]] = use
                found.setdefault(word[2].partition(".")[0], use)
    return found


def _codes(text: str) -> Iterator[tuple[int, str]]:
    """Yield each piece of code with the line on which it begins."""
    place, line = 0, 1
    while (begin := _BEGIN.search(text, place)) is not None:
        end = text.find(_ENDS[begin[0]], begin.end())
        if end < 0:
            return
        line += text.count("\n", place, begin.start())
        code = text[begin.end() : end]
        yield line, code
        line += code.count("\n")
        place = end
