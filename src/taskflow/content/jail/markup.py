"""What is done to a message's markup once, before anything is merged: MJML becomes HTML, CSS moves to its elements.

Both compilers are Rust libraries that parse a stranger's text, so they run here, in the jail, without loaders: MJML
includes nothing, no style sheet is fetched. Code is hidden from them (`pieces.Veil`). Of MJML's output only the
author's own styles are inlined: what the compiler writes is laid out for clients already. Styles also stay where they
are, for `:hover`, `@media` and what code brings in later.
"""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from css_inline import CSSInliner, InlineError
from mrml import ParserOptions, RenderOptions, noop_loader, to_html

from taskflow.content.jail.pieces import AssemblyError, Origin, Piece, Veil, origin_at

_INCLUDE = re.compile(r"<\s*mj-include\b", re.IGNORECASE)
_STYLE = re.compile(r"<style\b", re.IGNORECASE)
_MJ_STYLE = re.compile(r"<mj-style\b[^>]*>", re.IGNORECASE)
_WORDS = re.compile(r"<(mj-text|mj-button|mj-navbar-link|mj-social-element|mj-accordion-text)\b.*?</\1>", re.DOTALL)
_BREAK_BETWEEN = re.compile(r">\s*\n\s*(?=<)")
"""A line break between two elements among words: the compiler would drop it, and their words would run together."""
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_POSITION = re.compile(r" in root template(?: at position (\d+):\d+)?")
_OWN: Final = "/* the author's */"
_OWN_STYLE = re.compile(r'<style type="text/css">/\* the author\'s \*/')
_OTHER_STYLE = re.compile(r"<style\b(?! data-css-inline)")
_CHOICE = re.compile(r' data-css-inline="(?:keep|ignore)"')
_MJ_TAG = re.compile(r"<(/?)(mjml|mj-[a-z-]+)\b[^<>]*?(/?)>")
# Spaces that keep what follows out of the preview line of a mailbox.
_PADDING: Final = "&#8199;&#65279;&#847; " * 40
_PREHEADER: Final = (
    '<div style="display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;mso-hide:all">{}' + _PADDING + "</div>"
)

# MJML would link fonts of Google by itself, which tells a third party who reads the mail; `mj-font` still does.
_MJML_RENDERING = RenderOptions(fonts={})
_MJML_PARSING = ParserOptions(include_loader=noop_loader())
_INLINER = CSSInliner(keep_style_tags=True, keep_link_tags=True, load_remote_stylesheets=False)


def compile_markup(
    pieces: Sequence[Piece], preheader: Sequence[Piece], *, mjml: bool, inline_css: bool, locale: str | None
) -> list[Piece] | None:
    """Return the pieces of the HTML, or None when it is the source as it was.

    Raises:
        AssemblyError: the markup cannot be compiled.
    """
    has_style = inline_css and any(_STYLE.search(piece.text) for piece in pieces if not piece.is_code)
    if not (mjml or has_style or preheader):
        return None
    veil = Veil()
    hidden = veil.hide(pieces)
    markup = "".join(hidden)
    if mjml:
        markup = _to_html(pieces, hidden, locale)
        if (lost := veil.lost(markup)) is not None:
            raise AssemblyError("template_syntax", "MJML takes no template code in this place", lost.origin)
        if has_style or _OWN in markup:
            markup = _inline(_mark_styles(markup), pieces)
            markup = _CHOICE.sub("", markup).replace(_OWN, "")
    elif has_style and not veil.has_bare_statement:
        markup = _inline(markup, pieces)
    if preheader:
        shown = "".join(veil.hide([piece if piece.is_code else _escaped(piece) for piece in preheader]))
        markup = _with_preheader(markup, shown)
    return veil.lift(markup)


def _to_html(pieces: Sequence[Piece], hidden: Sequence[str], locale: str | None) -> str:
    for piece, text in zip(pieces, hidden, strict=True):
        if not piece.is_code and (found := _INCLUDE.search(text)):
            line = piece.origin.line + text[: found.start()].count("\n")
            message = "mj-include is not available: include a snippet, {% include 'name' %}"
            raise AssemblyError("template_forbidden", message, Origin(line, piece.origin.snippet))
    source = "".join(hidden)
    source = _WORDS.sub(lambda words: _BREAK_BETWEEN.sub(lambda gap: gap[0].replace("\n", " "), words[0]), source)
    source = _MJ_STYLE.sub(f"<mj-style>{_OWN}", source)
    try:
        html = to_html(source, _MJML_PARSING, _MJML_RENDERING).content
    except OSError as error:
        raise _mjml_error(str(error), pieces, hidden) from error
    return html.replace('lang="und"', f'lang="{locale}"', 2) if locale else html


def _mjml_error(message: str, pieces: Sequence[Piece], hidden: Sequence[str]) -> AssemblyError:
    """Turn the compiler's words, which count bytes of what it was given, into a line of the author's."""
    source = "".join(hidden)
    sentence = f"MJML: {_POSITION.sub('', message)}"
    found = _POSITION.search(message)
    if found is not None and found[1] is not None:
        before = source.encode()[: int(found[1])].decode(errors="ignore")
        longer = len(_MJ_STYLE.sub(f"<mj-style>{_OWN}", before)) - len(before)
        return AssemblyError("template_syntax", sentence, origin_at(pieces, hidden, max(0, int(found[1]) - longer)))
    opened = _never_closed(source)
    if opened is not None:
        sentence = f"MJML: {opened[0]} is never closed"
        return AssemblyError(
            "template_syntax", sentence, origin_at(pieces, hidden, len(source[: opened.start()].encode()))
        )
    return AssemblyError("template_syntax", sentence, pieces[0].origin)


def _never_closed(source: str) -> re.Match[str] | None:
    """Return the innermost element of MJML that has no end."""
    opened: list[re.Match[str]] = []
    for tag in _MJ_TAG.finditer(source):
        if not tag[1] and not tag[3]:
            opened.append(tag)
        elif tag[1] and opened:
            if opened[-1][2] != tag[2]:
                break
            opened.pop()
    return opened[-1] if opened else None


def _inline(markup: str, pieces: Sequence[Piece]) -> str:
    try:
        return _INLINER.inline(markup)
    except (InlineError, ValueError) as error:
        raise AssemblyError("template_syntax", f"CSS: {error}", pieces[0].origin) from error


def _mark_styles(html: str) -> str:
    html = _OWN_STYLE.sub(f'<style data-css-inline="keep" type="text/css">{_OWN}', html)
    return _OTHER_STYLE.sub('<style data-css-inline="ignore"', html)


def _with_preheader(html: str, shown: str) -> str:
    block = _PREHEADER.format(shown)
    found = next((body for body in _BODY.finditer(html) if not _in_comment(html, body.start())), None)
    return html[: found.end()] + block + html[found.end() :] if found else block + html


def _in_comment(html: str, place: int) -> bool:
    """Tell whether only one client reads what stands here: `<!--[if mso]><body class="mso"><![endif]-->`."""
    return html.rfind("<!--", 0, place) > html.rfind("-->", 0, place)


def _escaped(piece: Piece) -> Piece:
    return Piece(escape(piece.text, quote=False), piece.origin, is_code=False)
