"""The task of a message: thin, because the ledger row is its payload and the sender does the work."""

from taskflow.delivery.messages.models import DELAYS, QUEUE, TASK_NAME, TIMEOUT_SECONDS, WINDOW
from taskflow.delivery.messages.sender import open_sender
from taskflow.engine import Batch, Priority, task, worker_context


@task(
    name=TASK_NAME,
    queue=QUEUE,
    priority=Priority.HIGH,
    batch=WINDOW,
    max_retries=len(DELAYS),
    timeout=TIMEOUT_SECONDS,
)
async def send_message(batch: Batch) -> None:
    """Send the message of each task in the batch (task_id = message_id)."""
    sender = await worker_context().resource(open_sender)
    await sender.send(batch)
