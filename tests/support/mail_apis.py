"""Providers of mail as their documentation describes them: what they demand of a request, and how they answer.

Each class is the `answer` of a `support.receiver.Receiver`: it checks sign-in and shape as the provider does, keeps
what it took, and answers with the provider's own words.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any
from urllib.parse import parse_qs, urlsplit

from support.receiver import Message, Reply, plain

KEY = "canary-key-of-a-provider-4b1d"
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(range(64))
FILE = b"%PDF-1.7 \x00\xff binary"


def letter() -> bytes:
    """Return a mail with everything in it: both bodies, an inline image, a file, and headers of ours."""
    mail = EmailMessage(policy=SMTP.clone(max_line_length=998))  # as ours: links are not folded
    mail["From"] = "Grüße <news@example.org>"
    mail["To"] = "anna@example.com"
    mail["Reply-To"] = "help@example.org"
    mail["Subject"] = "Schöne Grüße aus München"
    mail["Message-ID"] = "<0198.abc@example.org>"
    mail["List-Unsubscribe"] = "<https://example.org/unsubscribe/" + "t" * 90 + ">"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail["Feedback-ID"] = "c1:bulk:taskflow"
    mail["DKIM-Signature"] = "v=1; a=ed25519-sha256; d=example.org; b=abc"
    mail.set_content("Hallo Anna,\nschöne Grüße.\n")
    mail.add_alternative('<p>Hallo Anna <img src="cid:logo@example.org"></p>', subtype="html")
    html = mail.get_payload()[1]
    html.add_related(IMAGE, "image", "png", cid="<logo@example.org>", filename="logo.png")
    mail.add_attachment(FILE, maintype="application", subtype="pdf", filename="Rechnung März.pdf")
    return mail.as_bytes()


def answer(status: int, told: Any = None, *headers: str) -> Reply:
    """Answer with JSON."""
    body = b"" if told is None else json.dumps(told).encode()
    return plain(status, "Content-Type: application/json", *headers, body=body)


@dataclass
class Ses:
    """Amazon SES: signatures are checked as it checks them, over what came."""

    access_key: str = "AKIACANARY"
    region: str = "eu-west-1"
    account: dict[str, Any] = field(
        default_factory=lambda: {
            "SendingEnabled": True,
            "ProductionAccessEnabled": True,
            "EnforcementStatus": "HEALTHY",
            "SendQuota": {"Max24HourSend": 50000.0, "MaxSendRate": 14.0, "SentLast24Hours": 12.0},
        }
    )
    taken: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, message: Message) -> Reply:
        if not self._is_signed(message):
            text = "The request signature we calculated does not match the signature you provided."
            return answer(403, {"message": text}, "x-amzn-ErrorType: InvalidSignatureException")
        if (message.method, message.path) == ("GET", "/v2/email/account"):
            return answer(200, self.account)
        if (message.method, message.path) != ("POST", "/v2/email/outbound-emails"):
            return answer(404, {"message": "no such operation"}, "x-amzn-ErrorType: NotFoundException")
        told = message.json
        raw = base64.b64decode(told["Content"]["Raw"]["Data"], validate=True)
        assert message_from_bytes(raw, policy=SMTP)["From"]
        assert len(told["Destination"]["ToAddresses"]) == 1
        self.taken.append(told | {"raw": raw})
        return answer(200, {"MessageId": f"010f-{len(self.taken)}-000000"})

    def _is_signed(self, message: Message) -> bool:
        fields = dict(
            part.strip().split("=", 1) for part in message.headers["authorization"].split(" ", 1)[1].split(",")
        )
        key, day, region, service, end = fields["Credential"].split("/")
        if (key, region, service, end) != (self.access_key, self.region, "ses", "aws4_request"):
            return False
        digest = hashlib.sha256(message.body).hexdigest()
        names = fields["SignedHeaders"].split(";")
        lines = [message.method, message.path, "", *(f"{name}:{message.headers[name]}" for name in names)]
        request = "\n".join([*lines, "", ";".join(names), digest])
        scope = f"{day}/{region}/{service}/aws4_request"
        hashed = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", message.headers["x-amz-date"], scope, hashed])
        signing = b"AWS4" + KEY.encode()
        for part in (day, region, service, "aws4_request"):
            signing = hmac.digest(signing, part.encode(), "sha256")
        return hmac.compare_digest(hmac.digest(signing, text.encode(), "sha256").hex(), fields["Signature"])


def ses_error(status: int, name: str, text: str = "") -> Reply:
    """Answer as SES refuses."""
    return answer(status, {"message": text}, f"x-amzn-ErrorType: {name}:http://internal.amazon.com/coral/")


@dataclass
class SendGrid:
    """SendGrid's v3 API: what it validates, it validates here."""

    scopes: list[str] = field(default_factory=lambda: ["mail.send", "user.profile.read"])
    taken: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, message: Message) -> Reply:
        if message.headers.get("authorization") != f"Bearer {KEY}":
            return sendgrid_error(401, "The provided authorization grant is invalid, expired, or revoked")
        if message.path == "/v3/scopes":
            return answer(200, {"scopes": self.scopes})
        assert (message.method, message.path) == ("POST", "/v3/mail/send")
        told = message.json
        [one] = told["personalizations"]
        [recipient] = one["to"]
        assert set(recipient) <= {"email", "name"}
        assert told["from"]["email"]
        types = [content["type"] for content in told["content"]]
        assert types == sorted(types, reverse=True), "text/plain has to come before text/html"
        reserved = {"from", "to", "cc", "bcc", "subject", "reply-to", "received", "dkim-signature", "content-type",
                    "content-transfer-encoding", "x-sg-id", "x-sg-eid"}  # fmt: skip
        assert not reserved & {name.lower() for name in told.get("headers", {})}
        self.taken.append(told)
        return plain(202, f"X-Message-Id: sg-{len(self.taken)}")


def sendgrid_error(status: int, text: str, field_name: str | None = None, *headers: str) -> Reply:
    """Answer as SendGrid refuses."""
    return answer(status, {"errors": [{"message": text, "field": field_name, "help": None}]}, *headers)


@dataclass
class Mailgun:
    """Mailgun's messages.mime: a form with a file."""

    domain: str = "mg.example.org"
    state: str = "active"
    taken: list[dict[str, Any]] = field(default_factory=list)
    shows: bool = True  # its events show what it took

    def __call__(self, message: Message) -> Reply:
        if message.headers.get("authorization") != f"Basic {base64.b64encode(f'api:{KEY}'.encode()).decode()}":
            return plain(401, "Content-Type: text/plain", body=b"Forbidden")
        if message.path == f"/v4/domains/{self.domain}":
            return answer(200, {"domain": {"name": self.domain, "state": self.state}})
        if message.path.startswith(f"/v3/{self.domain}/events?"):
            return answer(200, {"items": self.events(parse_qs(urlsplit(message.path).query)), "paging": {}})
        if message.path != f"/v3/{self.domain}/messages.mime":
            return answer(404, {"message": "Domain not found"})
        fields = form_of(message)
        assert fields["o:tracking"] == b"no"
        self.taken.append(fields)
        return answer(200, {"id": f"<mg-{len(self.taken)}@{self.domain}>", "message": "Queued. Thank you."})

    def events(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """Return what was accepted for a recipient, as events."""
        assert query["event"] == ["accepted"]
        assert int(query["begin"][0]) < int(query["end"][0])
        found = [
            {
                "event": "accepted",
                "recipient": fields["to"].decode(),
                "message": {"headers": {"message-id": f"mg-{number}@{self.domain}"}},
                "user-variables": {"taskflow_message_id": fields["v:taskflow_message_id"].decode()},
            }
            for number, fields in enumerate(self.taken, 1)
            if self.shows and [fields["to"].decode()] == query["recipient"]
        ]
        return found[: int(query["limit"][0])]


def form_of(message: Message) -> dict[str, bytes]:
    """Read multipart/form-data byte by byte (the standard library's parser changes line ends)."""
    kind, _, boundary = message.headers["content-type"].partition("; boundary=")
    assert kind == "multipart/form-data"
    parts = message.body.split(b"--" + boundary.encode())
    assert parts[0] == b""
    assert parts[-1] == b"--\r\n"
    found: dict[str, bytes] = {}
    for part in parts[1:-1]:
        head, _, content = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        name = head.split(b'name="')[1].split(b'"')[0].decode()
        found[name] = content.removesuffix(b"\r\n")
    return found


@dataclass
class Postmark:
    """Postmark's /email."""

    server: dict[str, Any] = field(default_factory=lambda: {"ID": 1, "Name": "Production", "DeliveryType": "Live"})
    taken: list[dict[str, Any]] = field(default_factory=list)
    shows: bool = True  # its search finds what it took

    def __call__(self, message: Message) -> Reply:
        if message.headers.get("x-postmark-server-token") != KEY:
            return postmark_error(401, 10, "No Account or Server API tokens were supplied in the HTTP headers.")
        if message.path.startswith("/messages/outbound?"):
            return answer(200, self.found(parse_qs(urlsplit(message.path).query)))
        if message.path == "/server":
            return answer(200, self.server)
        assert (message.method, message.path) == ("POST", "/email")
        assert message.headers["accept"] == "application/json"
        told = message.json
        assert told["TextBody"] or told["HtmlBody"]
        assert all(set(header) == {"Name", "Value"} for header in told["Headers"])
        self.taken.append(told)
        made = {"To": told["To"], "MessageID": f"pm-{len(self.taken)}", "ErrorCode": 0, "Message": "OK"}
        return answer(200, made)

    def found(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """Return what a search by one field of metadata finds."""
        assert int(query["count"][0]) <= 500
        assert query["offset"] == ["0"]
        [name] = [name for name in query if name.startswith("metadata_")]
        found = [
            {"MessageID": f"pm-{number}", "To": [{"Email": told["To"]}], "Status": "Sent", "Metadata": told["Metadata"]}
            for number, told in enumerate(self.taken, 1)
            if self.shows
            and told["MessageStream"] == query["messagestream"][0]
            and told["Metadata"].get(name.removeprefix("metadata_")) == query[name][0]
        ]
        return {"TotalCount": len(found), "Messages": found[: int(query["count"][0])]}


def postmark_error(status: int, code: int, text: str = "") -> Reply:
    """Answer as Postmark refuses."""
    return answer(status, {"ErrorCode": code, "Message": text})
