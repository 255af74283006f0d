"""The audience of a campaign becomes its recipients: one INSERT … SELECT, in the transaction that starts it.

Before that commit there is nobody, after it everybody: a crash leaves the campaign as it was, and the next start
chooses again. The campaign's row is locked first, so that of two who start it one finds the work done.
"""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from taskflow.audience.segments.audiences import Audience, AudienceQuery, open_audience
from taskflow.audience.segments.evaluator import prepare
from taskflow.base.errors import ConflictError
from taskflow.base.ids import uuid7
from taskflow.campaigns.models import MissingVariable
from taskflow.campaigns.needs import Needs, outermost, sentence
from taskflow.campaigns.repository import sql
from taskflow.campaigns.states import MOVES, refusal
from taskflow.content.errors import MissingVariableError
from taskflow.db.pool import Connection

_SECONDS = 600.0

# Ascending UUIDv7s of one moment, as `base.ids.uuid7_sequence` makes them: 26 bits of a counter, 48 of chance.
_RECIPIENT_ID = """({head}::text || '7' || lpad(to_hex(n >> 14), 3, '0') || to_hex(32768 | (n & 16383))
  || substr(md5(random()::text), 1, 12))::uuid"""


class AudienceTooLargeError(ConflictError):
    """The audience has more people than one campaign may write to."""

    code = "too_many_recipients"


async def freeze(connection: Connection, campaign_id: UUID, *, most: int) -> int | None:
    """Write the recipients of a campaign's audience; return how many, or None when somebody has already.

    Runs inside a transaction, and keeps the campaign's row until its end.

    Raises:
        UnknownAudienceError: a list or a segment is not there any more.
        AudienceTooLargeError: there are more than `most`.
        IllegalCampaignTransitionError: it is in no state to be started from.
    """
    row = await connection.fetchrow(sql.lock_open, campaign_id)
    if row is None:
        return None
    if row["status"] not in MOVES["start"].sources:
        raise refusal(row["status"], "start")
    found = await open_audience(connection, Audience.model_validate(row["audience"]))
    await prepare(connection, _SECONDS)
    tag = await connection.execute(_insert(found, campaign_id, most), *found.query.arguments, timeout=_SECONDS)
    frozen = int(tag.rpartition(" ")[2])
    if frozen > most:
        raise AudienceTooLargeError(f"The audience has more than {most:,} people.", most=most)
    await connection.execute(sql.freeze_audience, campaign_id, frozen)
    return frozen


async def missing_variables(connection: Connection, audience: Audience, needs: Needs) -> list[MissingVariable]:
    """Return the variables that some people of an audience lack, now; each with one of them.

    Raises:
        UnknownAudienceError: a list or a segment is not there.
    """
    if not needs.paths:
        return []
    found = await open_audience(connection, audience)
    await prepare(connection, _SECONDS)
    statement = _lacking(found, needs) if len(needs.locales) == 1 else _lacking_by_locale(found, needs)
    rows = await connection.fetch(statement, *found.query.arguments, timeout=_SECONDS)
    return outermost([MissingVariable(row["variable"], None, row["email"], row["count"]) for row in rows])


async def some_people(connection: Connection, audience: Audience, count: int) -> list[tuple[UUID, str, dict[str, Any]]]:
    """Return some who are in an audience now: id, address and values, as their rows will have them.

    Raises:
        UnknownAudienceError: a list or a segment is not there.
    """
    found = await open_audience(connection, audience)
    await prepare(connection, _SECONDS)
    limit = found.query.bind(count)
    people = f"""SELECT contact_id, email, personalization
FROM ({found.recipients}) AS r LIMIT {limit}::int"""  # noqa: S608 - fragments and binds: see audience.segments.compiler
    return [tuple(row) for row in await connection.fetch(people, *found.query.arguments, timeout=_SECONDS)]


async def missing_then(connection: Connection, campaign_id: UUID) -> list[MissingVariable]:
    """Return what people of a campaign's audience lack now, by what its template needed when it was made.

    Raises:
        UnknownAudienceError: a list or a segment is not there any more.
    """
    row = await connection.fetchrow(sql.audience_and_needs, campaign_id)
    if row is None or row["needs"] is None:
        return []
    return await missing_variables(connection, Audience.model_validate(row["audience"]), Needs.from_json(row["needs"]))


def require_none(missing: list[MissingVariable]) -> None:
    """Raise MissingVariableError when there is something."""
    if missing:
        raise MissingVariableError(sentence(missing), problems=[asdict(item) for item in missing])


def _insert(found: AudienceQuery, campaign_id: UUID, most: int) -> str:
    query = found.query
    recipient_id = _RECIPIENT_ID.format(head=query.bind(uuid7().hex[:12]))
    return f"""INSERT INTO email_recipients
  (recipient_id, campaign_id, row_number, email, personalization, contact_id, list_id)
SELECT {recipient_id}, {query.bind(campaign_id)}::uuid, n, email, personalization, contact_id, list_id
FROM (SELECT row_number() OVER ()::int AS n, r.* FROM ({found.recipients}) AS r) AS numbered
LIMIT {query.bind(most + 1)}::int"""  # noqa: S608 - fragments and binds: see audience.segments.compiler


def _lacking_by_locale(found: AudienceQuery, needs: Needs) -> str:
    query = found.query
    paths, owners = needs.pairs()
    paths_bind, owners_bind = query.bind(paths), query.bind(owners)
    locales_bind, default_bind = query.bind(list(needs.locales)), query.bind(needs.default)
    return f"""SELECT p.path AS variable, count(*)::int AS count, min(r.email) AS email
FROM ({found.recipients}) AS r
CROSS JOIN LATERAL
  template_variant(r.personalization ->> 'locale', {locales_bind}::text[], {default_bind}::text) AS c
JOIN unnest({paths_bind}::text[], {owners_bind}::text[]) AS p (path, variant) ON p.variant = c.variant
WHERE r.personalization #>> string_to_array(p.path, '.') IS NULL
GROUP BY p.path ORDER BY p.path"""  # noqa: S608 - fragments and binds: see audience.segments.compiler


def _lacking(found: AudienceQuery, needs: Needs) -> str:
    query = found.query
    names_bind, paths_bind = query.bind(needs.names), query.bind(needs.paths[needs.default])
    return f"""SELECT p.path AS variable, count(*)::int AS count, min(r.email) AS email
FROM ({found.recipients}) AS r
CROSS JOIN unnest({paths_bind}::text[]) AS p (path)
WHERE (NOT r.personalization ?& {names_bind}::text[]
       OR cardinality({names_bind}::text[]) < cardinality({paths_bind}::text[]))
  AND r.personalization #>> string_to_array(p.path, '.') IS NULL
GROUP BY p.path ORDER BY p.path"""  # noqa: S608 - fragments and binds: see audience.segments.compiler
