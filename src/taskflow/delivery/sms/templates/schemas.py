"""What crosses HTTP about DLT templates."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import asyncpg
from pydantic import BaseModel, Field, StringConstraints

from taskflow.base.bodies import Body
from taskflow.delivery.dlt import HEADER, variables_of
from taskflow.delivery.sms.templates.repository import Category

TemplateName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
DltId = Annotated[str, StringConstraints(pattern=r"^[0-9]{10,25}$")]
Header = Annotated[str, StringConstraints(pattern=f"^{HEADER.pattern}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]

Value = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^[^\x00]*$")]


class NewSmsTemplate(Body):
    """A template as it is registered with an operator."""

    name: TemplateName = Field(description="What you call it.", examples=["otp"])
    template_id: DltId = Field(description="The id of the content template.", examples=["1107161234567890123"])
    entity_id: DltId = Field(description="The id of the principal entity.", examples=["1101234567890123456"])
    header: Header = Field(description="The sender that it is registered for.", examples=["TSKFLW"])
    category: Category = Field(description="`promotional` goes out from 10 to 21 h in India only.")
    body: Text = Field(
        description="To the character as registered, with {#var#} where values stand.",
        examples=["{#var#} is your code for {#var#}."],
    )
    provider_template_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,20}$")] | None = Field(
        None, description="Fast2SMS's own number for it, which its route `dlt` needs."
    )


class SmsTemplateOut(BaseModel):
    """A DLT template."""

    sms_template_id: UUID
    name: str
    template_id: str
    entity_id: str
    header: str
    category: Category
    body: str
    variables: int = Field(description="How many values it takes.")
    provider_template_id: str | None
    created_by: UUID | None
    created_at: datetime

    @classmethod
    def of(cls, row: asyncpg.Record) -> Self:
        """Read a row of `sms_templates`."""
        return cls(**dict(row), variables=variables_of(row["body"]))
