"""The operators of conditions: what each takes, which are opposites, and which kind of value may be looked at how."""

from enum import StrEnum


class Operator(StrEnum):
    """How a value is looked at."""

    IS = "is"
    IS_NOT = "is_not"
    IN = "in"
    NOT_IN = "not_in"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    LESS_THAN = "less_than"
    AT_MOST = "at_most"
    MORE_THAN = "more_than"
    AT_LEAST = "at_least"
    BEFORE = "before"
    ON = "on"
    AFTER = "after"
    IN_LAST_DAYS = "in_last_days"
    IN_NEXT_DAYS = "in_next_days"
    MORE_THAN_DAYS_AGO = "more_than_days_ago"
    EXISTS = "exists"
    MISSING = "missing"


class Operand(StrEnum):
    """What an operator takes beside the contact's value."""

    NOTHING = "nothing"
    SCALAR = "scalar"
    SCALARS = "scalars"
    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    DAYS = "days"


_O = Operator
OPERANDS: dict[Operator, Operand] = {
    _O.IS: Operand.SCALAR,
    _O.IS_NOT: Operand.SCALAR,
    _O.IN: Operand.SCALARS,
    _O.NOT_IN: Operand.SCALARS,
    _O.CONTAINS: Operand.TEXT,
    _O.NOT_CONTAINS: Operand.TEXT,
    _O.STARTS_WITH: Operand.TEXT,
    _O.ENDS_WITH: Operand.TEXT,
    _O.LESS_THAN: Operand.NUMBER,
    _O.AT_MOST: Operand.NUMBER,
    _O.MORE_THAN: Operand.NUMBER,
    _O.AT_LEAST: Operand.NUMBER,
    _O.BEFORE: Operand.DAY,
    _O.ON: Operand.DAY,
    _O.AFTER: Operand.DAY,
    _O.IN_LAST_DAYS: Operand.DAYS,
    _O.IN_NEXT_DAYS: Operand.DAYS,
    _O.MORE_THAN_DAYS_AGO: Operand.DAYS,
    _O.EXISTS: Operand.NOTHING,
    _O.MISSING: Operand.NOTHING,
}
OPPOSITES: dict[Operator, Operator] = {
    _O.IS_NOT: _O.IS,
    _O.NOT_IN: _O.IN,
    _O.NOT_CONTAINS: _O.CONTAINS,
    _O.MISSING: _O.EXISTS,
}

EQUALITY_OPERATORS = (_O.IS, _O.IS_NOT, _O.IN, _O.NOT_IN)
_PRESENCE = (_O.EXISTS, _O.MISSING)
TEXT_OPERATORS = (*EQUALITY_OPERATORS, _O.CONTAINS, _O.NOT_CONTAINS, _O.STARTS_WITH, _O.ENDS_WITH, *_PRESENCE)
NUMBER_OPERATORS = (*EQUALITY_OPERATORS, _O.LESS_THAN, _O.AT_MOST, _O.MORE_THAN, _O.AT_LEAST, *_PRESENCE)
INSTANT_OPERATORS = (_O.BEFORE, _O.ON, _O.AFTER, _O.IN_LAST_DAYS, _O.IN_NEXT_DAYS, _O.MORE_THAN_DAYS_AGO)
DAY_OPERATORS = (*INSTANT_OPERATORS, *_PRESENCE)
BOOLEAN_OPERATORS = (_O.IS, _O.IS_NOT, *_PRESENCE)
CHOICE_OPERATORS = (*EQUALITY_OPERATORS, *_PRESENCE)
