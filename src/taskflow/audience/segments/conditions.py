"""The conditions of a segment: a typed tree, and nothing else, says who is in it.

Every condition is true or false of a contact, never unknown:

- A value that is missing, null, or of another kind than the condition looks for (a number where it wants text) fulfils
  no positive condition. The negative operators (`is_not`, `not_in`, `not_contains`, `missing`, `never`, `none`, `not`)
  are exactly the opposites, so such a contact fulfils them.
- Text is compared without regard to case, as the database's collation folds it; tags have no
  case.
- A date attribute counts as the calendar day that it begins with (`2026-01-31T23:30:00Z` is the 31st). "Today" is the
  database's, in the segment's time zone, and so are the days that instants (`created_at`) fall on. Windows of events
  and instants (`in_last_days`) are whole times 24 hours, back from the database's now.
- Lists mean confirmed subscriptions: neither pending nor ended ones.
- Events mean what people did: opens and clicks of scanners and proxies do not count. `received` is a mail that the
  server took, whatever became of it later. `never opened` is also true of who was never written to: add `received`
  where that matters.
"""

import re
from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StringConstraints, model_validator

from taskflow.audience.contacts.values import normalise_tag
from taskflow.audience.segments.operators import (
    EQUALITY_OPERATORS,
    INSTANT_OPERATORS,
    OPERANDS,
    TEXT_OPERATORS,
    Operand,
    Operator,
)
from taskflow.base.bodies import Body

MAX_DEPTH = 10
MAX_CONDITIONS = 100
MAX_VALUES = 500
MAX_DAYS = 3660
_FIRST_YEAR, _LAST_YEAR = 1900, 2999
_NO_NUL = r"^[^\x00]*$"

Text = Annotated[str, StringConstraints(max_length=500, pattern=_NO_NUL)]
Number: TypeAlias = (
    Annotated[StrictInt, Field(ge=-(10**18), le=10**18)] | Annotated[StrictFloat, Field(allow_inf_nan=False)]
)
Scalar: TypeAlias = StrictBool | Number | Text
Days = Annotated[StrictInt, Field(ge=0, le=MAX_DAYS)]
AttributeName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=128, pattern=_NO_NUL),
    Field(description="As templates write it; `address.city` looks into an object.", examples=["country"]),
]


class ContactField(StrEnum):
    """The columns of a contact that conditions may look at."""

    EMAIL = "email"
    PHONE = "phone"
    LOCALE = "locale"
    TIME_ZONE = "time_zone"
    STATUS = "status"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


INSTANT_FIELDS = frozenset({ContactField.CREATED_AT, ContactField.UPDATED_AT})
CONTACT_STATUSES = ("ACTIVE", "UNSUBSCRIBED", "BOUNCED", "COMPLAINED", "DISABLED")


class EventKind(StrEnum):
    """What people did, or what became of what they were sent."""

    RECEIVED = "received"
    OPENED = "opened"
    CLICKED = "clicked"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


def parse_day(value: object) -> date:
    """Return a day written like 2026-01-31.

    Raises:
        ValueError: it is none, or lies outside of the years that make sense.
    """
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("a day is text like 2026-01-31")
    day = date.fromisoformat(value)
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise ValueError(f"a day lies between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return day


class _Comparison(Body):
    """An operator and its value; which goes with which is said by `OPERANDS`."""

    operator: Operator
    value: Scalar | Annotated[list[Scalar], Field(min_length=1, max_length=MAX_VALUES)] | None = Field(
        None,
        description="Text, number or boolean; a list of them for `in` and `not_in`; a day (2026-01-31) for `before`,"
        " `on` and `after`; a number of days for `in_last_days` and its like; none for `exists` and `missing`.",
    )

    @property
    def values(self) -> list[bool | int | float | str]:
        """The values that `is` and `in` compare with."""
        return self.value if isinstance(self.value, list) else [] if self.value is None else [self.value]

    @model_validator(mode="after")
    def check_value(self) -> Self:
        """Refuse a value that the operator cannot take."""
        fault = _fault(OPERANDS[self.operator], self.value)
        if fault:
            raise ValueError(f"`{self.operator}` takes {fault}")
        return self


def _fault(operand: Operand, value: Any) -> str | None:
    """Return what the operator takes instead of this value; None when it takes it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match operand:
        case Operand.NOTHING:
            return None if value is None else "no value"
        case Operand.SCALAR:
            return "one value" if value is None or isinstance(value, list) else None
        case Operand.SCALARS:
            return None if isinstance(value, list) else "a list of values"
        case Operand.TEXT:
            return None if isinstance(value, str) and value else "some text"
        case Operand.NUMBER:
            return None if is_number else "a number"
        case Operand.DAY:
            try:
                parse_day(value)
            except ValueError as error:
                return f"a day: {error}"
            return None
        case Operand.DAYS:
            wanted = f"a whole number of days from 0 to {MAX_DAYS}"
            return None if is_number and isinstance(value, int) and 0 <= value <= MAX_DAYS else wanted


class AttributeCondition(_Comparison):
    """A look at an attribute of the contact."""

    type: Literal["attribute"]
    name: AttributeName

    @property
    def path(self) -> list[str]:
        """The keys that lead to the value."""
        return self.name.split(".")


class FieldCondition(_Comparison):
    """A look at a column that every contact has: address, phone, locale, time zone, status, times."""

    type: Literal["field"]
    name: ContactField

    @model_validator(mode="after")
    def check_operator(self) -> Self:
        """Refuse operators that the column has no use for, and a status that there is not."""
        allowed = INSTANT_OPERATORS if self.name in INSTANT_FIELDS else TEXT_OPERATORS
        if self.operator not in allowed:
            raise ValueError(f"`{self.name}` takes these operators: {', '.join(allowed)}")
        if allowed is TEXT_OPERATORS and not all(isinstance(value, str) for value in self.values):
            raise ValueError(f"`{self.name}` is text")
        if self.name is ContactField.STATUS and self.operator in EQUALITY_OPERATORS:
            for value in self.values:
                if str(value).upper() not in CONTACT_STATUSES:
                    raise ValueError(f"a status is one of {', '.join(CONTACT_STATUSES)}")
        return self


class TagsCondition(Body):
    """A look at the contact's tags."""

    type: Literal["tags"]
    operator: Literal["any", "all", "none"] = "any"
    values: list[Annotated[Text, AfterValidator(normalise_tag)]] = Field(min_length=1, max_length=MAX_VALUES)


class ListsCondition(Body):
    """A look at the lists that the contact is on, confirmed."""

    type: Literal["lists"]
    operator: Literal["any", "all", "none"] = "any"
    list_ids: list[UUID] = Field(min_length=1, max_length=20)


class EventCondition(Body):
    """A look at what the contact did."""

    type: Literal["event"]
    event: EventKind
    operator: Literal["did", "never"] = "did"
    in_last_days: Days | None = Field(None, description="Only these times 24 hours; null: ever.")
    campaign_id: UUID | None = Field(None, description="Only with mails of this campaign.")
    at_least: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(1, description="How often, at least.")


class AllCondition(Body):
    """Every one of these."""

    type: Literal["all"]
    conditions: list["Condition"] = Field(min_length=1, max_length=MAX_CONDITIONS)


class AnyCondition(Body):
    """At least one of these."""

    type: Literal["any"]
    conditions: list["Condition"] = Field(min_length=1, max_length=MAX_CONDITIONS)


class NotCondition(Body):
    """Not this one."""

    type: Literal["not"]
    condition: "Condition"


Condition = Annotated[
    AllCondition
    | AnyCondition
    | NotCondition
    | AttributeCondition
    | FieldCondition
    | TagsCondition
    | ListsCondition
    | EventCondition,
    Field(discriminator="type"),
]


def _known_zone(name: str) -> str:
    if name not in available_timezones():
        raise ValueError("not a time zone of the IANA database, such as Europe/Berlin")
    return name


class Definition(Body):
    """Who is in a segment."""

    condition: Condition
    time_zone: Annotated[str, Field(max_length=64), AfterValidator(_known_zone)] = Field(
        "UTC", description="Where days begin: an IANA name.", examples=["Europe/Berlin"]
    )

    @model_validator(mode="before")
    @classmethod
    def refuse_forests(cls, value: Any) -> Any:
        """Refuse trees that are too deep or too large, before anything looks into them."""
        level, seen = [value.get("condition")] if isinstance(value, dict) else [], 0
        for _ in range(MAX_DEPTH):
            seen += len(level)
            if seen > MAX_CONDITIONS:
                raise ValueError(f"at most {MAX_CONDITIONS} conditions")
            level = [child for node in level for child in _children(node)]
        if level:
            raise ValueError(f"conditions are nested at most {MAX_DEPTH} deep")
        return value

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.time_zone)


for _model in (AllCondition, AnyCondition, NotCondition, Definition):
    _model.model_rebuild()


def leaves(condition: Any) -> Iterator[Any]:
    """Yield the conditions of a tree that are no groups."""
    match condition:
        case AllCondition() | AnyCondition():
            for child in condition.conditions:
                yield from leaves(child)
        case NotCondition():
            yield from leaves(condition.condition)
        case _:
            yield condition


def _children(node: Any) -> list[Any]:
    if not isinstance(node, dict):
        return []
    conditions = node.get("conditions")
    return (conditions if isinstance(conditions, list) else []) + ([node["condition"]] if "condition" in node else [])
