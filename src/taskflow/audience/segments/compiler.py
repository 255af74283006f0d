"""From a condition tree to SQL: fragments from a file, and binds. No character of what a user wrote is in the text."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from taskflow.audience.segments.conditions import (
    AllCondition,
    AnyCondition,
    AttributeCondition,
    Condition,
    Definition,
    EventCondition,
    EventKind,
    FieldCondition,
    ListsCondition,
    NotCondition,
    TagsCondition,
    parse_day,
)
from taskflow.audience.segments.operators import OPERANDS, OPPOSITES, Operand, Operator
from taskflow.base.errors import InvalidInputError
from taskflow.db.queries import load

_PLACE = re.compile(r"[$@][a-z_]+")
MAX_TABLES = 16
_KNOWN = re.compile(r"([a-z0-9_.]+) IS NOT NULL")  # its opposite, as the planner knows it: an anti-join
_LATEST = (EventKind.OPENED, EventKind.CLICKED)  # the kinds of which the newest times are kept …
_NEWEST = 10  # … and how many of them: `contact_latest`
_FEW = 20  # values up to which comparing with each is cheaper than a hash table


class TooManyTablesError(InvalidInputError):
    """The conditions look at too many lists, events and campaigns at once: at most 16 different ones."""

    code = "segment_too_complex"


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
    _tables: dict[tuple[str, str], str] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        """Return the placeholder of one more value."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def fragment(self, name: str, parts: Mapping[str, str] | None = None, **binds: Any) -> str:
        """Return a fragment with its binds numbered, and with `parts` (other fragments) in the places they name."""
        texts = {f"@{key}": part for key, part in (parts or {}).items()}
        texts |= {f"${key}": self.bind(value) for key, value in binds.items()}
        return _PLACE.sub(lambda match: texts[match[0]], FRAGMENTS[name])

    def join(self, name: str, **binds: Any) -> str:
        """Join a table beside the contact, the same one once; return its alias.

        Raises:
            TooManyTablesError: each takes memory for a million contacts.
        """
        key = (name, repr(binds))
        if key not in self._tables:
            if len(self._tables) >= MAX_TABLES:
                raise TooManyTablesError
            table = self._tables[key] = f"t{len(self._tables)}"
            self.joins.append(self.fragment(name, {"table": table}, **binds))
        return self._tables[key]

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
                return self._all(condition.conditions)
            case AnyCondition():
                return group(" OR ", [self.compile(child) for child in condition.conditions])
            case NotCondition(condition=AnyCondition(conditions=conditions)):
                return self._all([NotCondition(type="not", condition=child) for child in conditions])
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

    def _all(self, conditions: Sequence[Condition]) -> str:
        """Join first: a look into the attributes of a million contacts is worth a join."""
        joins = [self.compile(child) for child in conditions if _is_join(child)]
        tests = [self.compile(child) for child in conditions if _is_dear(child)]
        others = [self.compile(child) for child in conditions if not _is_join(child) and not _is_dear(child)]
        if joins and tests:
            parts = {"joins": group(" AND ", joins), "tests": group(" AND ", tests)}
            tests = [self._query.fragment("when_joined", parts)]
        return group(" AND ", [*joins, *others, *tests])

    @staticmethod
    def _compare(operator: Operator, positive: Callable[[Operator], str]) -> str:
        """Compile an operator; the negative ones are the opposites of others."""
        if operator in OPPOSITES:
            return opposite(positive(OPPOSITES[operator]))
        return positive(operator)

    def _attribute(self, condition: AttributeCondition) -> Callable[[Operator], str]:
        query, path = self._query, condition.path
        place = "attribute" if len(path) == 1 else "nested"
        key = {"key": query.bind(path[0] if len(path) == 1 else path)}
        value = {kind: query.fragment(f"{place}_{kind}", key) for kind in ("json", "text")}

        def only(kind: str, test: str) -> str:
            return query.fragment(f"only_{kind}", value | {"test": test})

        def positive(operator: Operator) -> str:
            match OPERANDS[operator]:
                case Operand.NOTHING:
                    return query.fragment("json_exists", value)
                case Operand.SCALAR | Operand.SCALARS:
                    texts = [one for one in condition.values if isinstance(one, str)]
                    others = [one for one in condition.values if not isinstance(one, str)]
                    parts = [only("text", self._among(value["text"], texts))] if texts else []
                    if others:
                        parts.append(query.fragment("json_in", {"operand": value["json"]}, values=others))
                    return group(" OR ", parts)
                case Operand.TEXT:
                    return only("text", self._test(f"text_{operator}", value["text"], value=condition.value))
                case Operand.NUMBER:
                    return only("number", self._test(f"number_{operator}", value["json"], value=condition.value))
                case Operand.DAY | Operand.DAYS:
                    day = query.fragment("first_day", value)
                    return only("day", self._test(f"day_{operator}", day, **self._bounds(condition)))

        return positive

    def _field(self, condition: FieldCondition) -> Callable[[Operator], str]:
        operand = FRAGMENTS[condition.name]

        def positive(operator: Operator) -> str:
            match OPERANDS[operator]:
                case Operand.NOTHING:
                    return self._test("text_exists", operand)
                case Operand.SCALAR | Operand.SCALARS:
                    return self._among(operand, condition.values)
                case Operand.DAY:
                    day: date = parse_day(condition.value)
                    return self._test(f"instant_{operator}", operand, value=day, zone=self._zone)
                case Operand.DAYS:
                    return self._test(f"instant_{operator}", operand, days=condition.value)
                case _:
                    return self._test(f"text_{operator}", operand, value=condition.value)

        return positive

    def _test(self, name: str, operand: str, **binds: Any) -> str:
        return self._query.fragment(name, {"operand": operand}, **binds)

    def _among(self, operand: str, texts: Sequence[Any]) -> str:
        return self._test("text_in" if len(texts) <= _FEW else "text_in_many", operand, values=texts)

    def _bounds(self, condition: AttributeCondition) -> dict[str, Any]:
        if OPERANDS[condition.operator] is Operand.DAY:
            return {"value": condition.value}
        return {"days": condition.value, "zone": self._zone}

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
        found = group(" AND ", [query.fragment("joined", {"table": table}) for table in tables])
        return opposite(found) if condition.operator == "none" else found

    def _event(self, condition: EventCondition) -> str:
        found = self._happened(condition)
        return opposite(found) if condition.operator == "never" else found

    def _happened(self, condition: EventCondition) -> str:
        """Ask the summaries where they know: at least once, or up to ten times, ever or lately; else count."""
        query, days, kind = self._query, condition.in_last_days, condition.event
        is_often = condition.at_least > 1
        is_counted = is_often and (kind not in _LATEST or condition.at_least > _NEWEST)
        if condition.campaign_id is not None or is_counted:
            often = {"days": days, "campaign_id": condition.campaign_id, "times": condition.at_least}
            if kind is EventKind.RECEIVED:
                table = query.join("join_mails", **often)
            else:
                table = query.join("join_events", kind=kind.value, **often)
            return query.fragment("joined", {"table": table})
        name = f"{kind}{'_often' if is_often else ''}{'' if days is None else '_lately'}"
        binds = ({"times": condition.at_least} if is_often else {}) | ({} if days is None else {"days": days})
        table = query.join("join_latest" if is_often else "join_activity")
        found = query.fragment(name, {"table": table}, **binds)
        if kind is not EventKind.RECEIVED:
            return found
        news = query.fragment("joined", {"table": query.join("join_news", days=days)})
        return group(" OR ", [found, news])


def _is_join(condition: Condition) -> bool:
    """Tell whether a condition is that a joined table knows the contact."""
    return isinstance(condition, ListsCondition | EventCondition) and condition.operator not in ("none", "never")


def _is_dear(condition: Condition) -> bool:
    """Tell whether a condition looks into the attributes."""
    if isinstance(condition, NotCondition):
        return _is_dear(condition.condition)
    return isinstance(condition, AttributeCondition)


def group(word: str, parts: Sequence[str]) -> str:
    """Return conditions side by side, in parentheses when there are several."""
    return parts[0] if len(parts) == 1 else f"({word.join(parts)})"


def opposite(text: str) -> str:
    """Return what is true of everybody else: null is no as well."""
    known = _KNOWN.fullmatch(text)
    return f"{known[1]} IS NULL" if known else f"(({text}) IS NOT TRUE)"
