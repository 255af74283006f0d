"""What crosses HTTP about segments."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from taskflow.audience.segments.conditions import ContactField, Definition, EventKind
from taskflow.audience.segments.operators import Operand, Operator
from taskflow.base.bodies import Body, RowOut

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]*$"

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=_NO_CONTROLS)]
Note = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]


class NewSegment(Body):
    """Conditions under a name."""

    name: Name = Field(examples=["Engaged in Germany and Austria, not customers"])
    description: Note | None = None
    definition: Definition


class SegmentChange(Body):
    """What to change; members that are left out or null stay."""

    name: Name | None = None
    description: Note | None = None
    definition: Definition | None = None

    def changes(self) -> dict[str, Any]:
        """Return what is to be changed."""
        return {name: value for name in type(self).model_fields if (value := getattr(self, name)) is not None}


class SegmentOut(RowOut):
    """A segment, and how many contacts were in it when it was counted last."""

    segment_id: UUID
    name: str
    description: str | None
    definition: Definition
    last_count: int | None
    counted_at: datetime | None
    created_at: datetime
    updated_at: datetime
    created_by: UUID | None


class CountOut(BaseModel):
    """How many contacts fulfil the conditions, now."""

    contacts: int
    reachable: int = Field(description="Those that are ACTIVE and have an e-mail address.")


class AudienceCountOut(BaseModel):
    """Who an audience comes to, now: `matched` = `recipients` + `suppressed` + `unreachable`."""

    matched: int = Field(description="In its lists and segments, and in none of the excluded.")
    recipients: int = Field(description="Who would be written to.")
    suppressed: int = Field(description="By address or domain, everywhere.")
    unreachable: int = Field(description="Not ACTIVE, or without an e-mail address.")


class OperatorOut(BaseModel):
    """An operator and what it takes."""

    operator: Operator
    takes: Operand


class VocabularyField(BaseModel):
    """Something of a contact that conditions may look at, and the operators that fit it."""

    condition: Literal["field", "attribute"] = Field(description="The `type` of the condition.")
    name: str
    label: str
    kind: str = Field(description="text, number, boolean, date, datetime or choice; instant for times of ours.")
    operators: list[Operator]
    choices: list[str] = []


class Vocabulary(BaseModel):
    """What a builder of segments can offer. Attributes without a field take every operator."""

    fields: list[VocabularyField]
    operators: list[OperatorOut]
    events: list[EventKind]
    max_depth: int
    max_conditions: int


FIELD_LABELS = {
    ContactField.EMAIL: "E-mail",
    ContactField.PHONE: "Phone",
    ContactField.LOCALE: "Locale",
    ContactField.TIME_ZONE: "Time zone",
    ContactField.STATUS: "Status",
    ContactField.CREATED_AT: "Created",
    ContactField.UPDATED_AT: "Changed",
}
