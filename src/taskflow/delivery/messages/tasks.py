"""The tasks of messages, one for each channel: thin, for the ledger row is the payload and the sender does the work."""

from taskflow.delivery.messages.models import DELAYS, QUEUE, TASKS, TIMEOUT_SECONDS, WINDOW
from taskflow.delivery.messages.sender import open_sender
from taskflow.engine import Batch, Priority, task, worker_context


@task(
    name=TASKS["email"],
    queue=QUEUE,
    priority=Priority.HIGH,
    batch=WINDOW,
    max_retries=len(DELAYS),
    timeout=TIMEOUT_SECONDS,
)
async def send_message(batch: Batch) -> None:
    """Send the mail of each task in the batch (task_id = message_id)."""
    sender = await worker_context().resource(open_sender)
    await sender.send(batch)


@task(
    name=TASKS["sms"],
    queue=QUEUE,
    priority=Priority.HIGH,
    batch=WINDOW,
    max_retries=len(DELAYS),
    timeout=TIMEOUT_SECONDS,
)
async def send_text(batch: Batch) -> None:
    """Send the text of each task in the batch (task_id = message_id)."""
    sender = await worker_context().resource(open_sender)
    await sender.send(batch)
