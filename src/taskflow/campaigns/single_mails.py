"""Send tasks without a campaign: what their arguments say becomes messages.

The specification's first flow is `POST /tasks {task_name: "send_email", args: {…}}`. The arguments are the body of
`POST /messages`. The task has done its part once its messages are committed, and says their ids; what becomes of them
is told by the ledger of messages. They are submitted under the task's id, so a second attempt finds those of the first,
and asks nothing more: meanwhile the template may be archived. Who has submitted the task is said there, not with them.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError, UnavailableError
from taskflow.db.outages import TRANSIENT
from taskflow.delivery.messages.models import Archive
from taskflow.delivery.messages.schemas import MessageIn
from taskflow.delivery.messages.service import MessageService
from taskflow.engine import Batch, BatchItem

_LATER_SECONDS = 5.0  # until what cannot be read or written now is tried again


class SingleMails:
    """Submits what send tasks without a campaign ask for."""

    def __init__(self, messages: MessageService, archive: Archive) -> None:
        """Take what keeps messages, and what the settings keep of their words."""
        self._messages = messages
        self._archive = archive

    async def submit(self, batch: Batch, item: BatchItem) -> None:
        """Submit the messages of a task and end it, with their ids or with what is wrong with its arguments."""
        try:
            submitted = await self._messages.submitted(item.task_id)
            if submitted is None:
                submission = _body_in(item).submission(self._archive)
                submitted = await self._messages.submit(submission, submission_id=item.task_id)
        except (UnavailableError, *TRANSIENT):
            batch.release(item, _LATER_SECONDS)
        except (InvalidInputError, NotFoundError, ConflictError) as error:
            batch.fail(item, f"{error.code}: {error}", retry=False)
        else:
            ids = [str(row["message_id"]) for row in submitted.messages]
            batch.complete(item, {"submission_id": str(submitted.submission_id), "message_ids": ids})


def _body_in(item: BatchItem) -> MessageIn:
    """Return the call that the arguments are; one recipient may stand alone.

    Raises:
        InvalidInputError: they are none.
    """
    given: Any = (None if item.args else item.kwargs) or {}
    if isinstance(given, Mapping) and isinstance(given.get("to"), str | Mapping):
        given = {**given, "to": [given["to"]]}
    try:
        body = MessageIn.model_validate(given)
    except ValidationError as error:
        wrong = "; ".join(
            ".".join(map(str, one["loc"])) + ": " * bool(one["loc"]) + one["msg"] for one in error.errors()
        )
        raise InvalidInputError(
            f"Without a campaign, send_email takes the fields of POST /messages as named arguments. {wrong}"
        ) from error
    if body.channel != "email":
        raise InvalidInputError("send_email sends mail: texts are for POST /messages.")
    return body
