"""Postmark, which wants a mail's parts.

https://postmarkapp.com/developer/api/email-api. A message stream keeps transactional and bulk mail apart. Its own
tracking is turned off.
"""

from typing import Any
from urllib.parse import urlencode

import orjson
from pydantic import Field

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Kind, Mail, Sighting, Sought, Surroundings
from taskflow.delivery.providers.email import postmark_answers
from taskflow.delivery.providers.fields import Fields, Line, Secret, Url
from taskflow.delivery.providers.http import Answer, Request
from taskflow.delivery.providers.parsed import Attachment, parse
from taskflow.delivery.providers.posting import SearchableMailProvider

_URL = "https://api.postmarkapp.com"


class PostmarkFields(Fields):
    """A server of Postmark."""

    server_token: Secret = Field(description="The server's API token.")
    message_stream: Line = Field("outbound", description="Its stream; `broadcast` is for bulk mail.")
    endpoint: Url | None = Field(None, description="Another address of the API.")


class PostmarkService:
    """Requests to Postmark."""

    def __init__(self, fields: PostmarkFields) -> None:
        self._url = (fields.endpoint or _URL).rstrip("/")
        self._token = fields.server_token.get_secret_value()
        self._stream = fields.message_stream

    def request(self, mail: Mail) -> Request:
        """Return the request that sends a mail."""
        parts = parse(mail.body)
        told: dict[str, Any] = {
            "From": str(parts.sender),
            "To": mail.rcpt_to,
            "Subject": parts.subject,
            "MessageStream": self._stream,
            "TrackOpens": False,
            "TrackLinks": "None",
            "Metadata": {postmark_answers.OUR_ID: str(mail.message_id)},
        }
        optional = {
            "TextBody": parts.text,
            "HtmlBody": parts.html,
            "ReplyTo": ", ".join(str(address) for address in parts.reply_to),
            "Headers": [{"Name": name, "Value": value} for name, value in parts.headers],
            "Attachments": [_file(one) for one in parts.attachments],
        }
        return self._call(
            "POST", "/email", orjson.dumps(told | {name: value for name, value in optional.items() if value})
        )

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""
        return postmark_answers.outcome(answer)

    def probe(self) -> Request:
        """Ask for the server."""
        return self._call("GET", "/server", None)

    def found(self, answer: Answer) -> str:
        """Say which server it is."""
        return postmark_answers.found(answer)

    def search(self, sought: Sought) -> Request:
        """Ask for the mail with our id (https://postmarkapp.com/developer/api/messages-api)."""
        about = {
            "count": 1,
            "offset": 0,
            "messagestream": self._stream,
            f"metadata_{postmark_answers.OUR_ID}": str(sought.message_id),
        }
        return self._call("GET", f"/messages/outbound?{urlencode(about)}", None)

    def sighting(self, answer: Answer, sought: Sought) -> Sighting | None:
        """Return what was found."""
        return postmark_answers.sighting(answer, sought)

    def _call(self, method: str, path: str, body: bytes | None) -> Request:
        headers = {"accept": "application/json", "x-postmark-server-token": self._token}
        if body is not None:
            headers["content-type"] = "application/json"
        return Request(method, self._url + path, headers, body, (self._token,))


def open_postmark(fields: PostmarkFields, surroundings: Surroundings) -> SearchableMailProvider:
    """Return the provider for a server."""
    service = PostmarkService(fields)
    return SearchableMailProvider(service, service, surroundings.http)


def _file(one: Attachment) -> dict[str, str]:
    told = {"Name": one.filename, "Content": one.base64, "ContentType": one.content_type}
    return told | ({"ContentID": f"cid:{one.content_id}"} if one.content_id else {})


POSTMARK = Kind(
    name="postmark", title="Postmark", channel=Channel.EMAIL, settings=PostmarkFields, open=open_postmark, priority=1
)
