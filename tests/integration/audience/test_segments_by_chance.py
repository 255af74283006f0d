"""The compiler against a plain Python evaluator, over random trees and contacts in a real PostgreSQL."""

import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.segment_evaluator import Person, matches
from support.segment_strategies import CAMPAIGNS, LISTS, conditions, definitions, people
from taskflow.audience.segments.compiler import FRAGMENTS, MAX_TABLES, Query, TooManyTablesError
from taskflow.audience.segments.conditions import MAX_DEPTH, Definition
from taskflow.audience.segments.evaluator import prepare
from taskflow.base.ids import uuid7
from taskflow.campaigns.repository import sql as campaigns_sql
from taskflow.db.pool import Connection, Database

_NOT_RAISED = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow)
_WORDS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40)


@settings(max_examples=150, deadline=None, suppress_health_check=_NOT_RAISED)
@given(crowd=st.lists(people(), min_size=1, max_size=6), trees=st.lists(definitions, min_size=1, max_size=5))
async def test_postgresql_finds_whom_the_words_mean(
    database: Database, crowd: list[Person], trees: list[dict[str, Any]]
) -> None:
    async with database.pool.acquire() as connection:
        trial = connection.transaction()
        await trial.start()
        try:
            await _write(connection, crowd)
            await prepare(connection, 10)
            now = await connection.fetchval("SELECT now()")
            for tree in trees:
                query = Query()
                where = query.where(Definition.model_validate(tree))
                rows = await connection.fetch(f"SELECT s.contact_id {query.source} WHERE {where}", *query.arguments)
                found = [row[0] for row in rows]
                wanted = {person.contact_id for person in crowd if matches(tree, person, now)}
                assert set(found) == wanted, (tree, where)
                assert len(found) == len(wanted)  # a join has doubled nobody
        finally:
            await trial.rollback()


async def _write(connection: Connection, crowd: list[Person]) -> None:
    await connection.executemany(
        "INSERT INTO mailing_lists (list_id, name) VALUES ($1, $2)", [(list_id, str(list_id)) for list_id in LISTS]
    )
    await connection.executemany(
        "INSERT INTO subscribers (contact_id, email, phone, status, locale, time_zone, attributes, tags, created_at,"
        " updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        [
            (
                person.contact_id, person.email, person.phone, person.status, person.locale, person.time_zone,
                person.attributes, person.tags, person.created_at, person.updated_at,
            )
            for person in crowd
        ],
    )  # fmt: skip
    await connection.executemany(
        "INSERT INTO subscriptions (list_id, contact_id, status, confirmed_at, unsubscribed_at) VALUES"
        " ($1, $2, $3::text, now(), CASE WHEN $3::text = 'UNSUBSCRIBED' THEN now() END)",
        [(list_id, person.contact_id, status) for person in crowd for list_id, status in person.lists.items()],
    )
    await connection.executemany(
        "INSERT INTO campaign_events (event_id, event_type, contact_id, campaign_id, is_machine, occurred_at)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        [
            (uuid7(), event.kind, person.contact_id, event.campaign_id, event.is_machine, event.at)
            for person in crowd
            for event in person.events
        ],
    )
    await connection.executemany(
        "INSERT INTO email_recipients (recipient_id, campaign_id, email, status, attention, sending_at, sent_at,"
        " contact_id) VALUES ($1, $2, $3, $4::text, CASE WHEN $4::text <> 'SENT' THEN $4::text END, $5, $5, $6)",
        [
            (uuid7(), mail.campaign_id, person.email, mail.status, mail.sent_at, person.contact_id)
            for person in crowd
            for mail in person.mails
        ],
    )
    # One campaign is under way, and the other one is over: what it sent is in the summary.
    await connection.executemany(
        "INSERT INTO campaigns (campaign_id, name, template_subject, template_body, from_email, active)"
        " VALUES ($1, 'Letter', '', '', 'shop@example.com', $2)",
        [(campaign_id, number == 0) for number, campaign_id in enumerate(CAMPAIGNS)],
    )
    await connection.execute(campaigns_sql.summarise_slice, CAMPAIGNS[1], UUID(int=0), 100)


@settings(max_examples=300, deadline=None)
@given(
    conditions, st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=40)
)
def test_the_text_of_a_statement_is_the_same_whatever_was_written(tree: dict[str, Any], written: str) -> None:
    other = _rewritten(tree, written)
    assert _text(other) == _text(tree)
    assert _pieces(_text(tree)) <= _known()


def _text(tree: dict[str, Any]) -> str:
    query = Query()
    where = query.where(Definition.model_validate({"condition": tree}))
    return f"{query.source}\nWHERE {where}"


def _rewritten(tree: dict[str, Any], written: str) -> dict[str, Any]:
    """Put other words into every place where somebody can write any."""
    match tree["type"]:
        case "all" | "any":
            return tree | {"conditions": [_rewritten(child, written) for child in tree["conditions"]]}
        case "not":
            return tree | {"condition": _rewritten(tree["condition"], written)}
        case "attribute":
            tree = tree | {"name": ".".join(written.replace(".", "-") for _ in tree["name"].split("."))}
        case "field" if tree["name"] == "status":
            return tree
    if tree.get("operator") in ("before", "on", "after"):
        return tree
    value = tree.get("value")
    if isinstance(value, str) and value:
        return tree | {"value": written}
    if isinstance(value, list):
        return tree | {"value": [written if isinstance(one, str) else one for one in value]}
    return tree


def _pieces(text: str) -> set[str]:
    """Take a statement apart into words, as far as SQL tells them apart."""
    return set(re.findall(r"[A-Za-z_]\w*|'[^']*'|[0-9]+|[^\sA-Za-z0-9_']", re.sub(r"\$[0-9]+|\bt[0-9]+\b", "", text)))


def _known() -> set[str]:
    allowed = " ".join(FRAGMENTS.values()) + " FROM subscribers AS s WHERE AND OR IS NOT TRUE ( )"
    return _pieces(re.sub(r"[$@][a-z_]+", "", allowed))


def test_trees_that_are_too_deep_or_too_large_are_refused_before_they_are_read() -> None:
    leaf: dict[str, Any] = {"type": "attribute", "name": "x", "operator": "exists"}
    deep = leaf
    for _ in range(MAX_DEPTH - 1):
        deep = {"type": "not", "condition": deep}
    Definition.model_validate({"condition": deep})
    for condition, sentence in [
        ({"type": "not", "condition": deep}, "nested"),
        ({"type": "all", "conditions": [leaf] * 100}, "at most 100"),
        ({"type": "all", "conditions": [{"type": "any", "conditions": [leaf] * 20}] * 5}, "at most 100"),
    ]:
        with pytest.raises(ValueError, match=sentence):
            Definition.model_validate({"condition": condition})


def test_a_table_is_joined_once_and_only_so_many_of_them() -> None:
    opened = {"type": "event", "event": "opened"}
    query = Query()
    query.where(
        Definition.model_validate({"condition": {"type": "all", "conditions": [opened, opened | {"event": "clicked"}]}})
    )
    assert len(query.joins) == 1
    lists = [{"type": "lists", "list_ids": [str(uuid7())]} for _ in range(MAX_TABLES + 1)]
    Query().where(Definition.model_validate({"condition": {"type": "any", "conditions": lists[:-1]}}))
    with pytest.raises(TooManyTablesError):
        Query().where(Definition.model_validate({"condition": {"type": "any", "conditions": lists}}))
