"""The template language that users get: jinja2's immutable sandbox without globals, with listed filters and tests."""

from collections.abc import Callable
from functools import partial
from typing import Any

from jinja2 import StrictUndefined, Undefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

from taskflow.content.jail.formats import FORMATS

FILTERS = (
    "abs", "batch", "capitalize", "center", "count", "d", "default", "dictsort", "e", "escape", "filesizeformat",
    "first", "float", "forceescape", "format", "groupby", "indent", "int", "items", "join", "last", "length", "list",
    "lower", "map", "max", "min", "reject", "rejectattr", "replace", "reverse", "round", "safe", "select",
    "selectattr", "slice", "sort", "string", "striptags", "sum", "title", "tojson", "trim", "truncate", "unique",
    "upper", "urlencode", "wordcount", "wordwrap",
)  # fmt: skip
"""Not there: `attr`, `xmlattr`, `urlize`, `pprint` (too clever for strangers), `random` (a retry must say the same)."""

TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "boolean", "defined", "divisibleby", "eq", "equalto", "even", "false", "float",
    "ge", "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan", "lower", "lt", "mapping", "ne", "none",
    "number", "odd", "sameas", "sequence", "string", "true", "undefined", "upper",
)  # fmt: skip

_PLAIN_TEXT_IDENTITY = ("e", "escape", "forceescape", "safe")


class MissingVariableUsed(UndefinedError):  # noqa: N818  # a condition of one message, not a fault of the program
    """A template used a value that this recipient does not have."""

    def __init__(self, message: str | None, variable: str | None, top_level: bool) -> None:
        """Keep the name of the variable, or of the attribute when not `top_level`."""
        super().__init__(f"'{variable}' is missing" if top_level and variable else message)
        self.variable = variable


class Missing(StrictUndefined):
    """A missing value: an error wherever it is used, except where only its truth is asked."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: Callable[..., Any] = UndefinedError,
    ) -> None:
        """Arrange for an error that knows the variable's name."""
        if exc is UndefinedError:
            exc = partial(MissingVariableUsed, variable=name, top_level=obj is missing)
        super().__init__(hint, obj, name, exc)  # type: ignore[arg-type]  # jinja2 only calls it with the message

    __bool__ = Undefined.__bool__  # type: ignore[assignment]  # lenient again, where StrictUndefined raises


def _shown(value: Any) -> Any:
    """Let nobody read the word None: a null that stands inside a value is as good as missing."""
    if value is None:
        raise MissingVariableUsed("a value is null: guard it with default('…', true)", None, top_level=False)
    return value


def environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    """Return the environment for HTML parts (escaping), or for subjects and text parts (not)."""
    made = ImmutableSandboxedEnvironment(
        autoescape=html,
        undefined=Missing,
        finalize=_shown,
        keep_trailing_newline=True,
        cache_size=0,
        auto_reload=False,
    )
    made.globals.clear()
    made.filters = {name: made.filters[name] for name in FILTERS} | FORMATS
    made.tests = {name: made.tests[name] for name in TESTS}
    if not html:
        made.filters.update(dict.fromkeys(_PLAIN_TEXT_IDENTITY, lambda value: value))
    return made
