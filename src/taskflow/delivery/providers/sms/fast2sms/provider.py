"""Texts over Fast2SMS: routes `dlt` (their number of a template, and its values) and `dlt_manual` (the whole text).

https://docs.fast2sms.com, POST /dev/bulkV2. There is no idempotency key: a request whose answer is lost is uncertain.
`udf1` comes back in delivery reports: it is our id of the message.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from taskflow.audience.channels import Channel
from taskflow.delivery.dlt import HEADER, VALUE_SEPARATOR, Facts, is_indian, not_before, window_opens
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import Kind, ProviderUnusableError, Sms
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sms.exchange import ApiUrl, Exchange, HeaderKey
from taskflow.delivery.providers.sms.fast2sms.answers import outcome_of
from taskflow.delivery.providers.sms.sender import HttpSender, refused

_INDIA: Final = "+91"


class Fast2SmsSettings(BaseModel):
    """How to send over Fast2SMS."""

    model_config = ConfigDict(extra="forbid")

    api_key: HeaderKey = Field(description="The key of the Dev API.")
    route: Literal["dlt", "dlt_manual"] = Field(
        "dlt",
        description="dlt: a template by Fast2SMS's own number for it; dlt_manual: the whole text and its DLT ids.",
    )
    sender: str | None = Field(None, pattern=f"^{HEADER.pattern}$", description="DLT header, when a text names none.")
    entity_id: str | None = Field(None, pattern=r"^[0-9]{10,25}$", description="DLT principal entity, likewise.")
    timeout: float = Field(20.0, gt=0, le=60, description="Seconds for a request as a whole.")
    api_url: ApiUrl = Field("https://www.fast2sms.com", description="Where the API is.")


class Fast2Sms(HttpSender):
    """Carries texts to Indian numbers."""

    supports_dlt = True

    def __init__(
        self, settings: Fast2SmsSettings, client: HttpClient, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Connect to nothing yet; `now`: which time it is, for promotional texts."""
        key = settings.api_key.get_secret_value()
        super().__init__(Exchange(client, settings.api_url, seconds=settings.timeout, headers={"authorization": key}))
        self._settings = settings
        self._now = now

    def refusal(self, text: Sms) -> Outcome | None:
        """Refuse what would cost money and reach nobody: other countries, and texts without their DLT ids."""
        if not is_indian(text.rcpt_to):
            return refused("Fast2SMS reaches numbers in India only: +91 and ten digits.")
        facts = Facts.of(text.template)
        if not HEADER.fullmatch(text.sender or self._settings.sender or ""):
            return refused("A text over DLT needs its header as the sender: 3 to 6 letters or digits.")
        if self._settings.route == "dlt" and not facts.provider_template_id:
            return refused("Route dlt needs Fast2SMS's number of the template (provider_template_id).")
        if self._settings.route == "dlt_manual":
            if not (facts.template_id and (facts.entity_id or self._settings.entity_id)):
                return refused("Route dlt_manual needs the DLT ids of the template and of the entity.")
        elif any(VALUE_SEPARATOR in value for value in facts.values):
            return refused("A value holds |, with which route dlt parts values.", Cause.CONTENT)
        now = self._now()
        if text.promotional and (opens := window_opens(now)) is not None:
            wait = (opens - now).total_seconds()
            return Outcome(OutcomeKind.NOT_STARTED, "CHECK", reason=not_before(opens), retry_after=wait)
        return None

    async def hand_over(self, text: Sms) -> Outcome:
        """POST /dev/bulkV2."""
        return outcome_of(await self.exchange.request("POST", "dev/bulkV2", json=self._body(text)))

    async def check(self) -> str:
        """Ask for the balance."""
        answer = await self.looked_up("dev/wallet")
        said = answer.json
        if answer.code != 200 or said.get("return") is not True:
            raise ProviderUnusableError(f"Fast2SMS answered {answer}.")
        return f"Signed in to Fast2SMS; the wallet holds {said.get('wallet', '?')} INR."

    def _body(self, text: Sms) -> dict[str, Any]:
        facts = Facts.of(text.template)
        common = {
            "route": self._settings.route,
            "sender_id": text.sender or self._settings.sender,
            "numbers": text.rcpt_to.removeprefix(_INDIA),
            "sms_details": "1",
            "udf1": str(text.message_id),
        }
        if self._settings.route == "dlt":
            values = VALUE_SEPARATOR.join(facts.values)
            return common | {"message": facts.provider_template_id, "variables_values": values}
        return common | {
            "message": text.text,
            "template_id": facts.template_id,
            "entity_id": facts.entity_id or self._settings.entity_id,
        }


KIND = Kind(
    name="fast2sms",
    title="Fast2SMS",
    channel=Channel.SMS,
    settings=Fast2SmsSettings,
    open=lambda told, around: Fast2Sms(told, around.http),
    priority=1,
    supports_dlt=True,
    dlt_only=True,
)
