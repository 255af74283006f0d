"""Rules about one finished message: what a reader, a mail client and a spam filter would say of it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from taskflow.content.lint.findings import Finding, Severity
from taskflow.content.rendering import Inspection, Rendered
from taskflow.content.sms import sms_length

CLIPPED_BYTES = 102 * 1024
"""Gmail shows no more of a message and hides the rest, with the unsubscribe link, behind another click."""

_LONG_SUBJECT = 78
_MAX_SMS_SEGMENTS = 10
_FEW_WORDS = 20
_SHOUTING = 0.6
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{%|%\}")
_SPAM_WORDS = re.compile(
    r"\b(?:100% free|act now|buy now|cash bonus|cheap|click here|congratulations|double your|earn \$|extra income"
    r"|free money|guaranteed|make money|miracle|no obligation|risk[- ]free|winner|you have won|viagra)\b",
    re.IGNORECASE,
)
_FAKE_REPLY = re.compile(r"^\s*(?:re|fw|fwd|aw|wg)\s*:", re.IGNORECASE)
_MAIL_PROVIDERS = frozenset(
    {"gmail.com", "googlemail.com", "yahoo.com", "hotmail.com", "outlook.com", "live.com", "aol.com", "icloud.com",
     "gmx.de", "gmx.net", "web.de", "mail.ru"}
)  # fmt: skip
_SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms"})


@dataclass(frozen=True, slots=True)
class Message:
    """A finished message and what is known around it."""

    channel: str
    rendered: Rendered
    inspection: Inspection | None  # None: there is no HTML, or it cannot be read
    unsubscribe_url: str
    has_preheader: bool = False
    from_email: str | None = None
    inline_ids: frozenset[str] = frozenset()


def lint_message(message: Message) -> list[Finding]:
    """Return everything that the rules find."""
    if message.channel == "sms":
        return list(_sms(message))
    rules = (_subject, _sender, _size, _unsubscribe, _links, _images, _body)
    return [finding for rule in rules for finding in rule(message)]


def _subject(message: Message) -> Iterator[Finding]:
    subject = message.rendered.subject
    letters = [character for character in subject if character.isalpha()]
    if not subject:
        yield _error("subject_empty", "The subject is empty.", "subject")
        return
    if len(subject) > _LONG_SUBJECT:
        yield _notice("subject_long", f"The subject has {len(subject)} characters; many show fewer than 60.", "subject")
    if len(letters) >= 8 and sum(map(str.isupper, letters)) > _SHOUTING * len(letters):
        yield _warning("subject_shouting", "The subject is written in capitals: filters take that for spam.", "subject")
    if re.search(r"[!?]{2,}", subject) or subject.count("!") > 1:
        yield _warning("subject_punctuation", "The subject has too many exclamation or question marks.", "subject")
    if _FAKE_REPLY.match(subject):
        yield _warning("subject_fake_reply", "The subject pretends to be an answer.", "subject")
    if found := _SPAM_WORDS.search(subject):
        yield _warning("spam_words", f"'{found[0]}' in the subject is a word of spam.", "subject")
    if _PLACEHOLDER.search(subject):
        yield _error("placeholder_left", "The subject still holds braces of a template.", "subject")


def _sender(message: Message) -> Iterator[Finding]:
    local, _, domain = (message.from_email or "").rpartition("@")
    if domain.lower() in _MAIL_PROVIDERS:
        yield _warning(
            "sender_freemail",
            f"{domain} tells the world that only its own servers send for it (DMARC): use a domain of yours.",
        )
    if re.fullmatch(r"(?:no|do-?not)[-_.]?reply.*", local, re.IGNORECASE):
        yield _notice("sender_noreply", "Answers to this sender are lost: use a mailbox that is read.")


def _size(message: Message) -> Iterator[Finding]:
    size = len(message.rendered.html_bytes)
    if size > CLIPPED_BYTES:
        yield _warning("clipped", f"The HTML has {size:,} bytes: Gmail cuts messages off after 102 KB.", "html")


def _unsubscribe(message: Message) -> Iterator[Finding]:
    rendered, url = message.rendered, message.unsubscribe_url
    parts = [("html", rendered.html.replace("&amp;", "&")), ("text", rendered.text)]
    for part, words in parts:
        if words and url not in words:
            yield _error(
                "no_unsubscribe_link",
                f"The {part} part has no unsubscribe link: put {{{{ unsubscribe_url }}}} into it.",
                part,
            )


def _links(message: Message) -> Iterator[Finding]:
    if _is_inside(urlsplit(message.unsubscribe_url).hostname or ""):
        yield _warning("unreachable_server", "Readers cannot reach this server: set TASKFLOW_HTTP_PUBLIC_URL.")
    for address, words in message.inspection.links if message.inspection else ():
        if address == message.unsubscribe_url:
            continue
        label = f"The link '{words or address or ''}'"
        if (reason := link_fault(address)) is not None:
            yield _error("broken_link", f"{label} {reason}.", "html")
        elif (address or "").strip().lower().startswith("http:"):
            yield _warning("insecure_link", f"{label} leads to an http:// address: use https://.", "html")


def link_fault(address: str | None) -> str | None:
    """Return why an address cannot be followed from a mail, or None."""
    text = (address or "").strip()
    if not text or text == "#":
        return "leads nowhere"
    if text.startswith("#"):
        return None
    if _PLACEHOLDER.search(text):
        return "still holds braces of a template"
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        return f"has no address that can be read ({error})"
    if parts.scheme not in _SCHEMES:
        return f"has an address that works only on a page ({text[:60]})" if not parts.scheme else (
            f"begins with {parts.scheme}:, which mail clients do not follow"
        )  # fmt: skip
    if parts.scheme not in ("http", "https"):
        return None if parts.path else "leads nowhere"
    if not host or any(character.isspace() for character in text):
        return "has no host, or spaces in its address"
    if _is_inside(host):
        return f"leads to {host}, which only your own network knows"
    return None


def _is_inside(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or "." not in host or host.endswith((".local", ".internal", ".test"))


def _images(message: Message) -> Iterator[Finding]:
    for source, alternative in message.inspection.images if message.inspection else ():
        text = (source or "").strip()
        name = text.rpartition("/")[2][:60] or "without a source"
        if alternative is None:
            yield _warning("missing_alt", f"The image {name} has no alt text: many readers see that instead.", "html")
        if text.startswith("cid:"):
            if text[4:] not in message.inline_ids:
                yield _error("broken_image", f"The image {text} is not among the inline attachments.", "html")
        elif text.startswith("data:"):
            yield _warning("data_image", "An image stands in the HTML itself: Gmail does not show it.", "html")
        elif urlsplit(text).scheme not in ("http", "https") if _splits(text) else True:
            yield _error("broken_image", f"The image {name} has no whole address.", "html")


def _splits(text: str) -> bool:
    try:
        urlsplit(text)
    except ValueError:
        return False
    return True


def _body(message: Message) -> Iterator[Finding]:
    found = message.inspection
    if found is not None:
        for tag in found.removed:
            yield _warning("removed_element", f"Mail clients throw <{tag}> away.", "html")
        if found.images and found.words < _FEW_WORDS:
            yield _warning("image_only", "It is nearly all image: filters take that for spam.", "html")
    if not message.rendered.text.strip():
        yield _warning("no_text", "The plain text part is empty.", "text")
    if not message.has_preheader and message.rendered.html_bytes:
        yield _notice("no_preheader", "There is no preheader: mailboxes show the first words of the body instead.")
    for part, words in (("html", message.rendered.html), ("text", message.rendered.text)):
        if "undefined" in words or "[object Object]" in words:
            yield _notice("suspicious_words", "It says 'undefined', perhaps where a value should be.", part)


def _sms(message: Message) -> Iterator[Finding]:
    length = sms_length(message.rendered.text.rstrip("\n"))
    if length.segments == 0:
        yield _error("no_text", "The message is empty.", "text")
    if length.segments > _MAX_SMS_SEGMENTS:
        yield _error("sms_too_long", f"It needs {length.segments} messages: too many.", "text")
    elif length.segments > 1:
        yield _notice("sms_segments", f"It is sent, and paid, as {length.segments} messages.", "text")
    if length.wide and length.segments > 1:
        shown = length.wide[:10]
        yield _warning("sms_wide", f"'{shown}' cost half the room: only 70 characters fit into one message.", "text")


def _error(code: str, message: str, part: str | None = None) -> Finding:
    return Finding(code, Severity.ERROR, message, part=part)


def _warning(code: str, message: str, part: str | None = None) -> Finding:
    return Finding(code, Severity.WARNING, message, part=part)


def _notice(code: str, message: str, part: str | None = None) -> Finding:
    return Finding(code, Severity.NOTICE, message, part=part)
