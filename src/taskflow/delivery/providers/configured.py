"""Requests to any HTTP API, from configuration: where, with which headers and body, and what its statuses mean.

Placeholders fill the path and query of the URL, headers and the body, each written as its place demands. Which there
are says the channel; `token`, the secret, is in all of them.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self
from urllib.parse import urlencode

import orjson
from pydantic import Field, StringConstraints, model_validator

from taskflow.base.outbound import MAX_URL_CHARS
from taskflow.delivery.outcome import Cause
from taskflow.delivery.providers.fields import Line, Secret
from taskflow.delivery.providers.filling import PLACEHOLDER, fill, fill_json, fill_url, names_in
from taskflow.delivery.providers.http import Answer, InvalidProviderUrlError, Request, basic, target_of
from taskflow.delivery.providers.posting import refused
from taskflow.delivery.providers.rules import StatusRules

_MAX_JSON = 100_000
_TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "raw": "message/rfc822"}
_SECRET_HEADER = re.compile(r"authorization|cookie|key|token|secret|password", re.IGNORECASE)

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]


class UnfitMessageError(ValueError):
    """A message does not fit into the request; `cause`: what of it."""

    def __init__(self, reason: str, cause: Cause) -> None:
        """Take the reason as a sentence."""
        super().__init__(reason)
        self.cause = cause


class ApiFields(StatusRules):
    """What is told of an API for every channel; a channel says which placeholders and bodies there are."""

    placeholders: ClassVar[frozenset[str]]

    url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] = Field(description="Where requests go.")
    headers: dict[HeaderName, Line] = Field({}, max_length=50, description="Name to value.")
    json_template: Any = Field(None, description="For json: the body, with placeholders in its texts.")
    form_template: dict[Line, str] = Field({}, max_length=50, description="For form: field to value.")
    username: Line | None = Field(None, description="For HTTP Basic.")
    password: Secret | None = Field(None, description="For HTTP Basic.")
    token: Secret | None = Field(None, description="What the placeholder token stands for.")
    probe_url: Annotated[str, StringConstraints(min_length=1, max_length=2_000)] | None = Field(
        None, description="An address to GET that sends nothing, for testing the connection."
    )

    @property
    def body_type(self) -> str:
        """What the API takes: json, form, raw or none."""
        raise NotImplementedError

    @model_validator(mode="after")
    def _fits(self) -> Self:
        for url in (self.url, self.probe_url):
            if url is not None:
                _check_url(url)
        for name, value in self.headers.items():
            if _SECRET_HEADER.search(name) and not names_in(value):
                raise ValueError(f"the header {name} holds a secret: write {{{{ token }}}} there, and give the token")
        if self.body_type == "json" and self.json_template is None:
            raise ValueError("json needs json_template")
        if self.body_type == "form" and not self.form_template:
            raise ValueError("form needs form_template")
        if len(orjson.dumps(self.json_template)) > _MAX_JSON:
            raise ValueError("json_template is too large")
        unknown = self.names - self.placeholders
        if unknown:
            known = ", ".join(sorted(self.placeholders))
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


class ConfiguredApi:
    """Requests to one API."""

    def __init__(self, fields: ApiFields) -> None:
        """Know nothing but what was told."""
        self._fields = fields
        self.names = fields.names

    def request(self, method: str, told: Mapping[str, str], raw: bytes | None = None) -> Request:
        """Return the request that sends a message; `told`: what placeholders stand for, `raw`: the message itself.

        Raises:
            UnfitMessageError: a value must not stand in a header, or the URL would be too long.
        """
        fields, values = self._fields, self._with_token(told)
        url = fill_url(fields.url, values)
        if len(url) > MAX_URL_CHARS:
            raise UnfitMessageError(
                f"The URL of the request would be longer than {MAX_URL_CHARS:,} characters.", Cause.SIZE
            )
        body = raw
        if fields.body_type == "json":
            body = orjson.dumps(fill_json(fields.json_template, values))
        elif fields.body_type == "form":
            body = urlencode({name: fill(value, values) for name, value in fields.form_template.items()}).encode()
        content = {} if body is None else {"content-type": _TYPES[fields.body_type]}
        return Request(method, url, content | self._headers(values), body, self._hide)

    def probe(self) -> Request | None:
        """Ask at `probe_url`, when there is one."""
        url = self._fields.probe_url
        if url is None:
            return None
        values = self._with_token(dict.fromkeys(self._fields.placeholders, ""))
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

    def _with_token(self, told: Mapping[str, str]) -> dict[str, str]:
        return {**told, "token": self._token}

    def _headers(self, values: Mapping[str, str]) -> dict[str, str]:
        found = {name.lower(): fill(value, values) for name, value in self._fields.headers.items()}
        if self._authorization is not None:
            found["authorization"] = self._authorization
        for name, value in found.items():
            if not value.isprintable():
                reason = f"The header {name} of the request would hold a control character."
                raise UnfitMessageError(reason, Cause.INVALID)
        return found


def _check_url(url: str) -> None:
    """Refuse an address whose scheme, host or port has a placeholder, or that is none."""
    try:
        target = target_of(PLACEHOLDER.sub("x", url))
    except InvalidProviderUrlError as error:
        raise ValueError(str(error)) from error
    if not url.lower().startswith(f"{target.scheme}://{target.host_header}"):
        raise ValueError("placeholders are for the path and the query of an address")
