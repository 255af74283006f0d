"""Replies and reports are kept for as long as the setting says."""

from support.duties import lead
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.delivery.sms.duty import SmsRetention
from taskflow.settings import Settings


async def test_what_is_old_goes_and_the_rest_stays(database: Database, broker: RedisBroker, settings: Settings) -> None:
    settings.sms.keep_replies_days = 30
    for name, days in (("old", 31), ("new", 29)):
        await database.pool.execute(
            "INSERT INTO sms_replies (reply_id, kind, reference, sender, recipient, body, occurred_at, received_at)"
            " VALUES ($1, 'twilio', $2, '+491711234567', '', '', now(), now() - make_interval(days => $3))",
            uuid7(), name, days,
        )  # fmt: skip
        await database.pool.execute(
            "INSERT INTO sms_reports (report_id, kind, provider_id, status, code, received_at)"
            " VALUES ($1, 'twilio', $2, 'sent', '', now() - make_interval(days => $3))",
            uuid7(), name, days,
        )  # fmt: skip
    context = await lead(database, broker, settings)
    assert await SmsRetention().run_once(context) == 2
    assert await SmsRetention().run_once(context) == 0
    assert await database.pool.fetchval("SELECT reference FROM sms_replies") == "new"
    assert await database.pool.fetchval("SELECT provider_id FROM sms_reports") == "new"
