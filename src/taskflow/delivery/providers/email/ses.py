"""Amazon SES, version 2 of its API: the finished mail as it is (`Content.Raw`), signed with AWS Signature Version 4.

https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendEmail.html. SES has no token against doubles: a
send whose answer was lost is uncertain.
"""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import Field, StringConstraints

from taskflow.audience.channels import Channel
from taskflow.base.sigv4 import Credentials, signed_headers
from taskflow.delivery.addresses import NULL_PATH
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Kind, Mail, Surroundings
from taskflow.delivery.providers.email import ses_answers
from taskflow.delivery.providers.fields import Fields, Line, Secret, Url
from taskflow.delivery.providers.http import Answer, Request
from taskflow.delivery.providers.posting import MeteredMailProvider

_SEND = "/v2/email/outbound-emails"
_ACCOUNT = "/v2/email/account"
Region = Annotated[str, StringConstraints(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$", max_length=30)]


class SesFields(Fields):
    """An account of Amazon SES in one region."""

    region: Region = Field(description="For example eu-west-1.")
    access_key_id: Line = Field(description="Of a user that may ses:SendEmail, ses:SendRawEmail and ses:GetAccount.")
    secret_access_key: Secret = Field(description="Its secret.")
    configuration_set: Line | None = Field(None, description="Where SES publishes events; its default otherwise.")
    forward_feedback: bool = Field(
        False,
        description="Let SES mail bounces and complaints to the return path of each message, whose domain must be "
        "verified there. Feedback forwarding must be on for the identity.",
    )
    endpoint: Url | None = Field(None, description="Another address of the API; that of the region by default.")


class SesService:
    """Requests to SES."""

    def __init__(self, fields: SesFields) -> None:
        self._url = (fields.endpoint or f"https://email.{fields.region}.amazonaws.com").rstrip("/")
        self._set = fields.configuration_set
        self._forwards = fields.forward_feedback
        secret = fields.secret_access_key.get_secret_value()
        self._credentials = Credentials(fields.access_key_id, secret, fields.region, "ses")
        self._region = fields.region

    def request(self, mail: Mail) -> Request:
        """Return the request that sends a mail; the tag lets events find it again."""
        told: dict[str, Any] = {
            "Destination": {"ToAddresses": [mail.rcpt_to]},
            "Content": {"Raw": {"Data": base64.b64encode(mail.body).decode()}},
            "EmailTags": [{"Name": "taskflow-message-id", "Value": str(mail.message_id)}],
        }
        if self._set is not None:
            told["ConfigurationSetName"] = self._set
        if self._forwards and mail.mail_from != NULL_PATH:
            told["FeedbackForwardingEmailAddress"] = mail.mail_from
        return self._signed("POST", _SEND, orjson.dumps(told))

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""
        return ses_answers.outcome(answer)

    def probe(self) -> Request:
        """Ask for the account."""
        return self._signed("GET", _ACCOUNT, None)

    def found(self, answer: Answer) -> str:
        """Say what the account may send."""
        return ses_answers.found(answer, self._region)

    def quota(self, answer: Answer) -> Mapping[str, int]:
        """Return how much the account may send."""
        return ses_answers.quota(answer)

    def _signed(self, method: str, path: str, body: bytes | None) -> Request:
        url = self._url + path
        plain = {"content-type": "application/json"} if body is not None else {}
        headers = signed_headers(self._credentials, method, url, plain, body or b"", datetime.now(UTC))
        return Request(method, url, headers, body, (self._credentials.secret_key, headers["authorization"]))


def open_ses(fields: SesFields, surroundings: Surroundings) -> MeteredMailProvider:
    """Return the provider for an account."""
    service = SesService(fields)
    return MeteredMailProvider(service, service, surroundings.http)


SES = Kind(name="ses", title="Amazon SES", channel=Channel.EMAIL, settings=SesFields, open=open_ses, priority=1)
