"""Texts over Pigeon Post: POST /flights, which answers with the number of the flight."""

from typing import Final

from pydantic import Field

from pigeon_post.hooks import read
from taskflow.audience.channels import Channel
from taskflow.delivery.outcome import Cause, Outcome
from taskflow.delivery.providers.answers import accepted, rejected
from taskflow.delivery.providers.contract import Kind, ProviderUnusableError, Sms
from taskflow.delivery.providers.fields import Fields, Secret
from taskflow.delivery.providers.http import HttpClient
from taskflow.delivery.providers.sms.exchange import ApiUrl, Exchange
from taskflow.delivery.providers.sms.sender import HttpSender, of_status

_REJECTED: Final = {"no-such-roost": Cause.ADDRESS, "wants-no-pigeons": Cause.OPTED_OUT, "too-heavy": Cause.SIZE}


class PigeonFields(Fields):
    """What a provider of this kind has to be told; a `Secret` is kept encrypted and never shown again."""

    loft: str = Field(pattern=r"^[a-z]{1,50}$", description="Where pigeons start.")
    whistle: Secret = Field(description="What they come to.")
    api_url: ApiUrl = Field("https://api.pigeon-post.example", description="Where the API is.")


class Pigeons(HttpSender):
    """Carries texts. `HttpSender` sends windows, keeps to the deadline and knows what a lost answer means."""

    def __init__(self, fields: PigeonFields, client: HttpClient) -> None:
        """Connect to nothing yet."""
        headers = {"x-whistle": fields.whistle.get_secret_value()}
        super().__init__(Exchange(client, fields.api_url, seconds=20.0, headers=headers))
        self._loft = fields.loft

    async def hand_over(self, text: Sms) -> Outcome:
        """Send one text, and say what became of it in the words that all providers share."""
        flight = {"loft": self._loft, "to": text.rcpt_to, "note": text.text, "ref": str(text.message_id)}
        answer = await self.exchange.request("POST", "flights", json=flight)
        if answer.code == 201:
            return accepted(answer, answer.json.get("flight"))
        cause = _REJECTED.get(str(answer.json.get("why")))
        return rejected(answer, cause) if cause is not None else of_status(answer)

    async def check(self) -> str:
        """Sign in and send nothing ("Test connection")."""
        answer = await self.looked_up(f"lofts/{self._loft}")
        if answer.code != 200:
            raise ProviderUnusableError(f"Pigeon Post answered {answer}.")
        return f"The loft {self._loft} has {answer.json.get('pigeons', '?')} pigeons."


KIND: Final = Kind(
    name="pigeon",
    title="Pigeon Post",
    channel=Channel.SMS,
    settings=PigeonFields,
    open=lambda fields, surroundings: Pigeons(fields, surroundings.http),
    read_hook=read,
)
