"""Text messages: what they cost, and who may tell us of them."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, Field, SecretStr, StringConstraints

Prefix = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{0,8}$")]
Price = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=6)]


class SmsSettings(BaseModel):
    """`TASKFLOW_SMS_*`."""

    prices: dict[Prefix, Price] = Field(
        {},
        description="Price of one part over a provider that has none for a number, by the beginning of the number, as"
        ' JSON: {"+91": "0.0025", "+49": "0.075"}; the longest that fits counts.',
    )
    currency: str = Field("EUR", pattern=r"^[A-Z]{3}$", description="Of the prices.")
    twilio_auth_tokens: list[SecretStr] = Field(
        [],
        description="Further tokens of Twilio accounts whose calls are believed, as JSON, beside those of providers:"
        " for one that signs in with an API key, and the old one while a token is replaced.",
    )
    keep_replies_days: int = Field(365, ge=1, description="How long replies and delivery reports are kept.")

    @property
    def price_list(self) -> dict[str, Any]:
        """The prices with their currency, as the database takes them (`price_of`)."""
        return {"currency": self.currency, "prices": {prefix: str(price) for prefix, price in self.prices.items()}}
