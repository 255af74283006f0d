"""A message's templates compiled in the jail, and how one message comes out of them.

Each part is put together with its snippets; MJML becomes HTML and styles move to their elements (`markup`); then
jinja2 compiles what has become of it. All that happens once, so that a recipient costs no more than plain HTML does.
"""

import contextlib
import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.environment import Environment
from jinja2.exceptions import SecurityError

from taskflow.content.jail import locales
from taskflow.content.jail.environment import MissingVariableUsed, environment
from taskflow.content.jail.formats import FormatError, reader
from taskflow.content.jail.inspection import inspect
from taskflow.content.jail.markup import compile_markup
from taskflow.content.jail.pieces import AssemblyError, Listing, Origin, Piece, assemble
from taskflow.content.plain_text import NotConvertibleError, html_to_text, template_to_text
from taskflow.content.variables import ForeignTemplateError, Requirements, requirements

Problem = dict[str, Any]

_HTML = environment(html=True)
_PLAIN = environment(html=False)
_MOST_VARIABLES = 1_000
_CONTROL_RUNS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class ProblemError(Exception):
    """A template or a message failed; `problems` is what the keeper gets."""

    def __init__(self, *problems: Problem) -> None:
        """Keep the problems."""
        super().__init__()
        self.problems = problems


def warm_up() -> None:
    """Use every lazily imported module and codec once: behind the locked door there are no files to import from."""
    importlib.import_module("jinja2.debug")
    locales.preload()
    sources: dict[str, Any] = {
        "subject": "{{ 'é\\n' | upper }}",
        "html": "<p>{% for x in [3, 1.5] | sort %}{{ x | tojson }}{{ y | d('-') | urlencode }}{% endfor %}</p>",
        "text": None,
        "variables": {"when": "2026-11-27T18:30:00Z", "time_zone": "Europe/Vienna", "locale": "de-AT"},
    }
    Program(sources, 1000).render({})
    formats = (
        "{{ when | date('full') }}{{ when | datetime }}{{ when | time }}{{ 1.5 | money('EUR') }}{{ 2 | number(1) }}"
    )
    Program({**sources, "html": formats + "{{ 0.5 | percent }}"}, 10_000).render({})
    mjml = "<mjml><mj-head><mj-style>p{color:red}</mj-style></mj-head><mj-body><!--x--></mj-body></mjml>"
    for markup in (mjml, "<mjml><mj-body>", "<mjml><mj-include /></mjml>", "<mjml></mj-body>"):
        with contextlib.suppress(ProblemError):
            Program({**sources, "html": markup, "format": "mjml", "inline_css": True, "preheader": "x"}, 10_000)
    inspect("<a href=x>x</a><img src=x>")
    for broken in (
        "{{ missing }}",
        "{{ 1 // 0 }}",
        "{{ ''.__class__ }}",
        "{{ 'a' | wordwrap('x') }}",
        "{{ 'é'.encode('x') }}",
        "{{ 'x' | date }}",
        "{{ 'x' | number }}",
    ):
        with contextlib.suppress(ProblemError):
            Program({**sources, "html": broken}, 1000).render({})
    for wrong in ("{{", "{% if %}", "{{ 'a' | nofilter }}", "{% include 'nothing' %}"):
        with contextlib.suppress(ProblemError):
            Program({**sources, "html": wrong}, 1000)


def limit(message: str, part: str | None = None) -> Problem:
    """Return the problem of something that grew too large, too slow or too deep."""
    return {"code": "template_limit", "message": message, "part": part}


class Program:
    """Compiled subject, HTML and text."""

    def __init__(self, source: dict[str, Any], output_limit: int) -> None:
        """Compile what COMPILE brings; no part may render to more than `output_limit` bytes.

        Raises:
            ProblemError: with every part's syntax error.
            MemoryError: it does not fit into the jail.
        """
        self._variables: dict[str, Any] = source["variables"]
        self._locale: str | None = source.get("locale")
        self._output_limit = output_limit
        problems: list[Problem] = []
        trees: dict[str, nodes.Template] = {}
        compiled: dict[str, Template] = {}
        self._listings: dict[str, Listing] = {}
        for part in ("subject", "html", "text"):
            if source[part] is None:
                continue
            env = _HTML if part == "html" else _PLAIN
            try:
                listing = self._listings[part] = _listing(env, source, part)
                trees[part], compiled[part] = _compile(env, listing, part)
            except ProblemError as error:
                problems += error.problems
        if problems:
            raise ProblemError(*problems)
        self.size = sum(len(listing.text) for listing in self._listings.values())
        self.requirements: Requirements = requirements(*trees.values())
        if len(self.requirements.required) + len(self.requirements.optional) > _MOST_VARIABLES:
            raise ProblemError(limit(f"it uses more than {_MOST_VARIABLES:,} variables"))
        self.text_source = "given"
        if source["text"] is None:
            text = _text_program(self._listings["html"].text)
            self.text_source = "template" if text else "message"
            if text:
                compiled["text"] = text
        self._subject, self._html, self._text = compiled["subject"], compiled.get("html"), compiled.get("text")

    def render(self, fields: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
        """Return one recipient's subject, HTML and text as UTF-8.

        Raises:
            ProblemError: this message cannot be rendered.
            MemoryError: it does not fit into the jail.
        """
        values = {**self._variables, **fields} if self._variables else fields
        reader.turn_to(values, self._locale)
        subject = self._part(self._subject, values, "subject")
        if not subject.isprintable():
            subject = _CONTROL_RUNS.sub(" ", subject)
        html = self._part(self._html, values, "html") if self._html is not None else ""
        encoded_html = self._encoded(html, "html")  # before it is read: parsers stumble over broken Unicode
        if self._text is not None:
            text = self._part(self._text, values, "text")
        else:
            try:
                text = html_to_text(html)
            except RecursionError as error:
                raise ProblemError(limit(str(error), "html")) from error
        return (
            self._encoded(subject.strip(), "subject"),
            encoded_html,
            self._encoded(text, "text"),
        )

    def _part(self, template: Template, values: dict[str, Any], part: str) -> str:
        try:
            context = template.environment.context_class(template.environment, values, part, template.blocks)
            output = "".join(template.root_render_func(context))
        except MemoryError:
            raise
        except MissingVariableUsed as error:
            message = error.message or "a value is missing"
            raise ProblemError(
                self._runtime("missing_variable", message, error, template, part) | {"variable": error.variable}
            ) from error
        except RecursionError as error:
            raise ProblemError(limit("it calls itself too deeply", part)) from error
        except SecurityError as error:
            raise ProblemError(self._runtime("template_forbidden", str(error), error, template, part)) from error
        except Exception as error:  # user code: any exception is the template's
            raise ProblemError(self._runtime("template_error", _sentence(error), error, template, part)) from error
        if len(output) > self._output_limit:
            raise ProblemError(limit(f"it renders to more than {self._output_limit} bytes", part))
        return output

    def _runtime(self, code: str, message: str, error: Exception, template: Template, part: str) -> Problem:
        lines = [template.get_corresponding_lineno(line) for line in _lines(error, f"<{part}>")]
        listing = self._listings.get(part)
        return _placed(code, message[:500], part, listing.origin(lines[-1]) if lines and listing else None)

    def _encoded(self, text: str, part: str) -> bytes:
        try:
            encoded = text.encode()
        except UnicodeEncodeError as error:
            raise ProblemError(
                {"code": "template_error", "message": "it renders to broken Unicode", "part": part}
            ) from error
        if len(encoded) > self._output_limit:
            raise ProblemError(limit(f"it renders to more than {self._output_limit} bytes", part))
        return encoded


def _listing(env: Environment, source: Mapping[str, Any], part: str) -> Listing:
    """Return what jinja2 shall compile for a part: its source, with snippets and compiled markup."""
    text: str = source[part]
    mjml = part == "html" and source.get("format") == "mjml"
    inline_css = part == "html" and bool(source.get("inline_css"))
    before: str | None = source.get("preheader") if part == "html" else None
    if not (mjml or inline_css or before or "include" in text):
        return Listing([Piece(text, Origin(1), is_code=False)], spread=False)
    try:
        snippets = source.get("snippets") or {}
        pieces = assemble(env, text, snippets)
        written = Listing(pieces, spread=True)
        _read(env, written, part)  # so that what is wrong with the code is said of the code
        preheader = assemble(env, before, snippets) if before else []
        made = compile_markup(pieces, preheader, mjml=mjml, inline_css=inline_css, locale=source.get("locale"))
    except AssemblyError as error:
        raise ProblemError(_placed(error.code, str(error), part, error.origin)) from error
    return written if made is None else Listing(made, spread=True)


def _read(env: Environment, listing: Listing, part: str) -> nodes.Template:
    """Return the syntax tree of a part that is allowed."""
    try:
        tree = env.parse(listing.text)
        requirements(tree)  # refuses tags that load other templates, with their line
    except ForeignTemplateError as error:
        raise ProblemError(_syntax(str(error), part, listing.origin(error.line))) from error
    except TemplateSyntaxError as error:
        raise ProblemError(_syntax(error.message or "syntax error", part, listing.origin(error.lineno))) from error
    except RecursionError as error:
        raise ProblemError(limit("it is nested too deeply", part)) from error
    return tree


def _compile(env: Environment, listing: Listing, part: str) -> tuple[nodes.Template, Template]:
    tree = _read(env, listing, part)
    try:
        # `compile` rewrites the tree it is given, so it gets one of its own
        code = env.compile(listing.text, name=part, filename=f"<{part}>")
        return tree, env.template_class.from_code(env, code, {})
    except TemplateSyntaxError as error:
        raise ProblemError(_syntax(error.message or "syntax error", part, listing.origin(error.lineno))) from error
    except RecursionError as error:
        raise ProblemError(limit("it is nested too deeply", part)) from error
    except (
        SyntaxError,
        ValueError,
        OverflowError,
        AssertionError,
    ) as error:  # Python's own limits on what jinja2 generates
        raise ProblemError(_syntax(_sentence(error), part, None)) from error


def _text_program(html: str) -> Template | None:
    """Return the text template that the HTML template becomes, or None when it must be done per message."""
    try:
        source = Listing([Piece(template_to_text(html), Origin(1), is_code=False)], spread=False)
        return _compile(_PLAIN, source, "text")[1]
    except (NotConvertibleError, ProblemError, RecursionError):
        return None


def _syntax(message: str, part: str, origin: Origin | None) -> Problem:
    return _placed("template_syntax", message, part, origin)


def _placed(code: str, message: str, part: str, origin: Origin | None) -> Problem:
    line, snippet = origin or (None, None)
    return {"code": code, "message": message, "part": part, "line": line, "snippet": snippet}


def _lines(error: Exception, filename: str) -> Iterator[int]:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            yield trace.tb_lineno
        trace = trace.tb_next


def _sentence(error: Exception) -> str:
    if isinstance(error, FormatError):
        return str(error)
    return f"{type(error).__name__}: {error}"[:500]
