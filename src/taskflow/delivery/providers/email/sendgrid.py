"""SendGrid, version 3 of its API, which wants a mail's parts.

https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send. Its own tracking is turned off: our links are
rewritten already. It has no key against doubles.
"""

from email.headerregistry import Address
from typing import Any, Literal

import orjson
from pydantic import Field

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Kind, Mail, Surroundings
from taskflow.delivery.providers.email import sendgrid_answers
from taskflow.delivery.providers.fields import Fields, Secret, Url
from taskflow.delivery.providers.http import Answer, Request
from taskflow.delivery.providers.parsed import Attachment, parse
from taskflow.delivery.providers.posting import HttpMailProvider

_HOSTS = {"global": "https://api.sendgrid.com", "eu": "https://api.eu.sendgrid.com"}
_NOT_TRACKED = {
    "click_tracking": {"enable": False, "enable_text": False},
    "open_tracking": {"enable": False},
    "subscription_tracking": {"enable": False},
}


class SendGridFields(Fields):
    """An account of SendGrid."""

    api_key: Secret = Field(description="A key with the permission Mail Send.")
    region: Literal["global", "eu"] = Field("global", description="Where the account's data is.")
    endpoint: Url | None = Field(None, description="Another address of the API; that of the region by default.")


class SendGridService:
    """Requests to SendGrid."""

    def __init__(self, fields: SendGridFields) -> None:
        self._url = (fields.endpoint or _HOSTS[fields.region]).rstrip("/")
        self._key = fields.api_key.get_secret_value()

    def request(self, mail: Mail) -> Request:
        """Return the request that sends a mail."""
        parts = parse(mail.body)
        contents = (("text/plain", parts.text), ("text/html", parts.html))
        told: dict[str, Any] = {
            "personalizations": [{"to": [{"email": mail.rcpt_to}]}],
            "from": _named(parts.sender),
            "subject": parts.subject,
            "content": [{"type": kind, "value": value} for kind, value in contents if value],
            "custom_args": {"taskflow_message_id": str(mail.message_id)},
            "tracking_settings": _NOT_TRACKED,
        }
        if parts.reply_to:
            told["reply_to_list"] = [_named(address) for address in parts.reply_to]
        if parts.headers:
            told["headers"] = dict(parts.headers)
        if parts.attachments:
            told["attachments"] = [_file(one) for one in parts.attachments]
        return self._call("POST", "/v3/mail/send", orjson.dumps(told))

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""
        return sendgrid_answers.outcome(answer)

    def probe(self) -> Request:
        """Ask what the key may do."""
        return self._call("GET", "/v3/scopes", None)

    def found(self, answer: Answer) -> str:
        """Say whether it may send."""
        return sendgrid_answers.found(answer)

    def _call(self, method: str, path: str, body: bytes | None) -> Request:
        headers = {"authorization": f"Bearer {self._key}"} | ({"content-type": "application/json"} if body else {})
        return Request(method, self._url + path, headers, body, (self._key,))


def open_sendgrid(fields: SendGridFields, surroundings: Surroundings) -> HttpMailProvider:
    """Return the provider for an account."""
    return HttpMailProvider(SendGridService(fields), surroundings.http)


def _named(address: Address) -> dict[str, str]:
    return {"email": address.addr_spec} | ({"name": address.display_name} if address.display_name else {})


def _file(one: Attachment) -> dict[str, str]:
    told = {"content": one.base64, "filename": one.filename, "type": one.content_type, "disposition": "attachment"}
    return told | ({"disposition": "inline", "content_id": one.content_id} if one.content_id else {})


SENDGRID = Kind(
    name="sendgrid", title="SendGrid", channel=Channel.EMAIL, settings=SendGridFields, open=open_sendgrid, priority=1
)
