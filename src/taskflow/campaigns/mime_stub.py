"""Stand-in until delivery/mime.py lands."""

import base64
from email.header import Header
from email.utils import formataddr, formatdate


class Skeleton:
    def __init__(self, *, from_email: str, from_name: str | None, reply_to: str | None) -> None:
        self._from = formataddr((from_name or "", from_email))
        self._reply = reply_to

    def build(self, *, to: str, subject: str, html: str, text: str, message_id: str, unsubscribe_url: str) -> bytes:
        sub = subject if subject.isascii() else Header(subject, "utf-8").encode(linesep="\r\n")
        head = (
            f"From: {self._from}\r\nTo: {to}\r\nSubject: {sub}\r\nDate: {formatdate()}\r\nMessage-ID: {message_id}\r\n"
            f"List-Unsubscribe: <{unsubscribe_url}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
            'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="=_b"\r\n\r\n'
        )
        body = (
            "--=_b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(text.encode()).decode()
            + "\r\n--=_b\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes(html.encode()).decode()
            + "\r\n--=_b--\r\n"
        )
        return (head + body).encode()
