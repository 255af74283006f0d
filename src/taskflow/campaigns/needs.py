"""What a template asks of every recipient: the variables of each of its variants, and who reads which."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from taskflow.campaigns.models import MissingVariable
from taskflow.content.rendering import CompiledTemplate
from taskflow.content.templates.words import Words


@dataclass(frozen=True, slots=True)
class Needs:
    """The paths (`name`, `order.total`) that each locale's variant needs; `default`: read by all other locales.

    It is kept with a campaign whose audience is chosen later, where nothing is at hand that could compile its template.
    """

    locales: tuple[str, ...]
    default: str
    paths: Mapping[str, list[str]]

    @classmethod
    def of(cls, compiled: Mapping[str, CompiledTemplate], default: str) -> Self:
        """Read a compiled template; variants that need nothing are left out of `paths`."""
        paths = {
            locale: sorted({*one.required_variables, *one.required_paths})
            for locale, one in compiled.items()
            if one.required_variables
        }
        return cls(tuple(compiled), default, paths)

    @property
    def names(self) -> list[str]:
        """The top-level names that the only variant needs: they decide quickly about almost everybody."""
        return [path for path in self.paths[self.default] if "." not in path]

    def pairs(self) -> tuple[list[str], list[str]]:
        """Return every path, and beside it the variant that it belongs to."""
        found = [(path, locale) for locale, paths in self.paths.items() for path in paths]
        return [path for path, _ in found], [locale for _, locale in found]

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"locales": list(self.locales), "default": self.default, "paths": dict(self.paths)}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(tuple(given["locales"]), given["default"], given["paths"])


def needs_of(words: Words) -> Needs:
    """Return what words ask of every recipient."""
    return Needs.of(words.compiled, words.content.default_locale)


def outermost(found: list[MissingVariable]) -> list[MissingVariable]:
    """Drop `order.total` where `order` is missing in just as many rows: it is the same gap."""
    counts = {item.variable: item.count for item in found}
    return [item for item in found if counts.get(item.variable.rpartition(".")[0]) != item.count]


def sentence(missing: list[MissingVariable]) -> str:
    """Say what is missing, and where first."""
    first = missing[0]
    where = f"first in row {first.row_number:,} ({first.email})" if first.row_number else f"such as {first.email}"
    others = f" Also missing: {', '.join(item.variable for item in missing[1:])}." if len(missing) > 1 else ""
    rows = "1 recipient lacks" if first.count == 1 else f"{first.count:,} recipients lack"
    return f"{rows} the variable '{first.variable}', {where}.{others}"
