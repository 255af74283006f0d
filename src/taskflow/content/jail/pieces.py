"""A template's source cut into text and code, its snippets put in, and where everything was written.

A snippet is put in where `{% include 'name' %}` stands, before anything else looks at the source: it may hold MJML,
HTML or code, and what it needs counts as what the template needs. Only the snippets that came with the template exist.

What stands between `{{` and `}}` must come through an MJML compiler and a CSS inliner as it is, so it goes through
them as a *mark* (`Veil`) and is put back afterwards. Code that is put back gets a line of its own, by a line break
behind its opening braces, where jinja2 ignores it: so every error finds the line that the author wrote.
"""

import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from jinja2 import TemplateSyntaxError
from jinja2.environment import Environment

from taskflow.content.markup_place import RAW_TEXT, Place

MAX_DEPTH = 10
MAX_CHARS = 2 * 1024 * 1024
MAX_PIECES = 20_000
INCLUDE = re.compile(r"\{%[-+]?\s*include\s+(['\"])([a-z][a-z0-9_-]{0,63})\1\s*[-+]?%\}\s*")
_OPENER = re.compile(r"\{\{-?|\{%[-+]?")
_LEXED_ENDS = {"variable_begin": "variable_end", "block_begin": "block_end", "raw_begin": "raw_end"}
_MJML_TEXT = RAW_TEXT | {"mj-title", "mj-preview", "mj-style", "mj-accordion-title"}


class Origin(NamedTuple):
    """Where something was written: a line of the template, or of one of its snippets."""

    line: int
    snippet: str | None = None


class Piece(NamedTuple):
    """A stretch of text, or one piece of code with its braces."""

    text: str
    origin: Origin
    is_code: bool


class AssemblyError(Exception):
    """The pieces of a template do not come together: `code`, and where."""

    def __init__(self, code: str, message: str, origin: Origin) -> None:
        """Keep what a problem needs."""
        super().__init__(message)
        self.code = code
        self.origin = origin


class Listing:
    """A template's text as jinja2 gets it, and the origin of each of its lines."""

    def __init__(self, pieces: Iterable[Piece], *, spread: bool) -> None:
        """`spread`: give code lines of its own."""
        texts: list[str] = []
        self._origins = [Origin(1)]
        self._begins_line = True
        for piece in pieces:
            self._add(piece, spread=spread and piece.is_code)
            opener = _OPENER.match(piece.text) if spread and piece.is_code else None
            if opener is not None:
                texts.append(f"{opener[0]}\n{piece.text[opener.end() :]}")
            else:
                texts.append(piece.text)
        self.text = "".join(texts)

    def _add(self, piece: Piece, *, spread: bool) -> None:
        line, snippet = piece.origin
        if spread:
            self._origins.append(piece.origin)
        elif piece.text and self._begins_line:
            self._origins[-1] = piece.origin
        self._origins += [Origin(line + further, snippet) for further in range(1, piece.text.count("\n") + 1)]
        if piece.text:
            self._begins_line = piece.text.endswith("\n")

    def origin(self, line: int | None) -> Origin | None:
        """Return where a line was written."""
        return self._origins[min(line, len(self._origins)) - 1] if line else None


def assemble(env: Environment, source: str, snippets: Mapping[str, str]) -> list[Piece]:
    """Return the pieces of a source with its snippets in it.

    Raises:
        AssemblyError: a snippet is not there, is in itself, or it all becomes too much.
    """
    cut = _Cutter(env, snippets)
    pieces: list[Piece] = []
    size = 0
    for piece in _expanded(cut, _cut(env, source, None), ()):
        size += len(piece.text)
        if size > MAX_CHARS or len(pieces) == MAX_PIECES:
            message = f"with its snippets it has more than {MAX_CHARS:,} characters, or {MAX_PIECES:,} pieces"
            raise AssemblyError("template_limit", message, piece.origin)
        pieces.append(piece)
    return pieces or [Piece("", Origin(1), is_code=False)]


class _Cutter:
    """Cuts each snippet once, however often it is included."""

    def __init__(self, env: Environment, snippets: Mapping[str, str]) -> None:
        self._env = env
        self._snippets = snippets
        self._done: dict[str, list[Piece]] = {}

    def pieces(self, name: str, origin: Origin) -> list[Piece]:
        if name not in self._snippets:
            raise AssemblyError("unknown_snippet", f"there is no snippet '{name}'", origin)
        if name not in self._done:
            self._done[name] = list(_cut(self._env, self._snippets[name], name))
        return self._done[name]


def _expanded(cut: _Cutter, pieces: Iterable[Piece], within: tuple[str, ...]) -> Iterator[Piece]:
    for piece in pieces:
        found = INCLUDE.fullmatch(piece.text) if piece.is_code else None
        if found is None:
            yield piece
            continue
        name = found[2]
        inner = cut.pieces(name, piece.origin)
        if name in within or len(within) == MAX_DEPTH:
            way = " → ".join((*within, name))
            raise AssemblyError("template_limit", f"snippets include each other without an end: {way}", piece.origin)
        yield from _expanded(cut, inner, (*within, name))


def _cut(env: Environment, source: str, snippet: str | None) -> Iterator[Piece]:
    """Cut a source as jinja2's own lexer does. What it cannot read stays in one piece, for the parser."""
    try:
        lexed = list(env.lex(source))
    except TemplateSyntaxError:
        yield Piece(source, Origin(1, snippet), is_code=False)
        return
    tokens = iter(lexed)
    for line, kind, text in tokens:
        if kind in _LEXED_ENDS:
            end = _LEXED_ENDS[kind]
            parts = [text]
            for _, inner, value in tokens:
                parts.append(value)
                if inner == end:
                    break
            yield Piece("".join(parts), Origin(line, snippet), is_code=True)
        elif kind == "data":
            yield Piece(text, Origin(line, snippet), is_code=False)


class Veil:
    """Code hidden behind marks that markup compilers leave alone: comments between tags, plain words elsewhere."""

    def __init__(self) -> None:
        """Choose marks that nobody has written. Two kinds, as code may be all of a comment: `<!--{{ a }}-->`."""
        self._word = f"tf{secrets.token_hex(6)}x"
        self._mark = re.compile(rf"<!--{self._word}([0-9]+)c-->|{self._word}([0-9]+)z")
        self._pieces: list[Piece] = []
        self._bare: set[int] = set()

    @property
    def has_bare_statement(self) -> bool:
        """Whether a statement decides about attributes, which no parser of HTML understands."""
        return any(self._pieces[number].text.startswith("{%") for number in self._bare)

    def hide(self, pieces: Iterable[Piece]) -> list[str]:
        """Return the markup with marks for code, one text for each piece."""
        place = Place(_MJML_TEXT)
        texts: list[str] = []
        for piece in pieces:
            if not piece.is_code:
                place.advance(piece.text)
                texts.append(piece.text)
                continue
            number = len(self._pieces)
            self._pieces.append(piece)
            if place.in_tag and not place.quote:
                self._bare.add(number)
            between = place.between_tags
            texts.append(f"<!--{self._word}{number}c-->" if between else f"{self._word}{number}z")
        return texts

    def lost(self, markup: str) -> Piece | None:
        """Return the first code of which nothing is left in compiled markup."""
        seen = {int(match[1] or match[2]) for match in self._mark.finditer(markup)}
        return next((piece for number, piece in enumerate(self._pieces) if number not in seen), None)

    def lift(self, markup: str) -> list[Piece]:
        """Put the code back."""
        pieces: list[Piece] = []
        end = 0
        for match in self._mark.finditer(markup):
            place = pieces[-1].origin if pieces else Origin(1)
            number = int(match[1] or match[2])
            pieces.append(Piece(markup[end : match.start()], place, is_code=False))
            pieces.append(self._pieces[number])
            end = match.end()
            if number in self._bare and markup.startswith('=""', end):
                end += len('=""')  # an inliner took it for the name of an attribute
        place = pieces[-1].origin if pieces else Origin(1)
        pieces.append(Piece(markup[end:], place, is_code=False))
        return pieces


def origin_at(pieces: Sequence[Piece], hidden: Sequence[str], offset: int) -> Origin:
    """Return the origin of the byte at `offset` of hidden markup; `hidden` has one text for each piece."""
    for piece, text in zip(pieces, hidden, strict=True):
        encoded = text.encode()
        if offset < len(encoded):
            passed = 0 if piece.is_code else encoded[:offset].count(b"\n")
            return Origin(piece.origin.line + passed, piece.origin.snippet)
        offset -= len(encoded)
    return pieces[-1].origin
