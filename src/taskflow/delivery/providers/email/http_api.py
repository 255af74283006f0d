"""Any HTTP API that sends mail, from configuration: where, with which headers and body, and what its statuses mean.

The body is `json`, a `form`, or the finished mail itself (`raw`). Placeholders: `to`, `from` (the envelope's sender),
`from_email` and `from_name` (of the header), `reply_to`, `subject`, `text`, `html`, `message_id`, `raw_base64`, and
`token`, the secret. They fill the path and query of the URL, headers and the body, each written as its place demands.
"""

import base64
import re
from functools import cached_property
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlencode

import orjson
from pydantic import Field, StringConstraints, model_validator

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Outcome
from taskflow.delivery.providers.contract import Kind, Mail, Surroundings
from taskflow.delivery.providers.fields import Line, Secret
from taskflow.delivery.providers.filling import PLACEHOLDER, fill, fill_json, fill_url, names_in
from taskflow.delivery.providers.http import Answer, InvalidProviderUrlError, Request, basic, target_of
from taskflow.delivery.providers.parsed import ParsedMail, UnreadableMailError, parse
from taskflow.delivery.providers.posting import HttpMailProvider, refused
from taskflow.delivery.providers.rules import StatusRules

_PARTS = frozenset({"from_email", "from_name", "reply_to", "subject", "text", "html"})
PLACEHOLDERS = frozenset({"to", "from", "message_id", "raw_base64", "token"}) | _PARTS
_MAX_JSON = 100_000
_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "raw": "message/rfc822"}

_SECRET_HEADER = re.compile(r"authorization|cookie|key|token|secret|password", re.IGNORECASE)

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]


class HttpFields(StatusRules):
    """An HTTP API."""

    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] = Field(description="Where requests go.")
    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: dict[HeaderName, Line] = Field({}, max_length=50, description="Name to value.")
    body: Literal["json", "form", "raw"] = Field("json", description="What the API takes; raw: the mail itself.")
    json_template: Any = Field(None, description="For json: the body, with placeholders in its texts.")
    form_template: dict[Line, str] = Field({}, max_length=50, description="For form: field to value.")
    username: Line | None = Field(None, description="For HTTP Basic.")
    password: Secret | None = Field(None, description="For HTTP Basic.")
    token: Secret | None = Field(None, description="What the placeholder token stands for.")
    probe_url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = Field(
        None, description="An address to GET that sends nothing, for testing the connection."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for url in (self.url, self.probe_url):
            if url is not None:
                _check_url(url)
        for name, value in self.headers.items():
            if _SECRET_HEADER.search(name) and not names_in(value):
                raise ValueError(f"the header {name} holds a secret: write {{{{ token }}}} there, and give the token")
        if self.body == "json" and self.json_template is None:
            raise ValueError("json needs json_template")
        if self.body == "form" and not self.form_template:
            raise ValueError("form needs form_template")
        if len(orjson.dumps(self.json_template)) > _MAX_JSON:
            raise ValueError("json_template is too large")
        unknown = self.names - PLACEHOLDERS
        if unknown:
            known = ", ".join(sorted(PLACEHOLDERS))
            raise ValueError(f"no placeholder is called {min(unknown)}; there are {known}")
        if "token" in self.names and self.token is None:
            raise ValueError("a placeholder is called token, but there is no token")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        return self

    @property
    def names(self) -> frozenset[str]:
        """The placeholders that are used."""
        used: Any = [self.url, self.headers, self.json_template, self.form_template, self.probe_url or ""]
        return frozenset(names_in(used))


class HttpService:
    """Requests to the API."""

    def __init__(self, fields: HttpFields) -> None:
        self._fields = fields
        self._names = fields.names

    def request(self, mail: Mail) -> Request:
        """Return the request that sends a mail."""
        fields, values = self._fields, self._values(mail)
        if fields.body == "json":
            body = orjson.dumps(fill_json(fields.json_template, values))
        elif fields.body == "form":
            body = urlencode({name: fill(value, values) for name, value in fields.form_template.items()}).encode()
        else:
            body = mail.body
        headers = {"content-type": _TYPES[fields.body]} | self._headers(values)
        return Request(fields.method, fill_url(fields.url, values), headers, body, self._hide)

    def outcome(self, answer: Answer) -> Outcome:
        """Return what became of the mail."""
        return self._fields.judge(answer)

    def probe(self) -> Request | None:
        """Ask at `probe_url`, when there is one."""
        url = self._fields.probe_url
        if url is None:
            return None
        values = dict.fromkeys(PLACEHOLDERS, "") | {"token": self._token}
        return Request("GET", fill_url(url, values), self._headers(values), None, self._hide)

    def found(self, answer: Answer) -> str:
        """Say that it answers.

        Raises:
            ProviderUnusableError: it refuses.
        """
        if not 200 <= answer.code < 300:
            raise refused(answer)
        return f"The API answers: {answer}"

    @property
    def _token(self) -> str:
        return self._fields.token.get_secret_value() if self._fields.token is not None else ""

    @cached_property
    def _authorization(self) -> str | None:
        fields = self._fields
        if fields.username is None or fields.password is None:
            return None
        return basic(fields.username, fields.password.get_secret_value())

    @property
    def _hide(self) -> tuple[str, ...]:
        password = self._fields.password
        secrets = (self._token, self._authorization or "", password.get_secret_value() if password is not None else "")
        return tuple(secret for secret in secrets if secret)

    def _headers(self, values: dict[str, str]) -> dict[str, str]:
        found = {name.lower(): fill(value, values) for name, value in self._fields.headers.items()}
        if self._authorization is not None:
            found["authorization"] = self._authorization
        for name, value in found.items():
            if not value.isprintable():
                raise UnreadableMailError(f"The header {name} of the request would hold a control character.")
        return found

    def _values(self, mail: Mail) -> dict[str, str]:
        values = {"to": mail.rcpt_to, "from": mail.mail_from, "message_id": str(mail.message_id), "token": self._token}
        if "raw_base64" in self._names:
            values["raw_base64"] = base64.b64encode(mail.body).decode()
        return values | _told(parse(mail.body)) if self._names & _PARTS else values


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


def _check_url(url: str) -> None:
    """Refuse an address whose scheme, host or port has a placeholder, or that is none."""
    try:
        target = target_of(PLACEHOLDER.sub("x", url))
    except InvalidProviderUrlError as error:
        raise ValueError(str(error)) from error
    if not url.lower().startswith(f"{target.scheme}://{target.host_header}"):
        raise ValueError("placeholders are for the path and the query of an address")


HTTP = Kind(name="http", title="HTTP API", channel=Channel.EMAIL, settings=HttpFields, open=open_api, priority=1)
