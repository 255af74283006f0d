"""Rules about variables: who lacks what, and what was probably meant."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from taskflow.content.lint.findings import Finding, Severity
from taskflow.content.lint.uses import Use, uses
from taskflow.content.rendering import CompiledTemplate
from taskflow.content.variables import SUPPLIED

_MOST_NAMES = 1_000
_MOST_SUGGESTIONS = 25
_ALWAYS = frozenset({"email", "phone", "locale", "time_zone", "unsubscribe_url"})


def lint_variables(
    locale: str, compiled: CompiledTemplate, people: Sequence[tuple[str, Mapping[str, Any]]], meant: "Suggestions"
) -> list[Finding]:
    """Return what people lack of what a variant needs, and names that nobody has.

    `people`: (who, values) of those who get this variant; `meant`: of all variants of a content.
    """
    names = meant.names | compiled.source.variables.keys()
    found = [*_missing(compiled, people, meant), *_unknown(compiled, names, meant)]
    places = uses(compiled.source)
    return [_placed(replace(finding, locale=locale or None), places) for finding in found]


class Suggestions:
    """What was probably meant; comparing words is slow, so only for the first few of all variants together."""

    def __init__(self, known: frozenset[str]) -> None:
        """`known`: names that contacts have here, or that hold for everybody."""
        self.names = known | _ALWAYS | SUPPLIED
        self._listed = sorted(self.names)[:_MOST_NAMES]
        self._left = _MOST_SUGGESTIONS

    def sentence(self, name: str) -> str:
        """Return the question, or nothing."""
        if name in self.names or self._left == 0:
            return ""
        self._left -= 1
        close = get_close_matches(name[:100], self._listed, n=1, cutoff=0.7)
        return f" Did you mean '{close[0]}'?" if close else ""


def _missing(
    compiled: CompiledTemplate, people: Sequence[tuple[str, Mapping[str, Any]]], meant: Suggestions
) -> Iterator[Finding]:
    for path in compiled.required_paths:
        lacking = [who for who, values in people if not _has(values, path.split("."))]
        if not lacking:
            continue
        who = lacking[0] if len(lacking) == 1 else f"{len(lacking):,} of {len(people):,}, first {lacking[0]}"
        verb = "lacks" if len(lacking) == 1 else "lack"
        message = f"{who} {verb} '{path}'.{meant.sentence(path.partition('.')[0])}"
        yield Finding("missing_variable", Severity.ERROR, message, variable=path, count=len(lacking))


def _unknown(compiled: CompiledTemplate, names: frozenset[str], meant: Suggestions) -> Iterator[Finding]:
    for name in (*compiled.required_variables, *compiled.optional_variables):
        if name not in names:
            message = f"No contact has '{name}'.{meant.sentence(name)}"
            yield Finding("unknown_variable", Severity.WARNING, message, variable=name)


def _has(values: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(values, Mapping) or values.get(name) is None:
            return False
        values = values[name]
    return True


def _placed(finding: Finding, places: Mapping[str, Use]) -> Finding:
    """Say where a variable stands first."""
    path = finding.variable or ""
    use = places.get(path) or places.get(path.partition(".")[0])
    return replace(finding, part=use.part, line=use.line, snippet=use.snippet) if use else finding
