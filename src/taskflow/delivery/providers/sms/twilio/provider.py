"""Texts over Twilio: https://www.twilio.com/docs/messaging/api/message-resource, POST …/Messages.json.

There is no idempotency key: a request whose answer is lost is uncertain.
"""

from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.contract import Kind, ProviderUnusableError, Sms
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sms.exchange import ApiUrl, Exchange
from taskflow.delivery.providers.sms.sender import HttpSender, refused
from taskflow.delivery.providers.sms.twilio.answers import outcome_of

_MOST_CHARS: Final = 1600
_NO_REPORTS: Final = (
    "Delivery reports are off: Twilio posts them to an https address, so set TASKFLOW_HTTP_PUBLIC_URL to one, or"
    " status_callback."
)


_WHOSE_SIGNATURE: Final = (
    "Twilio signs what it tells with the account's token, which an API key does not know: delivery reports count when"
    " TASKFLOW_SMS_TWILIO_AUTH_TOKENS, or another provider here, has it."
)


class TwilioSettings(BaseModel):
    """How to send over Twilio."""

    model_config = ConfigDict(extra="forbid")

    account_sid: str = Field(pattern=r"^AC[0-9a-fA-F]{32}$", description="The account, AC….")
    api_key_sid: str | None = Field(None, pattern=r"^SK[0-9a-fA-F]{32}$", description="An API key, SK….")
    auth_token: SecretStr = Field(description="The account's token, or the secret of the API key.")
    sender: str | None = Field(None, max_length=16, description="Number or name, when a text names none.")
    messaging_service_sid: str | None = Field(
        None, pattern=r"^MG[0-9a-fA-F]{32}$", description="A messaging service chooses, when neither names a sender."
    )
    status_callback: ApiUrl | None = Field(None, description="Where reports go, instead of our …/hooks/sms/twilio.")
    timeout: float = Field(20.0, gt=0, le=60, description="Seconds for a request as a whole.")
    api_url: ApiUrl = Field("https://api.twilio.com", description="Where the API is; that of a region, for example.")

    @model_validator(mode="after")
    def _need_a_sender(self) -> Self:
        if self.sender is None and self.messaging_service_sid is None:
            raise ValueError("name a sender or a messaging_service_sid")
        return self


class Twilio(HttpSender):
    """Carries texts."""

    def __init__(self, settings: TwilioSettings, client: HttpClient, hooks: str | None = None) -> None:
        """Connect to nothing yet; `hooks`: where we take what providers tell, None: they do not reach us."""
        auth = (settings.api_key_sid or settings.account_sid, settings.auth_token)
        super().__init__(Exchange(client, settings.api_url, seconds=settings.timeout, auth=auth))
        self._settings = settings
        self._callback = settings.status_callback or (f"{hooks}twilio" if hooks is not None else None)
        self._account = f"2010-04-01/Accounts/{settings.account_sid}"

    def refusal(self, text: Sms) -> Outcome | None:
        """Refuse what is too long for Twilio."""
        if len(text.text.encode("utf-16-be")) // 2 > _MOST_CHARS:
            return refused(f"The text is longer than {_MOST_CHARS} characters.", Cause.SIZE)
        return None

    async def hand_over(self, text: Sms) -> Outcome:
        """POST …/Messages.json."""
        return outcome_of(await self.exchange.request("POST", f"{self._account}/Messages.json", data=self._form(text)))

    async def check(self) -> str:
        """Ask for the account."""
        answer = await self.looked_up(f"{self._account}.json")
        if answer.code != 200:
            raise ProviderUnusableError(f"Twilio answered {answer}.")
        if answer.json.get("status") != "active":
            raise ProviderUnusableError(f"The Twilio account is {answer.json.get('status', 'not readable')}.")
        found = f"Signed in to Twilio; the account {self._settings.account_sid} is active."
        if self._callback is None:
            return f"{found} {_NO_REPORTS}"
        is_ours = self._settings.status_callback is None
        return f"{found} {_WHOSE_SIGNATURE}" if is_ours and self._settings.api_key_sid is not None else found

    def _form(self, text: Sms) -> dict[str, str]:
        form = {"To": text.rcpt_to, "Body": text.text}
        sender = text.sender or self._settings.sender
        if sender is not None:
            form["From"] = sender
        elif self._settings.messaging_service_sid is not None:
            form["MessagingServiceSid"] = self._settings.messaging_service_sid
        if self._callback is not None:
            form["StatusCallback"] = self._callback
        return form


KIND = Kind(
    name="twilio",
    title="Twilio",
    channel=Channel.SMS,
    settings=TwilioSettings,
    open=lambda told, around: Twilio(told, around.http, around.sms_hooks),
    priority=2,
)
