"""Messages submitted, found, cancelled and resolved, for code that shares the database.

What is wrong with a message is said when it is submitted: its words are compiled, the first recipient's message is
made, and the others' values are looked at. Then the messages and their tasks are written in one transaction; what was
answered cannot be lost.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from taskflow.base.ids import uuid7, uuid7_floor
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import CompiledTemplate, RenderPool, RenderProblem
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.db.copying import copy_into
from taskflow.db.pool import Connection, Database
from taskflow.db.queries import load
from taskflow.delivery import addresses, headers
from taskflow.delivery.messages import further_headers
from taskflow.delivery.messages.composer import KeptWords, context_of
from taskflow.delivery.messages.errors import (
    ContentNotKeptError,
    InvalidRecipientError,
    MessageNotCancellableError,
    MessageNotFailedError,
    MessageNotFoundError,
    MessageNotUncertainError,
    UnrenderableError,
    WordsNotKeptError,
)
from taskflow.delivery.messages.models import DELAYS, QUEUE, TASKS, TIMEOUT_SECONDS, Letter, Recipient, Submission
from taskflow.delivery.providers.sms.hooks import ReportStatus
from taskflow.delivery.states import RecipientStatus
from taskflow.engine.client import Engine
from taskflow.engine.handles import TaskHandle
from taskflow.engine.repository import before, page
from taskflow.engine.requests import Request
from taskflow.engine.states import Priority, TaskStatus
from taskflow.engine.store import sql as engine_sql

sql = load(__file__)

Resolution = Literal["sent", "failed", "resend"]

_COLUMNS = (
    "message_id", "submission_id", "scheduled_at", "template_id", "template_version", "channel", "uncertain_policy",
    "address", "name", "locale", "from_address", "tags", "personalization", "segments", "encoding", "error_message",
    "expires_at",
)  # fmt: skip
_RESOLVED: dict[str, RecipientStatus] = {
    "sent": RecipientStatus.SENT,
    "failed": RecipientStatus.FAILED,
    "resend": RecipientStatus.PENDING,
}
_NOTED = frozenset(RecipientStatus) - {RecipientStatus.PENDING, RecipientStatus.SENDING, RecipientStatus.SENT}
_EXPORT_PAGE = 5_000
_TASKS = {
    channel: Request(
        name, queue=QUEUE, priority=Priority.HIGH, max_retries=len(DELAYS), timeout_seconds=TIMEOUT_SECONDS
    )
    for channel, name in TASKS.items()
}
"""Said in full: the relay knows no tasks."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages to list; what is None does not matter. With an address, campaign mail is listed too."""

    address: str | None = None
    status: RecipientStatus | None = None
    channel: str | None = None
    provider: str | None = None
    tag: str | None = None
    submission_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    delivery: ReportStatus | None = None


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a call became: one row a message, in the order of its recipients."""

    submission_id: UUID
    messages: Sequence[asyncpg.Record]


class MessageService:
    """Messages for code that shares the database."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        rendering: RenderPool,
        media: MediaLibrary,
        words: KeptWords,
        prices: Mapping[str, Any],
    ) -> None:
        """Take the pools, the engine that runs the tasks, what looks at words and files, and words known already.

        `prices`: what texts cost over providers that do not say (`SmsSettings.price_list`).
        """
        self._prices = prices
        self._database = database
        self._pool = database.pool
        self._engine = engine
        self._rendering = rendering
        self._media = media
        self._templates = TemplateRepository(database.pool)
        self._words = words

    async def submit(
        self, submission: Submission, *, created_by: UUID | None = None, submission_id: UUID | None = None
    ) -> Submitted:
        """Check a submission, write its messages and put them in line; a repeated id is what it became.

        Raises:
            InvalidRecipientError: an address cannot be sent to, or is there twice.
            UnsafeAddressError, HeaderInjectionError, HeaderNotAllowedError: something must not stand in a header.
            TemplateSyntaxProblem, TemplateLimitError, UnrenderableError: no message can be made.
            TemplateNotFoundError, TemplateVersionNotFoundError, TemplateArchivedError, TemplateShapeError,
            MediaNotFoundError, AttachmentLimitError: its template or a file cannot be used.
        """
        submission = await self._checked(submission)
        return await keep(self._database, self._engine, submission, "api", created_by, submission_id)

    async def get(self, message_id: UUID) -> asyncpg.Record:
        """Return a message, or raise MessageNotFoundError."""
        row = await self._pool.fetchrow(sql.get_message, message_id)
        if row is None:
            raise MessageNotFoundError(f"There is no message {message_id}.")
        return row

    async def attempts(self, message_id: UUID) -> list[asyncpg.Record]:
        """Return the attempts of a message's task, oldest first."""
        return await self._pool.fetch(sql.attempts, message_id)

    async def content(self, message_id: UUID) -> asyncpg.Record:
        """Return a message's content as it went to the provider.

        Raises:
            MessageNotFoundError: there is no such message.
            ContentNotKeptError: it is not kept.
        """
        row = await self._pool.fetchrow(sql.content, message_id)
        if row is None:
            raise MessageNotFoundError(f"There is no message {message_id}.")
        if row["content"] is None:
            raise ContentNotKeptError
        return row

    async def page(self, wanted: Filter, cursor: str | None, limit: int) -> tuple[list[asyncpg.Record], str | None]:
        """Return a page of messages, newest first."""
        return page(await self._fetch(wanted, before(cursor), limit + 1), limit, "message_id")

    async def costs(self, wanted: Filter) -> list[asyncpg.Record]:
        """Return what messages of a time and a tag have cost, by provider, channel and currency."""
        after, before_ = _floor(wanted.created_after), _floor(wanted.created_before)
        return await self._pool.fetch(sql.costs, after, before_, wanted.tag)

    async def export(self, wanted: Filter) -> AsyncIterator[asyncpg.Record]:
        """Yield every message, newest first."""
        last: UUID | None = None
        while rows := await self._fetch(wanted, last, _EXPORT_PAGE):
            for row in rows:
                yield row
            last = rows[-1]["message_id"]

    async def cancel(self, message_id: UUID) -> asyncpg.Record:
        """Keep a message that waits from being sent; return it.

        Raises:
            MessageNotFoundError: there is none.
            MessageNotCancellableError: it is on the wire, or has ended.
        """
        if not await self._pool.fetchval(sql.cancel, message_id):
            row = await self.get(message_id)
            raise MessageNotCancellableError(f"The message is {row['status']}.", status_now=row["status"])
        await self._engine.cancel_many([message_id])
        return await self.get(message_id)

    async def resolve(self, message_id: UUID, resolution: Resolution) -> asyncpg.Record:
        """Decide about an uncertain message; return it. `resend`: somebody may get it twice.

        Raises:
            MessageNotFoundError: there is none.
            MessageNotUncertainError: nobody has to decide about it.
        """
        handles: list[TaskHandle[Any]] = []
        async with self._pool.acquire() as connection, connection.transaction():
            channel = await connection.fetchval(sql.resolve, message_id, _RESOLVED[resolution], self._prices)
            if channel is None:
                row = await self.get(message_id)
                raise MessageNotUncertainError(f"The message is {row['status']}.", status_now=row["status"])
            if resolution == "resend":
                handles = await self._start_over(connection, message_id, channel)
        await self._engine.dispatch(handles)
        return await self.get(message_id)

    async def resend(self, message_id: UUID) -> asyncpg.Record:
        """Send a message that failed again, as it is; return it.

        Raises:
            MessageNotFoundError: there is none.
            MessageNotFailedError: it has not failed, or its task has not ended.
            WordsNotKeptError: what it says is not there any more.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            channel = await connection.fetchval(sql.resend, message_id)
            if channel is None:
                row = await self.get(message_id)
                if row["status"] == RecipientStatus.FAILED and not await connection.fetchval(
                    sql.are_words_kept, message_id
                ):
                    raise WordsNotKeptError
                raise MessageNotFailedError(f"The message is {row['status']}.", status_now=row["status"])
            handles = await self._start_over(connection, message_id, channel)
        await self._engine.dispatch(handles)
        return await self.get(message_id)

    # -- inside

    async def _start_over(self, connection: Connection, message_id: UUID, channel: str) -> list[TaskHandle[Any]]:
        """Put a message's task back, or make it anew when it is not kept any more."""
        tasks = await connection.fetch(engine_sql.retry_by_hand, [message_id])
        if not tasks:
            return [await self._engine.submit_in(connection, _TASKS[channel]._replace(task_id=message_id))]
        return [
            TaskHandle(row["task_id"], TaskStatus(row["status"]), row["dispatch_key"], row["priority"], True,
                       row["dispatch_key"])
            for row in tasks
        ]  # fmt: skip

    async def _fetch(self, wanted: Filter, last: UUID | None, limit: int) -> list[asyncpg.Record]:
        values = (
            last,
            _floor(wanted.created_after),
            _floor(wanted.created_before),
            wanted.status,
            wanted.channel,
            wanted.provider,
            wanted.tag,
            wanted.submission_id,
            limit,
            wanted.delivery,
        )
        if wanted.address is not None:
            return await self._pool.fetch(sql.list_address, *values, wanted.address)
        return await self._pool.fetch(sql.list_attention if wanted.status in _NOTED else sql.list_messages, *values)

    async def _checked(self, submission: Submission) -> Submission:
        """Return a submission whose addresses are those that will be used, and whose template version is fixed."""
        letter = submission.letter
        if not isinstance(letter, Letter):
            raise TypeError("texts are made by `texts.TextService`")
        sender = str(addresses.parse(letter.from_email))
        headers.mailbox("From", sender, letter.from_name)
        if letter.reply_to is not None:
            headers.mailbox("Reply-To", letter.reply_to)
        further_headers.check(letter.headers)
        recipients = _checked_recipients(submission.recipients)
        submission = replace(submission, recipients=recipients, letter=replace(letter, from_email=sender))
        if submission.template_id is None:
            words = await Words.of(self._rendering, letter.own_words())
            files = words.content.attachments
        else:
            version, words = await self._words.chosen(
                self._rendering, self._templates, submission.template_id, submission.template_version, "email"
            )
            files = (*words.content.attachments, *letter.attachments)
            submission = replace(submission, template_version=version)
        await self._media.check_attachments(files)
        await self._try_out(words, letter, recipients)
        return submission

    async def _try_out(self, words: Words, letter: Letter, recipients: Sequence[Recipient]) -> None:
        """Make the first recipient's message, and look whether the others have the values that theirs need."""
        contexts = [context_of(letter.variables, one, one.variables) for one in recipients]
        [first] = await words.render(contexts[:1])
        if isinstance(first, RenderProblem):
            raise UnrenderableError(
                f"{recipients[0].address}: {first.message}",
                problems=[{"code": first.code, "message": first.message, "part": first.part, "line": first.line}],
            )
        for place, context in enumerate(contexts):
            compiled = words.compiled[words.content.choose(context.get("locale"))]
            if (missing := _missing(compiled, context)) is not None:
                raise UnrenderableError(
                    f"to[{place}] ({recipients[place].address}) lacks the variable '{missing}'.",
                    variable=missing,
                    index=place,
                )


async def keep(
    database: Database,
    engine: Engine,
    submission: Submission,
    source: Literal["api", "smtp"],
    created_by: UUID | None,
    submission_id: UUID | None = None,
) -> Submitted:
    """Write a submission, its messages and their tasks in one transaction, and put the tasks in line."""
    submission_id = submission_id or uuid7()
    rows = [_record(submission_id, number, one, submission) for number, one in enumerate(submission.recipients, 1)]
    handles: list[TaskHandle[Any]] = []
    async with database.pool.acquire() as connection:
        async with connection.transaction():
            tag = await connection.execute(
                sql.insert_submission, submission_id, submission.channel, created_by, submission.template_id,
                submission.template_version, source, submission.archive, submission.letter.as_json(), submission.raw,
            )  # fmt: skip
            if not tag.endswith(" 0"):  # else the request is repeated
                await copy_into(connection, "messages", _COLUMNS, rows)
                requests = [
                    _TASKS[submission.channel]._replace(
                        task_id=row[0],
                        priority=submission.priority,
                        scheduled_at=submission.scheduled_at,
                        created_by=created_by,
                    )
                    for row in rows
                ]
                handles = await engine.submit_many_in(connection, requests)
        submitted = await connection.fetch(sql.submitted, submission_id)
    await engine.dispatch(handles)
    return Submitted(submission_id, submitted)


def _record(submission_id: UUID, number: int, one: Recipient, submission: Submission) -> tuple[Any, ...]:
    """Return a row of `_COLUMNS`. Its id follows the submission's, so that a repetition makes the same."""
    return (
        UUID(int=submission_id.int + number), submission_id, submission.scheduled_at, submission.template_id,
        submission.template_version, submission.channel, submission.uncertain_policy, one.address, one.name, one.locale,
        submission.letter.from_address, list(submission.tags) or None, dict(one.variables),
        one.length and one.length.segments, one.length and one.length.encoding, submission.waits, submission.expires_at,
    )  # fmt: skip


def _checked_recipients(recipients: Sequence[Recipient]) -> list[Recipient]:
    found: list[Recipient] = []
    seen: set[str] = set()
    for place, one in enumerate(recipients):
        try:
            address = str(addresses.parse(one.address))
        except addresses.UnsafeAddressError as error:
            raise InvalidRecipientError(f"to[{place}]: {error}", index=place) from error
        if one.name is not None:
            headers.mailbox("To", address, one.name)
        if address.lower() in seen:
            raise InvalidRecipientError(f"to[{place}]: {address} is there twice.", index=place)
        seen.add(address.lower())
        found.append(replace(one, address=address))
    return found


def _missing(compiled: CompiledTemplate, context: Mapping[str, Any]) -> str | None:
    """Return the first path that a template needs and a recipient lacks."""
    given = {**compiled.source.variables, **context}
    for name in compiled.required_variables:
        if name not in given:
            return name
    for path in compiled.required_paths:
        value: Any = given
        for part in path.split("."):
            if not isinstance(value, Mapping):
                break
            if part not in value:
                return path
            value = value[part]
    return None


def _floor(moment: datetime | None) -> UUID | None:
    """Return the smallest id of a moment: ids are times."""
    return None if moment is None else uuid7_floor(max(0, int(moment.timestamp() * 1000)))
