"""Campaigns in PostgreSQL: the statements of `queries.sql` as functions, rows as models."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from taskflow.base.errors import NotFoundError
from taskflow.campaigns.models import Campaign, ImportReport, MissingVariable, Progress, Recipient
from taskflow.campaigns.needs import Needs, outermost
from taskflow.campaigns.states import MOVES, refusal, sources
from taskflow.db.pool import Connection, Pool
from taskflow.db.queries import load
from taskflow.delivery.states import RecipientStatus

sql = load(__file__)

NIL = UUID(int=0)
_WITHOUT_ATTENTION = {RecipientStatus.PENDING, RecipientStatus.SENDING, RecipientStatus.SENT}
_SCAN_SECONDS = 600.0  # for statements that read every row of a campaign


class CampaignNotFoundError(NotFoundError):
    """There is no such campaign."""

    code = "campaign_not_found"


class CampaignRepository:
    """Reads and writes campaigns; every method takes the connection or pool it runs on."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def insert(self, connection: Connection, campaign_id: UUID, values: Sequence[Any]) -> None:
        """Write a new DRAFT."""
        await connection.execute(sql.insert_campaign, campaign_id, *values)

    async def get(self, campaign_id: UUID, connection: Connection | None = None) -> Campaign:
        """Return a campaign with its sums.

        Raises:
            CampaignNotFoundError: there is none.
        """
        row = await (connection or self._pool).fetchrow(sql.select_campaigns, campaign_id, None, None, 1)
        if row is None:
            raise CampaignNotFoundError(f"There is no campaign {campaign_id}.")
        return _campaign(row)

    async def page(self, status: str | None, before: UUID | None, limit: int) -> list[Campaign]:
        """Return campaigns, newest first."""
        return [_campaign(row) for row in await self._pool.fetch(sql.select_campaigns, None, status, before, limit)]

    async def move(
        self, campaign_id: UUID, verb: str, connection: Connection | None = None, *, outcome: str | None = None
    ) -> None:
        """Make one step of the state machine.

        Raises:
            CampaignNotFoundError: there is no such campaign.
            IllegalCampaignTransitionError: it is in another state.
        """
        target = connection or self._pool
        if await target.fetchval(sql.move, campaign_id, MOVES[verb].target.value, sources(verb), outcome) is not None:
            return
        current = await target.fetchval(sql.status_of, campaign_id)
        if current is None:
            raise CampaignNotFoundError(f"There is no campaign {campaign_id}.")
        raise refusal(current, verb)

    async def give_up(self, campaign_id: UUID, reason: str, connection: Connection | None = None) -> bool:
        """End a campaign that cannot start as FAILED; tell whether it was in a state for that."""
        target = connection or self._pool
        return await target.fetchval(sql.fail, campaign_id, reason, sources("fail")) is not None

    async def set_error(self, campaign_id: UUID, message: str | None, connection: Connection | None = None) -> None:
        """Say what holds a campaign up; None when nothing does."""
        await (connection or self._pool).execute(sql.set_error, campaign_id, message)

    async def set_wait(self, campaign_id: UUID, message: str | None) -> bool:
        """Say what a campaign that runs waits for; None when it waits for nothing. Tell whether that was news."""
        return await self._pool.fetchval(sql.set_wait, campaign_id, message) is not None

    async def missing_variables(
        self, campaign_id: UUID, needs: Needs, connection: Connection | None = None
    ) -> list[MissingVariable]:
        """Return the variables that some recipients lack, each with its first row. One pass over the rows."""
        target = connection or self._pool
        if not needs.paths:
            return []
        if len(needs.locales) == 1:
            arguments: tuple[Any, ...] = (needs.names, needs.paths[needs.default])
            rows = await target.fetch(sql.missing_variables, campaign_id, *arguments, timeout=_SCAN_SECONDS)
        else:
            arguments = (*needs.pairs(), list(needs.locales), needs.default)
            rows = await target.fetch(sql.missing_variables_by_locale, campaign_id, *arguments, timeout=_SCAN_SECONDS)
        found = []
        for row in rows:
            email = await target.fetchval(sql.email_of_row, campaign_id, row["row_number"], timeout=_SCAN_SECONDS)
            found.append(MissingVariable(row["variable"], row["row_number"], email or "", row["count"]))
        return outermost(found)

    async def recipients(
        self, campaign_id: UUID, status: RecipientStatus | None, after: UUID | None, limit: int
    ) -> list[Recipient]:
        """Return recipients in file order."""
        arguments: tuple[Any, ...] = (campaign_id, after or NIL, limit)
        if status is None:
            rows = await self._pool.fetch(sql.recipients, *arguments)
        elif status in _WITHOUT_ATTENTION:
            rows = await self._pool.fetch(sql.recipients_by_status, *arguments, status.value)
        else:
            rows = await self._pool.fetch(sql.recipients_by_attention, *arguments, status.value)
        return [Recipient(*row) for row in rows]

    async def import_columns(self, campaign_id: UUID) -> list[str]:
        """Return the variables of the imported file, in its order."""
        return list(await self._pool.fetchval(sql.import_columns, campaign_id) or [])

    async def rejections(self, import_id: UUID, after_row: int, limit: int) -> list[tuple[int, str, str, str]]:
        """Return rejected rows as (row number, code, reason, the row as it was)."""
        return [tuple(row) for row in await self._pool.fetch(sql.rejections, import_id, after_row, limit)]


def _campaign(row: Any) -> Campaign:
    values = dict(row)
    report = ImportReport(**{name: values.pop(name) for name in ImportReport.__slots__})
    progress = Progress(
        total=values["total_recipients"],
        **{name: values.pop(name) for name in ("sent", "failed", "deferred", "uncertain", "suppressed", "cancelled")},
    )
    return Campaign(**values, progress=progress, report=report if report.import_id else None)
