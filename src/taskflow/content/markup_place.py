"""Where in HTML or MJML a reader stands: what may be written there depends on it."""

import re
from dataclasses import dataclass

_EDGE = re.compile(r"<!--|-->|</?([a-zA-Z][a-zA-Z0-9-]*)|<(?=[!/?])|/?>|[\"']")

RAW_TEXT = frozenset({"title", "style", "script", "textarea"})
"""Elements of HTML whose content is text: a comment there is no comment."""


@dataclass(slots=True)
class Place:
    """In a comment, in a tag, in a quoted value of it, in an element that holds only text (`raw_text` names those)."""

    raw_text: frozenset[str] = frozenset()
    in_comment: bool = False
    in_tag: bool = False
    quote: str = ""
    text_of: str = ""
    _tag: str = ""

    @property
    def between_tags(self) -> bool:
        """Whether an element or a comment may stand here."""
        return not (self.in_comment or self.in_tag or self.text_of)

    def advance(self, literal: str) -> None:
        """Read on."""
        for match in _EDGE.finditer(literal):
            edge = match.group()
            if self.in_comment:
                self.in_comment = edge != "-->"
            elif self.quote:
                self.quote = "" if edge == self.quote else self.quote
            elif self.in_tag:
                self._in_tag(edge)
            elif self.text_of:
                if edge.lower() == f"</{self.text_of}":
                    self.in_tag, self.text_of, self._tag = True, "", ""
            else:
                self.in_comment = edge == "<!--"
                self.in_tag = edge[0] == "<" and not self.in_comment
                self._tag = (match[1] or "").lower() if not edge.startswith("</") else ""

    def _in_tag(self, edge: str) -> None:
        if edge in "\"'":
            self.quote = edge
        elif edge.endswith(">"):
            self.in_tag = False
            self.text_of = self._tag if self._tag in self.raw_text and edge != "/>" else ""
