"""A message's templates compiled in the jail, and how one message comes out of them."""

import contextlib
import importlib
import re
from collections.abc import Iterator
from typing import Any

from jinja2 import Template, TemplateSyntaxError, nodes
from jinja2.environment import Environment
from jinja2.exceptions import SecurityError

from taskflow.content.jail.environment import MissingVariableUsed, environment
from taskflow.content.plain_text import NotConvertibleError, html_to_text, template_to_text
from taskflow.content.variables import ForeignTemplateError, Requirements, requirements

Problem = dict[str, Any]

_HTML = environment(html=True)
_PLAIN = environment(html=False)
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
    sources: dict[str, Any] = {
        "subject": "{{ 'é\\n' | upper }}",
        "html": "<p>{% for x in [3, 1.5] | sort %}{{ x | tojson }}{{ y | d('-') | urlencode }}{% endfor %}</p>",
        "text": None,
        "variables": {},
    }
    Program(sources, 1000).render({})
    for broken in (
        "{{ missing }}",
        "{{ 1 // 0 }}",
        "{{ ''.__class__ }}",
        "{{ 'a' | wordwrap('x') }}",
        "{{ 'é'.encode('x') }}",
    ):
        with contextlib.suppress(ProblemError):
            Program({**sources, "html": broken}, 1000).render({})
    for wrong in ("{{", "{% if %}", "{{ 'a' | nofilter }}"):
        with contextlib.suppress(ProblemError):
            Program({**sources, "html": wrong}, 1000)


def limit(message: str, part: str | None = None) -> Problem:
    """Return the problem of something that grew too large, too slow or too deep."""
    return {"code": "template_limit", "message": message, "part": part}


class Program:
    """Compiled subject, HTML and text."""

    def __init__(self, source: dict[str, Any], output_limit: int) -> None:
        """Compile `{subject, html, text, variables}`; no part may render to more than `output_limit` bytes.

        Raises:
            ProblemError: with every part's syntax error.
            MemoryError: it does not fit into the jail.
        """
        self._variables: dict[str, Any] = source["variables"]
        self._output_limit = output_limit
        problems: list[Problem] = []
        trees: dict[str, nodes.Template] = {}
        compiled: dict[str, Template] = {}
        for part in ("subject", "html", "text"):
            if source[part] is None:
                continue
            env = _HTML if part == "html" else _PLAIN
            try:
                trees[part], compiled[part] = _compile(env, source[part], part)
            except ProblemError as error:
                problems += error.problems
        if problems:
            raise ProblemError(*problems)
        self.requirements: Requirements = requirements(*trees.values())
        self.text_source = "given"
        if source["text"] is None:
            text = _text_program(source["html"])
            self.text_source = "template" if text else "message"
            if text:
                compiled["text"] = text
        self._subject, self._html, self._text = compiled["subject"], compiled["html"], compiled.get("text")

    def render(self, fields: dict[str, Any]) -> tuple[bytes, bytes, bytes]:
        """Return one recipient's subject, HTML and text as UTF-8.

        Raises:
            ProblemError: this message cannot be rendered.
            MemoryError: it does not fit into the jail.
        """
        values = {**self._variables, **fields} if self._variables else fields
        subject = self._part(self._subject, values, "subject")
        if not subject.isprintable():
            subject = _CONTROL_RUNS.sub(" ", subject)
        html = self._part(self._html, values, "html")
        if self._text is not None:
            text = self._part(self._text, values, "text")
        else:
            try:
                text = html_to_text(html)
            except RecursionError as error:
                raise ProblemError(limit(str(error), "html")) from error
        return (
            self._encoded(subject.strip(), "subject"),
            self._encoded(html, "html"),
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
                _runtime("missing_variable", message, error, template, part) | {"variable": error.variable}
            ) from error
        except RecursionError as error:
            raise ProblemError(limit("it calls itself too deeply", part)) from error
        except SecurityError as error:
            raise ProblemError(_runtime("template_forbidden", str(error), error, template, part)) from error
        except Exception as error:  # user code: any exception is the template's
            raise ProblemError(_runtime("template_error", _sentence(error), error, template, part)) from error
        if len(output) > self._output_limit:
            raise ProblemError(limit(f"it renders to more than {self._output_limit} bytes", part))
        return output

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


def _compile(env: Environment, source: str, part: str) -> tuple[nodes.Template, Template]:
    try:
        tree = env.parse(source)
        requirements(tree)  # refuses tags that load other templates, with their line
        # `compile` rewrites the tree it is given, so it gets one of its own
        code = env.compile(source, name=part, filename=f"<{part}>")
        return tree, env.template_class.from_code(env, code, {})
    except ForeignTemplateError as error:
        raise ProblemError(_syntax(str(error), part, error.line)) from error
    except TemplateSyntaxError as error:
        raise ProblemError(_syntax(error.message or "syntax error", part, error.lineno)) from error
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
        return _compile(_PLAIN, template_to_text(html), "text")[1]
    except (NotConvertibleError, ProblemError, RecursionError):
        return None


def _syntax(message: str, part: str, line: int | None) -> Problem:
    return {"code": "template_syntax", "message": message, "part": part, "line": line}


def _runtime(code: str, message: str, error: Exception, template: Template, part: str) -> Problem:
    lines = [template.get_corresponding_lineno(line) for line in _lines(error, f"<{part}>")]
    return {"code": code, "message": message[:500], "part": part, "line": lines[-1] if lines else None}


def _lines(error: Exception, filename: str) -> Iterator[int]:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == filename:
            yield trace.tb_lineno
        trace = trace.tb_next


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:500]
