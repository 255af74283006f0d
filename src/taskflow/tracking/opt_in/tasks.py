"""The task that asks for a confirmation: thin."""

from uuid import UUID

from taskflow.audience.consent.service import CONFIRMATION_QUEUE, CONFIRMATION_TASK
from taskflow.engine import Batch, task, worker_context
from taskflow.engine.retry import NoRetry
from taskflow.tracking.opt_in.mailer import NotAttemptedError, NotTakenError, open_confirmations

DELAYS = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
"""Seconds before each further attempt: nine over about eight hours, as a mail server may be away for a night."""


@task(name=CONFIRMATION_TASK, queue=CONFIRMATION_QUEUE, batch=1, max_retries=len(DELAYS), timeout=300)
async def send_confirmation(batch: Batch) -> None:
    """Send the mail of a request; its result is the mail server's reply. Waiting for a provider burns no attempt."""
    mailer = await worker_context().resource(open_confirmations)
    for item in batch.items:
        try:
            batch.complete(item, await mailer.send(UUID(item.kwargs["request_id"])))
        except NotAttemptedError as error:
            batch.release(item, error.after)
        except NotTakenError as error:
            batch.fail(item, str(error), after=DELAYS[min(item.retry_count, len(DELAYS) - 1)])
        except NoRetry as error:
            batch.fail(item, str(error), retry=False)
