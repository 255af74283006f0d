"""The start of scheduled campaigns whose time has come.

One that writes to contacts has its audience frozen first, beside the other campaigns' steps, because that takes half a
minute for a million people. It needs no lead: whoever has locked the campaign's row does it, once.
"""

import asyncio
from uuid import UUID

import asyncpg
from pydantic import ValidationError

from taskflow.base.errors import InvalidInputError
from taskflow.base.logging import get_logger
from taskflow.campaigns.freezing import AudienceTooLargeError, freeze, missing_then, require_none
from taskflow.campaigns.models import ActiveCampaign
from taskflow.campaigns.needs import sentence
from taskflow.campaigns.notices import status_event
from taskflow.campaigns.repository import CampaignRepository, sql
from taskflow.campaigns.states import MOVES, CampaignStatus, IllegalCampaignTransitionError, sources
from taskflow.content.errors import MissingVariableError
from taskflow.engine.coordinator.duty import DutyContext

log = get_logger(__name__)

_S = CampaignStatus
_LOOK_SECONDS = 0.2  # that other campaigns wait for one that is frozen


class Starter:
    """Starts campaigns, and remembers which are being frozen."""

    def __init__(self) -> None:
        """Freeze nothing yet."""
        self._freezing: dict[UUID, asyncio.Task[None]] = {}

    async def start(self, context: DutyContext, campaign: ActiveCampaign) -> int:
        """Start a scheduled campaign; what could be missing was looked for when it was scheduled.

        Who has come to an audience since and lacks a variable fails alone; a variable that everybody lacks fails it.
        """
        if campaign.is_open:
            return await self._freeze(context, campaign)
        async with context.leading() as connection:
            started = await connection.fetchval(
                sql.move, campaign.campaign_id, MOVES["start"].target.value, sources("start"), None
            )
        if started:
            await context.broker.events.publish(
                [status_event(campaign.campaign_id, _S.RUNNING, None, campaign.progress)]
            )
        return 1 if started else 0

    async def _freeze(self, context: DutyContext, campaign: ActiveCampaign) -> int:
        """Let the audience be frozen and the campaign be started, in a task of its own; return 1 when it has been."""
        freezing = self._freezing.get(campaign.campaign_id)
        if freezing is None:
            freezing = asyncio.create_task(_freeze_and_start(context, campaign), name=f"freeze {campaign.campaign_id}")
            self._freezing[campaign.campaign_id] = freezing
        done, _ = await asyncio.wait([freezing], timeout=_LOOK_SECONDS)
        if not done:
            return 0
        del self._freezing[campaign.campaign_id]
        await freezing
        return 1


async def _freeze_and_start(context: DutyContext, campaign: ActiveCampaign) -> None:
    """Choose the recipients of a scheduled campaign and start it; give it up when there is nobody to write to."""
    pool, campaign_id = context.database.pool, campaign.campaign_id
    repository = CampaignRepository(pool)
    status = _S.RUNNING
    try:
        async with pool.acquire() as connection, connection.transaction():
            missing = await missing_then(connection, campaign_id)
            frozen = await freeze(connection, campaign_id, most=context.settings.campaign.max_recipients)
            if frozen is None:
                return
            if frozen:
                require_none([item for item in missing if item.count >= frozen])
                await repository.move(campaign_id, "start", connection)
                if missing:
                    await repository.set_error(campaign_id, f"Started, but {sentence(missing)}", connection)
            else:
                status = _S.FAILED
                await repository.give_up(campaign_id, "Nobody was in its audience when it was to start.", connection)
    except (InvalidInputError, AudienceTooLargeError, MissingVariableError) as error:
        status = _S.FAILED
        await repository.give_up(campaign_id, f"Not started. {error}")
    except (ValidationError, asyncpg.QueryCanceledError):  # of one campaign: the others go on
        log.exception("audience_not_frozen", campaign_id=str(campaign_id))
        status = _S.FAILED
        await repository.give_up(campaign_id, "Not started. Its audience cannot be evaluated, or not in ten minutes.")
    except IllegalCampaignTransitionError:  # cancelled while it waited for the row
        return
    progress = (await repository.get(campaign_id)).progress
    await context.broker.events.publish([status_event(campaign_id, status, None, progress)])
