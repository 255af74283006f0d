"""The task that asks for a confirmation: thin."""

from uuid import UUID

from taskflow.audience.consent.service import CONFIRMATION_QUEUE, CONFIRMATION_TASK
from taskflow.engine import Retry, current_task, task, worker_context
from taskflow.tracking.opt_in.mailer import NotTakenError, open_confirmations

DELAYS = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
"""Seconds before each further attempt: nine over about eight hours, as a mail server may be away for a night."""


@task(name=CONFIRMATION_TASK, queue=CONFIRMATION_QUEUE, max_retries=len(DELAYS), timeout=300)
async def send_confirmation(request_id: UUID) -> str | None:
    """Send the mail of one request; return the mail server's reply."""
    mailer = await worker_context().resource(open_confirmations)
    try:
        return await mailer.send(request_id)
    except NotTakenError as error:
        delay = DELAYS[min(current_task().attempt, len(DELAYS)) - 1]
        raise Retry(str(error), after=delay) from error
