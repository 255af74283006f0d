"""What changed between two versions: a unified diff for each part that differs."""

from difflib import unified_diff
from typing import NamedTuple

import orjson

from taskflow.content.templates.models import Version

_MOST_LINES = 4_000  # of all parts together: the comparison is quadratic
_PARTS = ("format", "subject", "preheader", "body", "text")


class Change(NamedTuple):
    """One part that differs; `locale` None: it belongs to all of them. Lines as `diff -u` writes them."""

    locale: str | None
    part: str
    diff: list[str]


def changes(old: Version, new: Version) -> list[Change]:
    """Return every part that differs, variant by variant. It may take seconds: not for an event loop."""
    comparison = _Comparison()
    before = {one.locale: one for one in old.draft.variants}
    after = {one.locale: one for one in new.draft.variants}
    for locale in sorted(before | after):
        for part in _PARTS:
            texts = [getattr(side.get(locale), part, None) for side in (before, after)]
            comparison.note(locale, part, *("" if text is None else str(text) for text in texts))
    comparison.note(None, "variables", _json(old.draft.variables), _json(new.draft.variables))
    comparison.note(None, "attachments", _json(old.draft.attachments), _json(new.draft.attachments))
    for name in sorted({**old.snippets, **new.snippets}):
        comparison.note(None, f"snippet {name}", old.snippets.get(name, ""), new.snippets.get(name, ""))
    return comparison.found


class _Comparison:
    """Collects what differs; of what is too long for it, only how long it is."""

    def __init__(self) -> None:
        self.found: list[Change] = []
        self._left = _MOST_LINES

    def note(self, locale: str | None, part: str, before: str, after: str) -> None:
        if before == after:
            return
        old, new = before.splitlines(), after.splitlines()
        if len(old) + len(new) > self._left:
            lines = [f"@@ {len(old):,} lines became {len(new):,}: too many to compare here @@"]
        else:
            self._left -= len(old) + len(new)
            lines = [line.rstrip("\n") for line in unified_diff(old, new, n=3, lineterm="")][2:]
        self.found.append(Change(locale, part, lines))


def _json(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS).decode()
