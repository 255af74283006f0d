"""Any HTTP API that sends mail, from configuration (`configured`).

The body is `json`, a `form`, or the finished mail itself (`raw`). Placeholders: `to`, `from` (the envelope's sender),
`from_email` and `from_name` (of the header), `reply_to`, `subject`, `text`, `html`, `message_id`, `raw_base64`, and
`token`, the secret.
"""

import base64
from typing import ClassVar, Literal

from pydantic import Field

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.configured import ApiFields, ConfiguredApi, UnfitMessageError
from taskflow.delivery.providers.contract import Kind, Mail, Surroundings
from taskflow.delivery.providers.http import Answer, Request
from taskflow.delivery.providers.parsed import ParsedMail, UnreadableMailError, parse
from taskflow.delivery.providers.posting import HttpMailProvider

_PARTS = frozenset({"from_email", "from_name", "reply_to", "subject", "text", "html"})


class HttpFields(ApiFields):
    """An HTTP API."""

    placeholders: ClassVar[frozenset[str]] = frozenset({"to", "from", "message_id", "raw_base64", "token"}) | _PARTS

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    body: Literal["json", "form", "raw"] = Field("json", description="What the API takes; raw: the mail itself.")

    @property
    def body_type(self) -> str:
        """What the API takes."""
        return self.body


class HttpService:
    """Requests to the API."""

    def __init__(self, fields: HttpFields) -> None:
        """Know nothing but what was told."""
        self._fields = fields
        self._api = ConfiguredApi(fields)

    def request(self, mail: Mail) -> Request:
        """Return the request that sends a mail.

        Raises:
            UnreadableMailError: the API cannot be told of it.
        """
        raw = mail.body if self._fields.body == "raw" else None
        try:
            return self._api.request(self._fields.method, self._values(mail), raw)
        except UnfitMessageError as error:
            raise UnreadableMailError(str(error)) from error

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""
        return self._fields.judge(answer)

    def probe(self) -> Request | None:
        """Ask at `probe_url`, when there is one."""
        return self._api.probe()

    def found(self, answer: Answer) -> str:
        """Say that it answers.

        Raises:
            ProviderUnusableError: it refuses.
        """
        return self._api.found(answer)

    def _values(self, mail: Mail) -> dict[str, str]:
        values = {"to": mail.rcpt_to, "from": mail.mail_from, "message_id": str(mail.message_id)}
        if "raw_base64" in self._api.names:
            values["raw_base64"] = base64.b64encode(mail.body).decode()
        return values | _told(parse(mail.body)) if self._api.names & _PARTS else values


def open_api(fields: HttpFields, surroundings: Surroundings) -> HttpMailProvider:
    """Return the provider for an API."""
    return HttpMailProvider(HttpService(fields), surroundings.http)


def _told(parts: ParsedMail) -> dict[str, str]:
    return {
        "from_email": parts.sender.addr_spec,
        "from_name": parts.sender.display_name,
        "reply_to": ", ".join(address.addr_spec for address in parts.reply_to),
        "subject": parts.subject,
        "text": parts.text or "",
        "html": parts.html or "",
    }


HTTP = Kind(name="http", title="HTTP API", channel=Channel.EMAIL, settings=HttpFields, open=open_api, priority=1)
