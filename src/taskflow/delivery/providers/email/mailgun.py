"""Mailgun: the finished mail as it is (`messages.mime`), as a file of a form.

https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/messages/post-v3--domain-name--messages.mime
"""

import os
from datetime import timedelta
from typing import Literal
from urllib.parse import quote, urlencode

from pydantic import Field

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Kind, Mail, Sighting, Sought, Surroundings
from taskflow.delivery.providers.email import mailgun_answers
from taskflow.delivery.providers.fields import Fields, HostName, Secret, Url
from taskflow.delivery.providers.http import Answer, Request, basic
from taskflow.delivery.providers.posting import SearchableMailProvider

_MARGIN = timedelta(minutes=10)  # between their clock and ours, and for the longest send
_HOSTS = {"us": "https://api.mailgun.net", "eu": "https://api.eu.mailgun.net"}


class MailgunFields(Fields):
    """A sending domain of Mailgun."""

    domain: HostName = Field(description="The domain that is set up there, for example mg.example.com.")
    api_key: Secret = Field(description="A sending key of that domain, or the account's.")
    region: Literal["us", "eu"] = Field("us", description="Where the domain is.")
    endpoint: Url | None = Field(None, description="Another address of the API; that of the region by default.")


class MailgunService:
    """Requests to Mailgun."""

    def __init__(self, fields: MailgunFields) -> None:
        self._url = (fields.endpoint or _HOSTS[fields.region]).rstrip("/")
        self._domain = fields.domain
        self._key = fields.api_key.get_secret_value()

    def request(self, mail: Mail) -> Request:
        """Return the request that sends a mail."""
        fields = {"to": mail.rcpt_to, "o:tracking": "no", f"v:{mailgun_answers.OUR_ID}": str(mail.message_id)}
        kind, body = form(fields, mail.body)
        return self._call("POST", f"/v3/{quote(self._domain)}/messages.mime", kind, body)

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""
        return mailgun_answers.outcome(answer)

    def probe(self) -> Request:
        """Ask for the domain."""
        return self._call("GET", f"/v4/domains/{quote(self._domain)}", None, None)

    def found(self, answer: Answer) -> str:
        """Say whether the domain may send."""
        return mailgun_answers.found(answer, self._domain)

    def search(self, sought: Sought) -> Request:
        """Ask what was taken for a recipient around that time: each event holds the id that went along.

        https://documentation.mailgun.com/docs/mailgun/api-reference/send/mailgun/events/get-v3-domain_name-events
        """
        about = {
            "event": "accepted",
            "recipient": sought.rcpt_to,
            "begin": int((sought.since - _MARGIN).timestamp()),
            "end": int((sought.since + _MARGIN).timestamp()),
            "limit": mailgun_answers.MOST_EVENTS,
        }
        return self._call("GET", f"/v3/{quote(self._domain)}/events?{urlencode(about)}", None, None)

    def sighting(self, answer: Answer, sought: Sought) -> Sighting | None:
        """Return the event of the mail."""
        return mailgun_answers.sighting(answer, sought)

    def _call(self, method: str, path: str, kind: str | None, body: bytes | None) -> Request:
        authorization = basic("api", self._key)
        headers = {"authorization": authorization} | ({"content-type": kind} if kind else {})
        return Request(method, self._url + path, headers, body, (self._key, authorization))


def open_mailgun(fields: MailgunFields, surroundings: Surroundings) -> SearchableMailProvider:
    """Return the provider for a domain."""
    service = MailgunService(fields)
    return SearchableMailProvider(service, service, surroundings.http)


def form(fields: dict[str, str], message: bytes) -> tuple[str, bytes]:
    """Return the type and the bytes of a form with fields and the mail as its file (RFC 7578)."""
    boundary = f"taskflow-{os.urandom(16).hex()}"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = 'Content-Disposition: form-data; name="message"; filename="message.eml"\r\nContent-Type: message/rfc822'
    parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + message + f"\r\n--{boundary}--\r\n".encode())
    return f"multipart/form-data; boundary={boundary}", b"".join(parts)


MAILGUN = Kind(
    name="mailgun", title="Mailgun", channel=Channel.EMAIL, settings=MailgunFields, open=open_mailgun, priority=1
)
