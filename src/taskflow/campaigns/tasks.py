"""The send task: thin, because the ledger row is its payload and the mailer does the work."""

from taskflow.campaigns.mailer import open_mailer
from taskflow.campaigns.models import MAX_RETRIES, QUEUE, TASK_NAME, TIMEOUT_SECONDS
from taskflow.engine import Batch, task, worker_context


@task(
    name=TASK_NAME,
    queue=QUEUE,
    batch=100,
    max_retries=MAX_RETRIES,
    timeout=TIMEOUT_SECONDS,
    aliases=("send_email_task",),
)
async def send_email(batch: Batch) -> None:
    """Send one message to each recipient whose task is in the batch (task_id = recipient_id).

    A task without a campaign says in its arguments what to send; see `single_mails`.
    """
    mailer = await worker_context().resource(open_mailer)
    await mailer.send(batch)
