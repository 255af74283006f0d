"""Requests from configuration: text with `{{ placeholders }}`, filled in once and never read again.

No language, no code: a placeholder is a name, its value is text, and what a value holds is not looked at for further
placeholders. Where the text goes decides how a value is written: percent-encoded in a URL, as JSON in JSON, encoded in
a form; a header takes no line ends.
"""

import re
from collections.abc import Callable, Mapping, Set
from typing import Any
from urllib.parse import quote

PLACEHOLDER = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}")
_MAX_DEPTH = 20


def names_in(template: Any, depth: int = 0) -> Set[str]:
    """Return the placeholders of a text, or of all texts in a JSON value.

    Raises:
        ValueError: it is nested deeper than anybody needs.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"nested deeper than {_MAX_DEPTH} levels")
    if isinstance(template, str):
        return set(PLACEHOLDER.findall(template))
    found: set[str] = set()
    if isinstance(template, Mapping):
        for key, value in template.items():
            found |= names_in(key, depth + 1) | names_in(value, depth + 1)
    elif isinstance(template, list):
        for value in template:
            found |= names_in(value, depth + 1)
    return found


def fill(template: str, values: Mapping[str, str], written: Callable[[str], str] = str) -> str:
    """Return a text with its placeholders filled in, each value as `written` says."""
    return PLACEHOLDER.sub(lambda match: written(values[match[1]]), template)


def fill_url(template: str, values: Mapping[str, str]) -> str:
    """Return a URL with its placeholders filled in."""
    return fill(template, values, lambda value: quote(value, safe=""))


def fill_json(template: Any, values: Mapping[str, str]) -> Any:
    """Return a JSON value with the placeholders in its texts filled in; numbers and the like stay."""
    if isinstance(template, str):
        return fill(template, values)
    if isinstance(template, Mapping):
        return {fill(key, values): fill_json(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [fill_json(value, values) for value in template]
    return template
