"""Any HTTP API that sends texts, from configuration (`configured`).

The body is `json`, a `form`, or `none`, where all stands in the URL. Placeholders: `to` and `to_digits` (the same
without its +), `from`, `text`, `encoding` (`gsm7` or `ucs2`), `message_id`, and `token`, the secret. Under India's DLT
there are more: `template_id`, `entity_id`, `provider_template_id`, `values`; an API that takes them is a kind of its
own, because no text under DLT goes to one that does not.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from taskflow.audience.channels import Channel
from taskflow.content.sms import sms_length
from taskflow.delivery.dlt import VALUE_SEPARATOR, Facts
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.providers.configured import ApiFields, ConfiguredApi, UnfitMessageError
from taskflow.delivery.providers.contract import Kind, Sms
from taskflow.delivery.providers.fields import Line
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.posting import NO_PROBE
from taskflow.delivery.providers.sms.exchange import Exchange
from taskflow.delivery.providers.sms.http_api.hooks import HookFields, read
from taskflow.delivery.providers.sms.sender import HttpSender, refused

_DLT_IDS = frozenset({"template_id", "provider_template_id"})


class SmsHttpFields(HookFields, ApiFields):
    """An HTTP API."""

    placeholders: ClassVar[frozenset[str]] = frozenset(
        {"to", "to_digits", "from", "text", "encoding", "message_id", "token"}
    )

    method: Literal["POST", "PUT", "PATCH", "GET"] = "POST"
    body: Literal["json", "form", "none"] = Field("json", description="What the API takes; none: all is in the URL.")
    sender: Line | None = Field(None, description="Number or name, when a text names none.")

    @property
    def body_type(self) -> str:
        """What the API takes."""
        return self.body

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.names & {"to", "to_digits"}:
            raise ValueError("nothing says whom a text is for: write {{ to }} or {{ to_digits }}")
        if self.method == "GET" and self.body != "none":
            raise ValueError("GET has no body: set body to none, and write all into the url")
        return self


class SmsHttpDltFields(SmsHttpFields):
    """An HTTP API that hands the ids of a DLT template to Indian operators."""

    placeholders: ClassVar[frozenset[str]] = SmsHttpFields.placeholders | _DLT_IDS | {"entity_id", "values"}

    @model_validator(mode="after")
    def _names_the_template(self) -> Self:
        if not self.names & _DLT_IDS:
            raise ValueError("nothing says which template it is: write {{ template_id }} or {{ provider_template_id }}")
        return self


class SmsHttp(HttpSender):
    """Carries texts."""

    def __init__(self, fields: SmsHttpFields, client: HttpClient) -> None:
        """Connect to nothing yet."""
        super().__init__(Exchange(client, fields.url, seconds=client.seconds))
        self.supports_dlt = isinstance(fields, SmsHttpDltFields)
        self._fields = fields
        self._api = ConfiguredApi(fields)

    async def hand_over(self, text: Sms) -> Outcome:
        """Send the request; an API without an id of its own calls a text by ours, where it is told it."""
        try:
            request = self._api.request(self._fields.method, self._values(text))
        except UnfitMessageError as error:
            return refused(str(error), error.cause)
        outcome = self._fields.judge(await self.exchange.call(request))
        if outcome.kind is OutcomeKind.ACCEPTED and self._fields.id_path is None and "message_id" in self._api.names:
            return replace(outcome, provider_id=str(text.message_id))
        return outcome

    async def check(self) -> str:
        """Ask at `probe_url`, when there is one."""
        request = self._api.probe()
        return NO_PROBE if request is None else self._api.found(await self.asked(request))

    def _values(self, text: Sms) -> Mapping[str, str]:
        facts = Facts.of(text.template)
        return {
            "to": text.rcpt_to,
            "to_digits": text.rcpt_to.removeprefix("+"),
            "from": text.sender or self._fields.sender or "",
            "text": text.text,
            "encoding": sms_length(text.text).encoding,
            "message_id": str(text.message_id),
            "template_id": facts.template_id,
            "entity_id": facts.entity_id,
            "provider_template_id": facts.provider_template_id,
            "values": VALUE_SEPARATOR.join(facts.values),
        }


KIND = Kind(
    name="sms-http",
    title="HTTP API for texts",
    channel=Channel.SMS,
    settings=SmsHttpFields,
    open=lambda told, around: SmsHttp(told, around.http),
    read_hook=read,
)
DLT_KIND = Kind(
    name="sms-http-dlt",
    title="HTTP API for texts under India's DLT",
    channel=Channel.SMS,
    settings=SmsHttpDltFields,
    open=lambda told, around: SmsHttp(told, around.http),
    supports_dlt=True,
    dlt_only=True,
    read_hook=read,
)
