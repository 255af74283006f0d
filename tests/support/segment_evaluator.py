"""What a segment means, in plain Python: written from `conditions`' words, sharing nothing with the compiler.

The compiler must find the same contacts in PostgreSQL. Text is folded by `str.lower`, which agrees with PostgreSQL's
C.UTF-8 on the letters that the tests use.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo


@dataclass
class Happening:
    """Something that a contact did."""

    kind: str
    at: datetime
    campaign_id: UUID
    is_machine: bool = False


@dataclass
class Mail:
    """A recipient's row of the ledger."""

    status: str
    campaign_id: UUID
    sent_at: datetime | None


@dataclass
class Person:
    """A contact and everything that conditions may look at."""

    contact_id: UUID
    email: str | None
    phone: str | None
    status: str
    locale: str | None
    time_zone: str | None
    attributes: dict[str, Any]
    tags: list[str]
    created_at: datetime
    updated_at: datetime
    lists: dict[UUID, str] = field(default_factory=dict)
    events: list[Happening] = field(default_factory=list)
    mails: list[Mail] = field(default_factory=list)


def matches(definition: dict[str, Any], person: Person, now: datetime) -> bool:
    """Tell whether a person is in the segment of a definition (as JSON)."""
    return _Judge(ZoneInfo(definition.get("time_zone", "UTC")), person, now).holds(definition["condition"])


class _Judge:
    def __init__(self, zone: ZoneInfo, person: Person, now: datetime) -> None:
        self.zone = zone
        self.person = person
        self.now = now

    def holds(self, node: dict[str, Any]) -> bool:
        match node["type"]:
            case "all":
                return all(self.holds(child) for child in node["conditions"])
            case "any":
                return any(self.holds(child) for child in node["conditions"])
            case "not":
                return not self.holds(node["condition"])
            case "attribute":
                return self.compare(node, _look(self.person.attributes, node["name"].split(".")))
            case "field":
                return self.compare(node, getattr(self.person, node["name"]))
            case "tags":
                return _quantified(node["operator"], [value in self.person.tags for value in node["values"]])
            case "lists":
                on = [self.person.lists.get(UUID(list_id)) == "CONFIRMED" for list_id in node["list_ids"]]
                return _quantified(node["operator"], on)
            case "event":
                return self.happened(node) is (node.get("operator", "did") == "did")
        raise AssertionError(node)

    def compare(self, node: dict[str, Any], found: Any) -> bool:
        operator, value = node["operator"], node.get("value")
        if operator in ("is_not", "not_in", "not_contains"):
            return not self.compare(node | {"operator": {"is_not": "is"}.get(operator, operator[4:])}, found)
        match operator:
            case "is":
                return _equal(found, value)
            case "in":
                return any(_equal(found, one) for one in value)
            case "contains":
                return isinstance(found, str) and value.lower() in found.lower()
            case "starts_with":
                return isinstance(found, str) and found.lower().startswith(value.lower())
            case "ends_with":
                return isinstance(found, str) and found.lower().endswith(value.lower())
            case "exists":
                return found is not None and found != ""
            case "missing":
                return found is None or found == ""
            case "less_than" | "at_most" | "more_than" | "at_least":
                return _is_number(found) and _ordered(operator, _exact(found), _exact(value))
        if isinstance(found, datetime):
            return self.compare_instant(operator, value, found)
        return self.compare_day(operator, value, found)

    def compare_instant(self, operator: str, value: Any, found: datetime) -> bool:
        match operator:
            case "in_last_days":
                return self.now - timedelta(days=value) <= found <= self.now
            case "in_next_days":
                return self.now <= found <= self.now + timedelta(days=value)
            case "more_than_days_ago":
                return found < self.now - timedelta(days=value)
        day = date.fromisoformat(value)
        begin, end = self.midnight(day), self.midnight(day + timedelta(days=1))
        return {"before": found < begin, "on": begin <= found < end, "after": found >= end}[operator]

    def compare_day(self, operator: str, value: Any, found: Any) -> bool:
        if not isinstance(found, str) or not re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ]|\Z)", found):
            return False
        day, today = found[:10], self.now.astimezone(self.zone).date()
        match operator:
            case "before":
                return day < value
            case "on":
                return day == value
            case "after":
                return day > value
            case "in_last_days":
                return str(today - timedelta(days=value)) <= day <= str(today)
            case "in_next_days":
                return str(today) <= day <= str(today + timedelta(days=value))
            case "more_than_days_ago":
                return day < str(today - timedelta(days=value))
        raise AssertionError(operator)

    def midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(0), self.zone).astimezone(UTC)

    def happened(self, node: dict[str, Any]) -> bool:
        days, campaign_id = node.get("in_last_days"), node.get("campaign_id")
        since = None if days is None else self.now - timedelta(days=days)
        if node["event"] == "received":
            found = [
                (mail.sent_at, mail.campaign_id)
                for mail in self.person.mails
                if mail.status in ("SENT", "BOUNCED", "UNSUBSCRIBED")
            ]
        else:
            found = [
                (event.at, event.campaign_id)
                for event in self.person.events
                if event.kind == node["event"] and not event.is_machine
            ]
        times = sum(
            (since is None or (at is not None and at >= since))
            and (campaign_id is None or campaign == UUID(campaign_id))
            for at, campaign in found
        )
        return times >= node.get("at_least", 1)


def _look(attributes: Any, path: list[str]) -> Any:
    for key in path:
        if not isinstance(attributes, dict):
            return None
        attributes = attributes.get(key)
    return attributes


def _equal(found: Any, value: Any) -> bool:
    if isinstance(found, bool) or isinstance(value, bool):
        return found is value
    if isinstance(found, str) and isinstance(value, str):
        return found.lower() == value.lower()
    return _is_number(found) and _is_number(value) and _exact(found) == _exact(value)


def _quantified(operator: str, found: list[bool]) -> bool:
    return {"any": any(found), "all": all(found), "none": not any(found)}[operator]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _exact(number: Any) -> Decimal:
    return Decimal(repr(number))


def _ordered(operator: str, found: Decimal, value: Decimal) -> bool:
    return {
        "less_than": found < value,
        "at_most": found <= value,
        "more_than": found > value,
        "at_least": found >= value,
    }[operator]
