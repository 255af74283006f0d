"""Rules about variables: who lacks what, and what was probably meant."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from taskflow.content.lint.findings import Finding, Severity
from taskflow.content.rendering import CompiledTemplate, Template
from taskflow.content.variables import SUPPLIED

_ALWAYS = frozenset({"email", "phone", "locale", "time_zone", "unsubscribe_url"})


def lint_variables(
    locale: str, compiled: CompiledTemplate, people: Sequence[tuple[str, Mapping[str, Any]]], known: frozenset[str]
) -> list[Finding]:
    """Return what people lack of what a variant needs, and names that nobody has.

    `people`: (who, values) of those who get this variant; `known`: names that contacts have here.
    """
    names = known | _ALWAYS | SUPPLIED | compiled.source.variables.keys()
    found = [*_missing(compiled, people, names), *_unknown(compiled, names)]
    return [_placed(replace(finding, locale=locale or None), compiled.source) for finding in found]


def _missing(
    compiled: CompiledTemplate, people: Sequence[tuple[str, Mapping[str, Any]]], names: frozenset[str]
) -> Iterator[Finding]:
    for path in compiled.required_paths:
        lacking = [who for who, values in people if not _has(values, path.split("."))]
        if not lacking:
            continue
        who = lacking[0] if len(lacking) == 1 else f"{len(lacking):,} of {len(people):,}, first {lacking[0]}"
        verb = "lacks" if len(lacking) == 1 else "lack"
        message = f"{who} {verb} '{path}'.{_meant(path.partition('.')[0], names)}"
        yield Finding("missing_variable", Severity.ERROR, message, variable=path, count=len(lacking))


def _unknown(compiled: CompiledTemplate, names: frozenset[str]) -> Iterator[Finding]:
    for name in (*compiled.required_variables, *compiled.optional_variables):
        if name not in names:
            message = f"No contact has '{name}'.{_meant(name, names)}"
            yield Finding("unknown_variable", Severity.WARNING, message, variable=name)


def _meant(name: str, names: frozenset[str]) -> str:
    if name in names:
        return ""
    close = get_close_matches(name, sorted(names), n=1, cutoff=0.7)
    return f" Did you mean '{close[0]}'?" if close else ""


def _has(values: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(values, Mapping) or values.get(name) is None:
            return False
        values = values[name]
    return True


def _placed(finding: Finding, source: Template) -> Finding:
    """Say where a variable stands first."""
    word = re.compile(rf"\{{[{{%][^}}]*(?<![\w.'\"]){re.escape((finding.variable or '').partition('.')[0])}\b")
    places = [
        ("subject", source.subject, None),
        ("html", source.html, None),
        ("text", source.text or "", None),
        ("preheader", source.preheader or "", None),
        *(("html", body, name) for name, body in source.snippets.items()),
    ]
    for part, text, snippet in places:
        for number, line in enumerate(text.splitlines(), 1):
            if word.search(line):
                return replace(finding, part=part, line=number, snippet=snippet)
    return finding
