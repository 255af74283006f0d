"""The plain-text part of a mail, made from its HTML: once per campaign where that is possible.

`template_to_text` turns an HTML *template* into a text template: every `{{ … }}`, `{% … %}` and `{# … #}` is carried
through the conversion as an HTML comment (in attributes: as private-use characters), so that recipients cost one more
fast template instead of one HTML parse each. `html_to_text` converts finished HTML.

Links become `label (address)`, images their alternative text, list items dashes, table rows lines; what mail clients
do not show (head, style, hidden preheaders) is left out.
"""

import re
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from taskflow.content.markup_place import Place

_SKIPPED = frozenset({"style", "script", "title", "template", "noscript", "svg", "math", "select", "object"})
_PARAGRAPHS = frozenset(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "blockquote", "pre", "table", "figure"}
)
_BLOCKS = frozenset(
    {
        "address", "article", "aside", "center", "dd", "details", "div", "dt", "fieldset", "figcaption", "footer",
        "form", "header", "li", "main", "nav", "section", "summary", "tbody", "tfoot", "thead", "tr", "caption", "body",
    }
)  # fmt: skip
_HIDDEN = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all)", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n\f\u200c\u200b\u00ad\ufeff\u034f]+")
_TOKEN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_RAW_BLOCK = re.compile(r"\{%[-+]?\s*raw\b")
_UNESCAPED = re.compile(r"\|\s*safe\b|\{%[-+]?\s*autoescape\b|\bMarkup\b")
_MARK = re.compile("\ue000(\\d+)\ue001")
_BLANK_LINES = re.compile(r"\n{3,}")
_LINE_ENDS = re.compile(r" +\n")
_MAX_DEPTH = 250


class NotConvertibleError(Exception):
    """The template cannot be converted as a whole; convert each message instead."""


def html_to_text(html: str) -> str:
    """Return the text that a reader of `html` sees.

    Raises:
        RecursionError: elements are nested more than 250 deep.
    """
    return _convert(html, [])


def template_to_text(source: str) -> str:
    """Return a text template that renders to the text of what the HTML template `source` renders to.

    Raises:
        NotConvertibleError: the template inserts markup (`safe`, `autoescape`), or holds raw blocks.
        RecursionError: elements are nested more than 250 deep.
    """
    if _UNESCAPED.search(source) or _RAW_BLOCK.search(source) or "\ue000" in source:
        raise NotConvertibleError
    tokens: list[str] = []
    return _convert(_hide_tokens(source, tokens), tokens)


def _hide_tokens(source: str, tokens: list[str]) -> str:
    """Replace template tokens by comments between tags and by private-use marks inside them."""
    pieces: list[str] = []
    place = Place()
    end = 0
    for match in _TOKEN.finditer(source):
        literal = source[end : match.start()]
        place.advance(literal)
        tokens.append(match.group())
        mark = f"\ue000{len(tokens) - 1}\ue001"
        if place.in_comment:
            # a statement counts there too: close the comment, pass it on, open the next one
            mark = f"--><!--{mark}--><!--" if match.group().startswith("{%") else ""
        elif not place.in_tag:
            mark = f"<!--{mark}-->"
        pieces += (literal, mark)
        end = match.end()
    pieces.append(source[end:])
    return "".join(pieces)


def _convert(html: str, tokens: list[str]) -> str:
    root = LexborHTMLParser(html).root
    document = root.parent if root is not None else None  # statements may stand before <html> or in <head>
    writer = _Writer(tokens)
    if document is not None:
        writer.walk(document, 0)
    return writer.finish()


@dataclass(slots=True)
class _Writer:
    """Collects text; remembers what break is due before the next word."""

    tokens: list[str]
    pieces: list[str] = field(default_factory=list)
    line_feeds: int = 0
    space: bool = False
    preformatted: int = 0

    def word(self, text: str) -> None:
        """Write text that holds no white space to collapse at its ends."""
        if not text:
            return
        if self.line_feeds and self.pieces:
            self.pieces.append("\n" * self.line_feeds)
        elif self.space and self.pieces:
            self.pieces.append(" ")
        self.line_feeds, self.space = 0, False
        self.pieces.append(text)

    def text(self, raw: str) -> None:
        if self.preformatted:
            self.word(raw)
            return
        collapsed = _SPACES.sub(" ", raw.replace("\xa0", " "))
        core = collapsed.strip(" ")
        if collapsed.startswith(" "):
            self.space = True
        self.word(core)
        if core and collapsed.endswith(" "):
            self.space = True

    def token(self, comment: str) -> None:
        """Write a template token: an expression counts as a word, a statement must not move any space or break."""
        for match in _MARK.finditer(comment):
            source = self.tokens[int(match.group(1))]
            if source.startswith("{{"):
                self.word(source)
            elif source.startswith("{%"):
                self.flush()
                self.pieces.append(source)

    def flush(self) -> None:
        """Write the break that is due, so that it stays on this side of a statement."""
        if self.line_feeds and self.pieces:
            self.pieces.append("\n" * self.line_feeds)
        elif self.space and self.pieces:
            self.pieces.append(" ")
        self.line_feeds, self.space = 0, False

    def break_line(self, line_feeds: int) -> None:
        self.line_feeds = max(self.line_feeds, line_feeds)
        self.space = False

    def walk(self, node: LexborNode, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise RecursionError("elements are nested too deeply")
        child = node.child
        while child is not None:
            tag = child.tag
            if tag == "-text":
                self.text(child.text_content or "")
            elif tag == "-comment":
                self.token(child.comment_content or "")
            elif tag == "br":
                self.break_line(self.line_feeds + 1)
            elif tag == "img":
                self.word(self.restore((child.attributes.get("alt") or "").strip()))
            elif tag == "hr":
                self.break_line(1)
                self.word("-" * 20)
                self.break_line(1)
            elif tag is not None and tag not in _SKIPPED and not self.hidden(child):
                self.element(child, tag, depth)
            child = child.next

    def hidden(self, node: LexborNode) -> bool:
        attributes = node.attributes
        return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style") or ""))

    def element(self, node: LexborNode, tag: str, depth: int) -> None:
        line_feeds = 2 if tag in _PARAGRAPHS else 1 if tag in _BLOCKS else 0
        if line_feeds:
            self.break_line(line_feeds)
        if tag == "li":
            self.word("-")
            self.space = True
        elif tag in {"td", "th"}:
            self.space = True
        if tag == "a":
            self.link(node, depth)
        else:
            self.preformatted += tag == "pre"
            self.walk(node, depth + 1)
            self.preformatted -= tag == "pre"
        if line_feeds:
            self.break_line(line_feeds)

    def link(self, node: LexborNode, depth: int) -> None:
        start = len(self.pieces)
        self.walk(node, depth + 1)
        label = "".join(self.pieces[start:]).strip()
        address = self.restore((node.attributes.get("href") or "").strip())
        if not address or address.startswith("#") or address == label or address == f"mailto:{label}":
            return
        if label:
            self.line_feeds, self.space = 0, True
            self.word(f"({address})")
        else:
            self.word(address)

    def restore(self, text: str) -> str:
        return _MARK.sub(lambda match: self.tokens[int(match.group(1))], text)

    def finish(self) -> str:
        text = _LINE_ENDS.sub("\n", "".join(self.pieces))
        return _BLANK_LINES.sub("\n\n", text).strip() + "\n"
