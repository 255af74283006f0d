"""Somebody made up, to try a message on."""

from collections.abc import Mapping
from typing import Any

from taskflow.base.ids import uuid7
from taskflow.campaigns.composer import Addressee
from taskflow.content.lint.uses import uses
from taskflow.content.templates.words import Words

SAMPLE_ADDRESS = "someone@example.com"
_FITTING = {
    **dict.fromkeys(("date", "datetime", "time"), "2026-01-31T09:00:00Z"),
    **dict.fromkeys(("money", "number", "percent"), 1),
}


def sample_person(values: Mapping[str, Any]) -> Addressee:
    """Return somebody with these values."""
    email = values.get("email")
    return Addressee(uuid7(), email if isinstance(email, str) and "@" in email else SAMPLE_ADDRESS, values)


def samples(words: Words) -> list[Addressee]:
    """Return somebody for each variant who has all that it needs, so that it can be looked at without any contact."""
    people: list[Addressee] = []
    for locale, compiled in words.compiled.items():
        values: dict[str, Any] = {"locale": locale} if locale else {}
        places = uses(compiled.source)
        for path in sorted(compiled.required_paths):
            *parents, name = path.split(".")
            place = values
            for parent in parents:
                inner = place.get(parent)
                place[parent] = place = inner if isinstance(inner, dict) else {}
            use = places.get(path)
            place[name] = _FITTING.get(use.filter or "", name) if use else name
        people.append(sample_person(values))
    return people
