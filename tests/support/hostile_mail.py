"""What somebody may write where a mail is made of it, and what must be true of every mail and session afterwards.

One table of attacks for every entrance: messages, campaigns, the SMTP relay, public forms.
"""

import re
from collections import Counter
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

EVE = "eve@evil.example"
_SECOND = f"MAIL FROM:<{EVE}>\r\nRCPT TO:<{EVE}>\r\nDATA\r\nFrom: {EVE}\r\nSubject: smuggled\r\n\r\npay\r\n.\r\n"

ATTACKS = {
    # line ends that make a header, a body or a command
    "crlf": f"Bob\r\nBcc: {EVE}",
    "lf": f"Bob\nBcc: {EVE}",
    "cr": f"Bob\rBcc: {EVE}",
    "fold": f"Bob\r\n Bcc: {EVE}",
    "tab fold": f"Bob\r\n\tBcc: {EVE}",
    "crlf at the end": "Bob\r\n",
    "empty line": "Bob\r\n\r\n<p>body</p>",
    "boundary": "Bob\r\n--=_\r\nContent-Type: text/html\r\n\r\n<script>",
    # the end of a message, as some servers have understood it, and another message behind it
    "smuggled": "Bob\r\n.\r\n" + _SECOND,
    "smuggled lf": "Bob\n.\n" + _SECOND.replace("\r\n", "\n"),
    "smuggled cr": "Bob\r.\r" + _SECOND.replace("\r\n", "\r"),
    "smuggled lf crlf": "Bob\n.\r\n" + _SECOND,
    "smuggled crlf lf": "Bob\r\n.\n" + _SECOND,
    "smuggled cr crlf": "Bob\r.\r\n" + _SECOND,
    "smuggled nul": "Bob\r\n.\0\r\n" + _SECOND,
    # characters that end a line somewhere, or end the text in C
    "nul": f"Bob\0Bcc: {EVE}",
    "vertical tab": f"Bob\x0bBcc: {EVE}",
    "form feed": f"Bob\x0cBcc: {EVE}",
    "escape": "Bob\x1b[2J\x1b]0;owned\x07",
    "delete": "Bob\x7f",
    "next line": f"Bob\x85Bcc: {EVE}",
    "line separator": f"Bob\u2028Bcc: {EVE}",
    "paragraph separator": f"Bob\u2029Bcc: {EVE}",
    "tab": "Bob\tBcc",
    # what is shown otherwise than it is
    "right to left": "\u202egnp.exe",
    "isolate": "\u2067Bob\u2069",
    "zero width": "\u200bB\u200bo\u200bb\u2060",
    "byte order mark": f"\ufeffBcc: {EVE}",
    "no-break space": f"Bcc:\u00a0{EVE}",
    "combining": "B" + "\u0301" * 120,
    "homograph": "bob@\u0435\u0445\u0430mple.com",
    "emoji": "👩\u200d👩\u200d👧\u200d👦 🎉",
    # words that a reader decodes once more
    "encoded word": "=?utf-8?q?Bob=0D=0ABcc=3A_eve=40evil.example?=",
    "encoded word in base64": "=?utf-8?b?Qm9iDQpCY2M6IGV2ZUBldmlsLmV4YW1wbGU=?=",
    "encoded word bomb": "=?utf-8?q?=3D?=" * 16,
    "encoded word of no charset": "=?x-none?b?AAAA?=",
    "escapes": f"Bob\\r\\nBcc: {EVE}",
    "percent escapes": f"Bob%0d%0aBcc:%20{EVE}",
    # lengths
    "998": "x" * 998,
    "long": "y" * 5_000,
    "long in utf-8": "é" * 990,
    # dots and commands
    "dot": ".",
    "two dots": "..x",
    "command": f"RCPT TO:<{EVE}>",
    # addresses that lead elsewhere
    "angle": f"bob@example.com> RCPT TO:<{EVE}",
    "two": f"bob@example.com, {EVE}",
    "group": f"friends:{EVE};",
    "comment": f"bob@example.com ({EVE})",
    "quoted local part": f'"{EVE}>"@example.com',
    "quoted line end": '"a\r\nb"@example.com',
    "percent hack": "eve%evil.example@example.com",
    "bang path": "evil.example!eve@example.com",
    "source route": "@evil.example:eve@example.com",
    "address literal": "eve@[127.0.0.1]",
    "argument": "-oQ/tmp/x@example.com",
    # templates of ours
    "template": "{{ '\\r\\nBcc: eve@evil.example' }}",
    "template of a template": "{{ '{' }}{{ '{ 7 * 7 }' }}}",
}

OURS = {
    "from", "to", "subject", "date", "message-id", "mime-version", "feedback-id", "auto-submitted", "precedence",
    "content-type", "content-transfer-encoding", "reply-to", "list-unsubscribe", "list-unsubscribe-post", "x-case",
}  # fmt: skip

_ENVELOPE = re.compile(
    rb"(?:RSET\r\n)?MAIL FROM:<([^<>\s\x00-\x1f\x7f]+)> SIZE=(\d+)( BODY=8BITMIME)?( SMTPUTF8)?\r\n"
    rb"RCPT TO:<([^<>\s\x00-\x1f\x7f]+)>\r\nDATA\r\n"
)


@dataclass(frozen=True, slots=True)
class Said:
    """One message of a session, as it was before its dots were doubled."""

    mail_from: str
    rcpt_to: str
    body: bytes


def transcript(received: bytes) -> list[Said]:
    """Take apart what a client said in a session, which must be nothing but messages.

    Each body must end where its SIZE says, so that not a byte of it can have been a command.
    """
    hello, _, rest = received.partition(b"\r\n")
    assert re.fullmatch(rb"EHLO [A-Za-z0-9.\-\[\]:]+", hello), hello
    found = []
    while rest not in (b"", b"QUIT\r\n"):
        envelope = _ENVELOPE.match(rest)
        assert envelope is not None, rest[:300]
        end = rest.index(b"\r\n.\r\n", envelope.end()) + 2
        body = re.sub(rb"(?m)^\.", b"", rest[envelope.end() : end])
        assert len(body) == int(envelope[2]), "it ended elsewhere than it should"
        assert all(line[1:2] for line in re.findall(rb"(?m)^\.[^\r\n]*", rest[envelope.end() : end])), "a lone dot"
        assert bool(envelope[3]) is not body.isascii()
        found.append(Said(envelope[1].decode(), envelope[5].decode(), body))
        rest = rest[end + 3 :]
    return found


def check_mail(body: bytes, allowed: set[str] = OURS) -> EmailMessage:
    """Return a mail, after looking whether any server would read it as we meant it."""
    assert b"\0" not in body
    assert b"\r" not in body.replace(b"\r\n", b"")
    assert b"\n" not in body.replace(b"\r\n", b"")
    assert max(map(len, body.split(b"\r\n"))) <= 998
    head = body.partition(b"\r\n\r\n")[0]
    for line in head.split(b"\r\n"):
        assert re.match(rb"[A-Za-z][A-Za-z0-9-]*: ?|[ \t]+\S", line), line
    parsed = message_from_bytes(body, policy=default)
    assert isinstance(parsed, EmailMessage)
    names = Counter(name.lower() for name in parsed.keys())  # noqa: SIM118 - a header may be there twice
    assert set(names) <= allowed, set(names) - allowed
    assert set(names.values()) == {1}, names
    for part in parsed.walk():
        assert part.defects == []
    return parsed
