"""What a lint asks of finished HTML: its links, its pictures, what clients would throw away."""

from typing import Any, Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

_MOST: Final = 500
_LONGEST: Final = 2_000
_REMOVED: Final = ("script", "form", "iframe", "object", "embed", "video", "audio", "input")


def inspect(html: str) -> dict[str, Any]:
    """Return `{links: [{href, text}], images: [{src, alt}], removed: [tag], words}`; at most 500 of each."""
    tree = LexborHTMLParser(html)
    body = tree.body
    return {
        "links": [
            {"href": _attribute(node, "href"), "text": node.text(strip=True)[:80]}
            for node in tree.css("a, area")[:_MOST]
            if "href" in node.attributes or "name" not in node.attributes
        ],
        "images": [
            {"src": _attribute(node, "src"), "alt": _attribute(node, "alt")} for node in tree.css("img")[:_MOST]
        ],
        "removed": [tag for tag in _REMOVED if tree.css_first(tag) is not None],
        "words": len(body.text(separator=" ").split()) if body is not None else 0,
    }


def _attribute(node: LexborNode, name: str) -> str | None:
    """Return an attribute; "" when it has no value, None when it is not there."""
    if name not in node.attributes:
        return None
    return (node.attributes[name] or "")[:_LONGEST]
