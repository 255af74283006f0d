"""From a condition tree to SQL: fragments from a file, and binds. No character of what a user wrote is in the text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from taskflow.audience.segments.conditions import (
    OPERANDS,
    OPPOSITES,
    AllCondition,
    AnyCondition,
    AttributeCondition,
    Condition,
    ContactField,
    Definition,
    EventCondition,
    EventKind,
    FieldCondition,
    ListsCondition,
    NotCondition,
    Operand,
    Operator,
    TagsCondition,
    parse_day,
)
from taskflow.db.queries import load

_BIND = re.compile(r"\$([a-z_]+)")
_ACTIVITY = "activity"


def _fragments() -> dict[str, str]:
    """Return the fragments without their comments: where they are put together, a line may not end in one."""
    blocks = vars(load(__file__, "fragments.sql"))
    lines = {name: (line for line in body.splitlines() if not line.startswith("--")) for name, body in blocks.items()}
    return {name: "\n".join(kept).strip() for name, kept in lines.items()}


FRAGMENTS = _fragments()


@dataclass(slots=True)
class Query:
    """What becomes of conditions: joins and a WHERE on `subscribers AS s`, and the values of its binds.

    One query may hold several trees: their binds and aliases go on counting.
    """

    arguments: list[Any] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    _has_activity: bool = False

    def bind(self, value: Any) -> str:
        """Return the placeholder of one more value."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def fragment(self, name: str, *, operand: str = "", table: str = "", **binds: Any) -> str:
        """Return a fragment with its binds numbered."""
        placeholders = {key: self.bind(value) for key, value in binds.items()}
        text = _BIND.sub(lambda match: placeholders[match[1]], FRAGMENTS[name])
        return text.replace("@operand", operand).replace("@table", table)

    def join(self, name: str, **binds: Any) -> str:
        """Join a table beside the contact; return its alias."""
        table = f"t{len(self.joins)}"
        self.joins.append(self.fragment(name, table=table, **binds))
        return table

    def activity(self) -> str:
        """Join the summary of what contacts did, once; return its alias."""
        if not self._has_activity:
            self.joins.append(self.fragment("join_activity", table=_ACTIVITY))
            self._has_activity = True
        return _ACTIVITY

    def where(self, definition: Definition) -> str:
        """Return the condition on a contact, and add the joins that it needs."""
        return _Compiler(self, definition.time_zone).compile(definition.condition)

    @property
    def source(self) -> str:
        """The FROM clause."""
        return "\n".join(["FROM subscribers AS s", *self.joins])


class _Compiler:
    """Compiles the conditions of one definition into a query."""

    def __init__(self, query: Query, zone: str) -> None:
        self._query = query
        self._zone = zone

    def compile(self, condition: Condition) -> str:
        match condition:
            case AllCondition():
                return group(" AND ", [self.compile(child) for child in condition.conditions])
            case AnyCondition():
                return group(" OR ", [self.compile(child) for child in condition.conditions])
            case NotCondition():
                return opposite(self.compile(condition.condition))
            case AttributeCondition():
                return self._compare(condition.operator, self._attribute(condition))
            case FieldCondition():
                return self._compare(condition.operator, self._field(condition))
            case TagsCondition():
                return self._tags(condition)
            case ListsCondition():
                return self._lists(condition)
            case EventCondition():
                return self._event(condition)

    @staticmethod
    def _compare(operator: Operator, positive: Callable[[Operator], str]) -> str:
        """Compile an operator; the negative ones are the opposites of others."""
        if operator in OPPOSITES:
            return opposite(positive(OPPOSITES[operator]))
        return positive(operator)

    def _attribute(self, condition: AttributeCondition) -> Callable[[Operator], str]:
        query = self._query

        def operand(kind: str) -> str:
            return query.fragment(f"attribute_{kind}", path=condition.path)

        def positive(operator: Operator) -> str:
            match OPERANDS[operator]:
                case Operand.NOTHING:
                    return operand("present")
                case Operand.SCALAR | Operand.SCALARS:
                    kinds = _by_kind(condition.values)
                    parts = [
                        query.fragment(f"{kind}_in", operand=operand(kind), values=values)
                        for kind, values in kinds.items()
                    ]
                    return group(" OR ", parts)
                case Operand.TEXT:
                    return query.fragment(f"text_{operator}", operand=operand("text"), value=condition.value)
                case Operand.NUMBER:
                    number = _decimal(condition.value)
                    return query.fragment(f"number_{operator}", operand=operand("number"), value=number)
                case Operand.DAY:
                    return query.fragment(f"day_{operator}", operand=operand("day"), value=condition.value)
                case Operand.DAYS:
                    return query.fragment(
                        f"day_{operator}", operand=operand("day"), days=condition.value, zone=self._zone
                    )

        return positive

    def _field(self, condition: FieldCondition) -> Callable[[Operator], str]:
        query, operand = self._query, FRAGMENTS[ContactField(condition.name).value]

        def positive(operator: Operator) -> str:
            match OPERANDS[operator]:
                case Operand.NOTHING:
                    return query.fragment("text_exists", operand=operand)
                case Operand.SCALAR | Operand.SCALARS:
                    return query.fragment("text_in", operand=operand, values=condition.values)
                case Operand.DAY:
                    day: date = parse_day(condition.value)
                    return query.fragment(f"instant_{operator}", operand=operand, value=day, zone=self._zone)
                case Operand.DAYS:
                    return query.fragment(f"instant_{operator}", operand=operand, days=condition.value)
                case _:
                    return query.fragment(f"text_{operator}", operand=operand, value=condition.value)

        return positive

    def _tags(self, condition: TagsCondition) -> str:
        if condition.operator == "all":
            return self._query.fragment("tags_all", values=condition.values)
        found = self._query.fragment("tags_any", values=condition.values)
        return opposite(found) if condition.operator == "none" else found

    def _lists(self, condition: ListsCondition) -> str:
        query, list_ids = self._query, sorted(set(condition.list_ids))
        if condition.operator == "all" or len(list_ids) == 1:
            tables = [query.join("join_list", list_id=list_id) for list_id in list_ids]
        else:
            tables = [query.join("join_lists", list_ids=list_ids)]
        found = group(" AND ", [query.fragment("joined", table=table) for table in tables])
        return opposite(found) if condition.operator == "none" else found

    def _event(self, condition: EventCondition) -> str:
        found = self._happened(condition)
        return opposite(found) if condition.operator == "never" else found

    def _happened(self, condition: EventCondition) -> str:
        """Ask the summary where it knows: at least once, ever or lately; else count."""
        query, days, kind = self._query, condition.in_last_days, condition.event
        scope = {"days": days, "campaign_id": condition.campaign_id}
        if kind is EventKind.RECEIVED:
            table = query.join("join_mails", **scope)
        elif condition.campaign_id is not None or condition.at_least > 1:
            table = query.join("join_events", kind=kind.value, **scope)
        elif days is None:
            return query.fragment(kind.value, table=query.activity())
        else:
            return query.fragment(f"{kind}_lately", table=query.activity(), days=days)
        return query.fragment("happened_often", table=table, times=condition.at_least)


def group(word: str, parts: Sequence[str]) -> str:
    """Return conditions side by side, in parentheses when there are several."""
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def opposite(text: str) -> str:
    """Return what is true of everybody else: null is no as well."""
    return f"(({text}) IS NOT TRUE)"


def _by_kind(values: Sequence[bool | int | float | str]) -> dict[str, list[Any]]:
    """Sort values by the kind of attribute that they are compared with."""
    kinds: dict[str, list[Any]] = {}
    for value in values:
        if isinstance(value, bool):
            kinds.setdefault("boolean", []).append(value)
        elif isinstance(value, str):
            kinds.setdefault("text", []).append(value)
        else:
            kinds.setdefault("number", []).append(_decimal(value))
    return kinds


def _decimal(value: Any) -> Decimal:
    """Return the number that was written: 0.1 is a tenth, as JSON in the database has it."""
    return Decimal(repr(value))
