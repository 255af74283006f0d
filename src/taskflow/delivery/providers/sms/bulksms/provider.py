"""Texts over BulkSMS: https://www.bulksms.com/developer/json/v1/, POST /messages.

A submission carries a `deduplication-id`: for about twelve hours the same id is taken once, and the answer to its
repetition is that of the first. So a lost answer is asked for again at once. Only a success settles what became of the
text (a refusal may be of the repetition alone: no credits any more, too fast); otherwise it is uncertain, and sending
it again over this provider is still safe. The id has 32 bits, of which we make 31 out of ours: among 10,000 texts of
half a day two share one every fortieth time. The answer tells: it names another text
(`userSuppliedId`), which means that ours was not taken, and it goes out under its next number.
"""

import base64
import hashlib
import re
from typing import Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from taskflow.audience.channels import Channel
from taskflow.content.sms import sms_length
from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.contract import Kind, ProviderUnusableError, Sms
from taskflow.delivery.providers.http import Answer, CallFailedError, HttpClient
from taskflow.delivery.providers.sms.bulksms.answers import made_by, outcome_of
from taskflow.delivery.providers.sms.exchange import ApiUrl, Exchange
from taskflow.delivery.providers.sms.sender import HttpSender, refused

_FIELD: Final = re.compile(r"\{(?:F\d+|fn|sn)#*\}")
_MOST_NUMBERS: Final = 3
_SERVER_ERROR: Final = 500
_NOT_SERVED: Final = 503


class BulkSmsSettings(BaseModel):
    """How to send over BulkSMS."""

    model_config = ConfigDict(extra="forbid")

    token_id: str = Field(min_length=1, max_length=200, description="The id of an API token, or the user name.")
    token_secret: SecretStr = Field(description="Its secret, or the password.")
    sender: str | None = Field(None, max_length=16, description="When a text names none; without one it is repliable.")
    routing_group: Literal["ECONOMY", "STANDARD", "PREMIUM"] = "STANDARD"
    most_parts: int = Field(10, ge=1, le=99, description="A longer text is refused: it would be cut off.")
    timeout: float = Field(20.0, gt=0, le=60, description="Seconds for a request as a whole.")
    api_url: ApiUrl = Field("https://api.bulksms.com", description="Where the API is.")


class BulkSms(HttpSender):
    """Carries texts."""

    def __init__(self, settings: BulkSmsSettings, client: HttpClient) -> None:
        """Connect to nothing yet."""
        auth = (settings.token_id, settings.token_secret)
        super().__init__(Exchange(client, settings.api_url, seconds=settings.timeout, auth=auth))
        self._settings = settings

    @property
    def longest_send_seconds(self) -> float:
        """Return the time of all requests that a text may take."""
        return 2 * _MOST_NUMBERS * self.exchange.seconds

    def refusal(self, text: Sms) -> Outcome | None:
        """Refuse what BulkSMS would change on its own."""
        if _FIELD.search(text.text):
            return refused("The text holds {F0}, {fn} or the like, which BulkSMS takes for a field.", Cause.CONTENT)
        if sms_length(text.text).segments > self._settings.most_parts:
            return refused(f"The text has more than {self._settings.most_parts} parts.", Cause.SIZE)
        return None

    async def hand_over(self, text: Sms) -> Outcome:
        """POST /v1/messages, until the answer is about this text."""
        for number in range(_MOST_NUMBERS):
            answer = await self._submit(text, deduplication_id(text.message_id, number))
            made = made_by(answer)
            if made is None or made.get("userSuppliedId") in (None, "", supplied_id(text.message_id)):
                return outcome_of(answer)
        return refused("BulkSMS knows other texts under every number of this one.")

    async def check(self) -> str:
        """Ask for the profile."""
        answer = await self.looked_up("v1/profile")
        if answer.code != 200 or "username" not in answer.json:
            raise ProviderUnusableError(f"BulkSMS answered {answer}.")
        account = answer.json.get("credits")
        balance = account.get("balance", "?") if isinstance(account, dict) else "?"
        return f"Signed in to BulkSMS as {answer.json['username']}; {balance} credits are left."

    async def _submit(self, text: Sms, number: int) -> Answer:
        """Submit a text; a lost answer is asked for once more, which sends nothing twice."""
        query = {"deduplication-id": str(number)}
        try:
            answer = await self.exchange.request("POST", "v1/messages", params=query, json=[self._body(text)])
        except CallFailedError as error:
            if not error.handed_over:
                raise
        else:
            if answer.is_whole and (answer.code < _SERVER_ERROR or answer.code == _NOT_SERVED):
                return answer
        return await self._asked_again(text, query)

    async def _asked_again(self, text: Sms, query: dict[str, str]) -> Answer:
        try:
            answer = await self.exchange.request("POST", "v1/messages", params=query, json=[self._body(text)])
        except CallFailedError as error:
            raise CallFailedError(str(error), handed_over=True) from error  # the first one was
        if made_by(answer) is None:
            raise CallFailedError(f"The answer was lost, and asked for again BulkSMS said {answer}.", handed_over=True)
        return answer

    def _body(self, text: Sms) -> dict[str, Any]:
        sender = text.sender or self._settings.sender
        return {
            "to": text.rcpt_to,
            "from": sender if sender is not None else {"type": "REPLIABLE"},
            "body": text.text,
            "encoding": "UNICODE" if sms_length(text.text).encoding == "ucs2" else "TEXT",
            "longMessageMaxParts": self._settings.most_parts,
            "routingGroup": self._settings.routing_group,
            "deliveryReports": "ALL",
            "userSuppliedId": supplied_id(text.message_id),
        }


def supplied_id(message_id: UUID) -> str:
    """Return our id in the twenty characters that BulkSMS keeps for us."""
    return base64.b85encode(message_id.bytes).decode()


def message_id_of(supplied: str) -> UUID | None:
    """Return our id out of what `supplied_id` made."""
    try:
        return UUID(bytes=base64.b85decode(supplied))
    except ValueError:
        return None


def deduplication_id(message_id: UUID, number: int = 0) -> int:
    """Return a positive number of 31 bits that belongs to a text: its first, or its next ones."""
    digest = hashlib.sha256(message_id.bytes + bytes([number])).digest()
    return int.from_bytes(digest[:4], "big") & 0x7FFF_FFFF


KIND = Kind(
    name="bulksms",
    title="BulkSMS",
    channel=Channel.SMS,
    settings=BulkSmsSettings,
    open=lambda told, around: BulkSms(told, around.http),
    priority=2,
)
