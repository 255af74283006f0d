"""What crosses HTTP about previews."""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StrictBool, StringConstraints

from taskflow.base.bodies import Body
from taskflow.content.sms import SIZES, plainer, sms_length
from taskflow.delivery.sms.templates.repository import Category
from taskflow.delivery.sms.templates.schemas import Text, Value


class SmsPreviewIn(Body):
    """A text, or a template and its values."""

    text: Text | None = None
    template: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = Field(
        None, description="A DLT template by name or id. With `variables` it is filled, with `text` it is compared."
    )
    variables: Annotated[list[Value], Field(max_length=100)] | None = None
    to: Annotated[str, StringConstraints(min_length=3, max_length=40)] | None = Field(
        None, description="Whose country sets the price.", examples=["+919876543210"]
    )
    plain: StrictBool = Field(
        False,
        description="Write typographic quotes, dashes and the like as a typewriter does, in text or values.",
    )


class WideCharacter(BaseModel):
    """A character that makes the whole text UCS-2."""

    character: str
    code_point: str = Field(examples=["U+2019"])
    name: str
    replacement: str | None = Field(description="What `plain` writes for it; null: nothing says the same.")

    @classmethod
    def of(cls, character: str) -> Self:
        """Describe a character."""
        other = plainer(character)
        return cls(
            character=character,
            code_point=f"U+{ord(character):04X}",
            name=unicodedata.name(character, "unnamed"),
            replacement=other if other != character else None,
        )


class TextOut(BaseModel):
    """A text as it is sent."""

    text: str
    encoding: Literal["gsm7", "ucs2"]
    units: int = Field(description="Of the encoding: ^{}\\[~]|€ take two of GSM-7, most emoji two of UCS-2.")
    parts: int
    per_part: int = Field(description="Units that fit into a part of a text of this length.")

    @classmethod
    def of(cls, text: str) -> Self:
        """Measure a text."""
        length = sms_length(text)
        single, part = SIZES[length.encoding]
        return cls(
            text=text,
            encoding=length.encoding,
            units=length.units,
            parts=length.segments,
            per_part=single if length.segments <= 1 else part,
        )


class CostOut(BaseModel):
    """What a text costs."""

    amount: Decimal
    per_part: Decimal
    currency: str
    prefix: str | None = Field(description="The beginning of the number that set the price; null: any number has it.")
    provider: str | None = Field(description="Whose price it is, the one asked first; null: of TASKFLOW_SMS_PRICES.")


class DltOut(BaseModel):
    """What India's operators want to know."""

    template_id: str
    entity_id: str
    header: str
    category: Category
    values: list[str]
    opens_at: datetime | None = Field(description="When it may go out next; null: now.")


class SmsPreviewOut(TextOut):
    """What a text will be."""

    wide: list[WideCharacter] = Field(description="What makes it UCS-2.")
    plainer: TextOut | None = Field(description="The text with typographic characters replaced, when that is another.")
    cost: CostOut | None = Field(description="null: no `to`, or nobody has a price for it.")
    dlt: DltOut | None
