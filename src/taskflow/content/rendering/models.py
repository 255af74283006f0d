"""What a campaign says, before and after it is rendered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Part(StrEnum):
    """The parts of a message, each a template of its own."""

    SUBJECT = "subject"
    HTML = "html"
    TEXT = "text"


class Format(StrEnum):
    """What the body of a template is written in."""

    MJML = "mjml"
    """Compiled to HTML once, before anything is merged."""
    HTML = "html"
    TEXT = "text"
    """Plain text and nothing else: a mail without HTML, or an SMS."""


class TextSource(StrEnum):
    """Where the plain-text part comes from."""

    GIVEN = "given"
    """The author wrote a text template."""
    TEMPLATE = "template"
    """The HTML template was turned into a text template, once."""
    MESSAGE = "message"
    """Each rendered HTML part is turned into text: the template is too entangled to do it once."""


class ProblemCode(StrEnum):
    """Why a template, or one message of it, could not be rendered. Stable: part of the public contract."""

    MISSING_VARIABLE = "missing_variable"
    TEMPLATE_ERROR = "template_error"
    TEMPLATE_LIMIT = "template_limit"
    TEMPLATE_FORBIDDEN = "template_forbidden"
    TEMPLATE_SYNTAX = "template_syntax"
    UNKNOWN_SNIPPET = "unknown_snippet"


@dataclass(frozen=True, slots=True)
class Template:
    """The sources of a message.

    `variables` are values that hold for every recipient (plain JSON data); a recipient's own value of the same
    name wins. `html` is MJML where `format` says so, and empty where it is TEXT. `snippets`: the bodies that the
    template may include, by name. `locale`: the language it is written in; how dates and numbers are written follows.
    """

    subject: str
    html: str
    text: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    format: Format = Format.HTML
    preheader: str | None = None
    inline_css: bool = False
    snippets: Mapping[str, str] = field(default_factory=dict)
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class CompiledTemplate:
    """A template that the jail has accepted, and what it needs from each recipient.

    `required_variables` and `optional_variables` are sorted top-level names without those that `Template.variables`
    or the sender (`variables.SUPPLIED`) provide; `required_paths` are dotted (`order.total`) and start at one of the
    required names. `id` is the hash of the sources: equal templates share it.
    """

    id: bytes
    source: Template
    required_variables: tuple[str, ...]
    optional_variables: tuple[str, ...]
    required_paths: tuple[str, ...]
    text_source: TextSource


@dataclass(frozen=True, slots=True)
class Rendered:
    """One recipient's message. `subject` is one line without control characters.

    HTML and text stay the UTF-8 that came out of the jail, ready for the wire; `html` and `text` decode on demand.
    HTML is empty where the template is plain text.
    """

    subject: str
    html_bytes: bytes
    text_bytes: bytes

    @property
    def html(self) -> str:
        """The HTML part."""
        return self.html_bytes.decode()

    @property
    def text(self) -> str:
        """The plain-text part."""
        return self.text_bytes.decode()


@dataclass(frozen=True, slots=True)
class Inspection:
    """What stands in finished HTML. Links are (address, words), images (source, alternative text); None: not there."""

    links: tuple[tuple[str | None, str], ...] = ()
    images: tuple[tuple[str | None, str | None], ...] = ()
    removed: tuple[str, ...] = ()
    """Elements that mail clients throw away."""
    words: int = 0


@dataclass(frozen=True, slots=True)
class RenderProblem:
    """Why one recipient's message could not be rendered; nobody else's is affected."""

    code: ProblemCode
    message: str
    part: Part | None = None
    line: int | None = None
    variable: str | None = None
    snippet: str | None = None
