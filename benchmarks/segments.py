"""(g) Segments and audiences: ten conditions of growing shape counted over a million contacts, and an audience frozen.

The contacts have seven attributes, tags, three lists (all of them, half, a tenth), three opens and a click each on
average, spread over a year and twenty campaigns, and the ledger of one that wrote to all of them. Each shape is counted
by the code behind POST /segments/count, three times; what is published of a shape is the median, of all ten the worst.
Then a campaign to two lists less a segment is started through the service: the time is that of the whole start.
"""

import statistics
import time
from typing import Any
from uuid import UUID

from benchmarks.figures import Figures
from benchmarks.options import Options
from benchmarks.system import Servers, System, bounded
from taskflow.audience.segments.audiences import Audience
from taskflow.audience.segments.conditions import Definition
from taskflow.audience.segments.evaluator import Evaluator
from taskflow.base.ids import uuid7
from taskflow.campaigns.drafts import NewCampaign
from taskflow.campaigns.importing import Origin
from taskflow.campaigns.repository import sql as campaigns_sql
from taskflow.campaigns.service import CampaignService
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database

_LONGEST = 1200.0
_PIECE = 250_000
_LOOKS = 3
_CAMPAIGNS = 20

_CONTACTS = """
INSERT INTO subscribers (contact_id, email, status, locale, time_zone, attributes, tags, created_at)
SELECT (lpad(to_hex(1767225600000 + n), 12, '0') || '7000' || '8' || lpad(to_hex(n), 15, '0'))::uuid,
       'person.' || n || '@' || (ARRAY['example.com', 'mail.example', 'post.example'])[1 + n % 3],
       CASE WHEN n % 50 = 0 THEN 'UNSUBSCRIBED' ELSE 'ACTIVE' END,
       (ARRAY['de', 'de-AT', 'en', 'fr'])[1 + n % 4], 'Europe/Berlin',
       jsonb_build_object(
         'first_name', (ARRAY['Anneliese', 'Zoë', 'José', 'Yuki'])[1 + n % 4], 'last_name', 'Person ' || n,
         'country', (ARRAY['Germany', 'Austria', 'France', 'Spain', 'Italy', 'Poland', 'Japan', 'Peru'])[1 + n % 8],
         'age', 18 + n % 70, 'customer', n % 3 = 0, 'plan', (ARRAY['free', 'pro', 'team'])[1 + n % 3],
         'renews_on', to_char(date '2026-01-01' + (n % 730)::int, 'YYYY-MM-DD')),
       CASE WHEN n % 10 = 0 THEN '{vip,newsletter}'::text[] ELSE '{newsletter}' END,
       now() - random() * interval '730 days'
FROM generate_series($1::bigint, $2::bigint) AS n
"""
_SUBSCRIPTIONS = """
INSERT INTO subscriptions (list_id, contact_id, status, confirmed_at)
SELECT $1::uuid, contact_id, 'CONFIRMED', now()
FROM (SELECT contact_id, row_number() OVER (ORDER BY contact_id) AS n FROM subscribers) AS s WHERE n % $2::int = 0
"""
# Of one month, in the order in which they happen.
_EVENTS = """
INSERT INTO campaign_events (event_id, event_type, contact_id, campaign_id, is_machine, occurred_at)
SELECT taskflow_uuid7(), kind, contact_id, ($1::uuid[])[1 + floor(random() * cardinality($1::uuid[]))::int],
       random() < 0.05, at
FROM (SELECT contact_id, CASE WHEN n % 4 = 0 THEN 'clicked' ELSE 'opened' END AS kind,
             now() - ($2::int + random()) * interval '30.4 days' AS at
      FROM subscribers CROSS JOIN generate_series(1, 8) AS n WHERE random() < 0.5 / 12) AS e
ORDER BY at
"""
_CAMPAIGN = """
INSERT INTO campaigns (campaign_id, name, template_subject, template_body, from_email, status, outcome, completed_at)
VALUES ($1, 'Last letter', '', '', 'shop@example.com', 'COMPLETED', 'clean', now())
"""
_LEDGER = """
INSERT INTO email_recipients (recipient_id, campaign_id, email, status, sending_at, sent_at, contact_id)
SELECT (substr(contact_id::text, 1, 24) || substr(md5(random()::text), 1, 12))::uuid, $1::uuid, email, 'SENT', at, at,
       contact_id
FROM (SELECT contact_id, email, now() - random() * interval '60 days' AS at FROM subscribers) AS s
"""


async def run(servers: Servers, options: Options, figures: Figures) -> None:
    """Fill a database, count, freeze."""
    async with System.fresh(servers) as system:
        lists, campaign_id = await _fill(system, options.rows)
        await servers.settle()
        worst = 0.0
        for name, condition in shapes(lists, campaign_id).items():
            milliseconds, contacts = await _counted(system.database, condition)
            figures.add(f"segment.{name}_ms", milliseconds, "ms")
            print(f"  {name}: {contacts:,} contacts in {milliseconds:.0f} ms", flush=True)
            worst = max(worst, milliseconds)
        figures.add("segment.count_1m_ms", worst, "ms")
        for _ in range(options.runs):
            await servers.settle()
            seconds, frozen = await _frozen(system, lists)
            figures.add("audience.freeze_1m_s", seconds, "s")
            print(f"  {frozen:,} recipients frozen in {seconds:.1f} s", flush=True)


def shapes(lists: list[UUID], campaign_id: UUID) -> dict[str, dict[str, Any]]:
    """Return ten conditions, from one leaf to a tree of a dozen."""
    everyone, half, tenth = map(str, lists)
    countries = _attribute("country", "in", ["Germany", "Austria"])
    customer = _attribute("customer", "is", value=True)
    opened = {"type": "event", "event": "opened", "in_last_days": 30}
    vip = {"type": "tags", "operator": "any", "values": ["vip"]}
    on_half = {"type": "lists", "list_ids": [half]}
    never = {"type": "event", "event": "clicked", "operator": "never"}
    grown_up = _attribute("age", "at_least", 30)
    renews = _attribute("renews_on", "in_next_days", 60)
    often = {"type": "event", "event": "opened", "in_last_days": 90, "at_least": 3}
    received = {"type": "event", "event": "received", "in_last_days": 30}
    clicked_it = {"type": "event", "event": "clicked", "campaign_id": str(campaign_id)}
    engaged = _all(opened, countries, _not(customer))
    return {
        "01_attribute": countries,
        "02_tag": vip,
        "03_list": on_half,
        "04_event": opened,
        "05_never": never,
        "06_engaged": engaged,
        "07_often": _all(often, grown_up, {"type": "lists", "operator": "any", "list_ids": [half, tenth]}),
        "08_received": _all(received, never, _not(customer)),
        "09_nested": _any(_all(opened, vip, renews), _all(on_half, _not(_any(customer, never))), clicked_it),
        "10_all": _all(
            _any(engaged, _all(renews, grown_up, vip), often),
            _not(_any({"type": "lists", "list_ids": [tenth]}, clicked_it)),
            {"type": "lists", "operator": "all", "list_ids": [everyone, half]},
            {"type": "field", "name": "email", "operator": "ends_with", "value": "@example.com"},
            {"type": "field", "name": "created_at", "operator": "more_than_days_ago", "value": 90},
            _attribute("plan", "not_in", ["team"]),
        ),
    }


async def _fill(system: System, count: int) -> tuple[list[UUID], UUID]:
    """Write contacts, lists, events and a ledger, and look at them as autovacuum would have."""
    lists, campaigns = [uuid7() for _ in range(3)], [uuid7() for _ in range(_CAMPAIGNS)]
    async with system.database.pool.acquire() as connection:
        for first in range(1, count + 1, _PIECE):
            await connection.execute(_CONTACTS, first, min(first + _PIECE - 1, count), timeout=_LONGEST)
            print(f"  contacts: {min(first + _PIECE - 1, count):,} of {count:,}", flush=True)
        for list_id, share in zip(lists, (1, 2, 10), strict=True):
            await connection.execute("INSERT INTO mailing_lists (list_id, name) VALUES ($1, $2)", list_id, str(share))
            await connection.execute(_SUBSCRIPTIONS, list_id, share, timeout=_LONGEST)
        for month in reversed(range(12)):
            await connection.execute(_EVENTS, campaigns, month, timeout=_LONGEST)
            print(f"  events: {12 - month} of 12 months", flush=True)
        await connection.execute(_LEDGER, campaigns[0], timeout=_LONGEST)
        await connection.execute(_CAMPAIGN, campaigns[0])
        await connection.execute(campaigns_sql.summarise_slice, campaigns[0], UUID(int=0), count, timeout=_LONGEST)
        for table in (
            "subscribers",
            "subscriptions",
            "campaign_events",
            "contact_activity",
            "contact_latest",
            "email_recipients",
        ):
            await connection.execute(f"VACUUM (ANALYZE) {table}", timeout=_LONGEST)
    return lists, campaigns[0]


async def _counted(database: Database, condition: dict[str, Any]) -> tuple[float, int]:
    """Return the median time of counting, in milliseconds, and what was counted."""
    evaluator, definition = Evaluator(database.pool, seconds=60), Definition.model_validate({"condition": condition})
    times, contacts = [], 0
    for _ in range(_LOOKS):
        started = time.perf_counter()
        contacts = (await evaluator.count(definition)).contacts
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times), contacts


async def _frozen(system: System, lists: list[UUID]) -> tuple[float, int]:
    """Start a campaign to everybody but the vips of one country; return the seconds and how many that were."""
    async with RenderPool(system.settings.campaign) as rendering, bounded(_LONGEST, "the start"):
        service = CampaignService(system.database, system.broker, rendering)
        excluded = await system.database.pool.fetchval(
            "INSERT INTO segments (segment_id, name, definition) VALUES ($1, $2, $3) RETURNING segment_id",
            uuid7(),
            str(uuid7()),
            {"condition": _all(_attribute("country", "is", "Peru"), {"type": "tags", "values": ["vip"]})},
        )
        new = NewCampaign(
            name="Everybody",
            template_subject="Dear {{ first_name }}",
            template_body="<p>{{ last_name }} in {{ country }}</p><a href='{{ unsubscribe_url }}'>stop</a>",
            from_email="shop@example.com",
            audience=Audience(lists=lists[:2], exclude_segments=[excluded]),
        )
        campaign = await service.create(new, Origin(), _nobody())
        started = time.perf_counter()
        campaign = await service.start(campaign.campaign_id)
        seconds = time.perf_counter() - started
        await service.cancel(campaign.campaign_id)
    return seconds, campaign.total_recipients


async def _nobody() -> Any:
    """Return no batches."""
    for batch in ():
        yield batch


def _attribute(name: str, operator: str, value: Any) -> dict[str, Any]:
    return {"type": "attribute", "name": name, "operator": operator, "value": value}


def _all(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "all", "conditions": list(conditions)}


def _any(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"type": "any", "conditions": list(conditions)}


def _not(condition: dict[str, Any]) -> dict[str, Any]:
    return {"type": "not", "condition": condition}
