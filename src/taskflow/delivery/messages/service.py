"""Messages submitted, for code that shares the database.

What is wrong with a message is said when it is submitted: its words are compiled, the first recipient's message is
made, and the others' values are looked at. Then the messages and their tasks are written in one transaction; what was
answered cannot be lost.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.base.ids import uuid7
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import CompiledTemplate, RenderPool, RenderProblem
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.db.copying import copy_into
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.delivery import addresses, headers
from taskflow.delivery.messages import further_headers
from taskflow.delivery.messages.composer import KeptWords, context_of
from taskflow.delivery.messages.errors import InvalidRecipientError, UnrenderableError
from taskflow.delivery.messages.models import (
    DELAYS,
    QUEUE,
    TASKS,
    TIMEOUT_SECONDS,
    Letter,
    Mailbox,
    Recipient,
    Submission,
    message_id_of,
)
from taskflow.delivery.states import RecipientStatus
from taskflow.engine.client import Engine
from taskflow.engine.requests import Request
from taskflow.engine.states import Priority

sql = load(__file__)

_COLUMNS = (
    "message_id", "submission_id", "scheduled_at", "template_id", "template_version", "channel", "uncertain_policy",
    "address", "name", "locale", "from_address", "tags", "personalization", "segments", "encoding", "error_message",
    "expires_at", "key_id",
)  # fmt: skip
_SOME_LINK = "https://example.invalid/unsubscribe/"  # each gets one of their own, once messages have ids
REQUESTS = {
    channel: Request(
        name, queue=QUEUE, priority=Priority.HIGH, max_retries=len(DELAYS), timeout_seconds=TIMEOUT_SECONDS
    )
    for channel, name in TASKS.items()
}
"""The task of a message by its channel. Said in full: the relay knows no tasks."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """What a call became: one row a message, in the order of its recipients."""

    submission_id: UUID
    messages: Sequence[Mapping[str, Any]]


class MessageService:
    """Takes mails for code that shares the database."""

    def __init__(
        self, database: Database, engine: Engine, rendering: RenderPool, media: MediaLibrary, words: KeptWords
    ) -> None:
        """Take the pools, the engine that runs the tasks, what looks at words and files, and words known already."""
        self._database = database
        self._engine = engine
        self._rendering = rendering
        self._media = media
        self._templates = TemplateRepository(database.pool)
        self._words = words

    async def submit(
        self,
        submission: Submission,
        *,
        created_by: UUID | None = None,
        key_id: UUID | None = None,
        submission_id: UUID | None = None,
    ) -> Submitted:
        """Check a submission, write its messages and put them in line; a repeated id is what it became.

        `key_id`: the key it comes with, if that is to see its own messages only.

        Raises:
            InvalidRecipientError: an address cannot be sent to, or is there twice.
            UnsafeAddressError, HeaderInjectionError, HeaderNotAllowedError: something must not stand in a header.
            TemplateSyntaxProblem, TemplateLimitError, UnrenderableError: no message can be made.
            TemplateNotFoundError, TemplateVersionNotFoundError, TemplateArchivedError, TemplateShapeError,
            MediaNotFoundError, AttachmentLimitError: its template or a file cannot be used.
        """
        submission = await self._checked(submission)
        return await keep(self._database, self._engine, submission, "api", created_by, submission_id, key_id)

    async def submitted(self, submission_id: UUID) -> Submitted | None:
        """Return what a submission became; None: there is none."""
        rows = await self._database.pool.fetch(sql.submitted, submission_id)
        return Submitted(submission_id, list(map(dict, rows))) if rows else None

    # -- inside

    async def _checked(self, submission: Submission) -> Submission:
        """Return a submission whose addresses are those that will be used, and whose template version is fixed."""
        letter = submission.letter
        if not isinstance(letter, Letter):
            raise TypeError("texts are made by `texts.TextService`")
        sender = str(addresses.parse(letter.from_email))
        headers.mailbox("From", sender, letter.from_name)
        if letter.reply_to is not None:
            headers.mailbox("Reply-To", letter.reply_to)
        further_headers.check(letter.headers, promotional=letter.promotional)
        recipients = _checked_recipients(submission.recipients)
        letter = _with_copies(replace(letter, from_email=sender), recipients)
        submission = replace(submission, recipients=recipients, letter=letter)
        if submission.template_id is None:
            words = await Words.of(self._rendering, letter.own_words())
            files = words.content.attachments
        else:
            version, words = await self._words.chosen(
                self._rendering, self._templates, submission.template_id, submission.template_version, Channel.EMAIL
            )
            files = (*words.content.attachments, *letter.attachments)
            submission = replace(submission, template_version=version)
        await self._media.check_attachments(files, beside=sum(file.size for file in letter.enclosures))
        await self._try_out(words, letter, recipients)
        return submission

    async def _try_out(self, words: Words, letter: Letter, recipients: Sequence[Recipient]) -> None:
        """Make the first recipient's message, and look whether the others have the values that theirs need."""
        link = _SOME_LINK if letter.promotional else None
        contexts = [context_of(letter.variables, one, one.variables, unsubscribe_url=link) for one in recipients]
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
    key_id: UUID | None = None,
) -> Submitted:
    """Write a submission, its messages and their tasks in one transaction, and put the tasks in line."""
    submission_id = submission_id or uuid7()
    rows = [
        _record(submission_id, number, one, submission, key_id) for number, one in enumerate(submission.recipients, 1)
    ]
    async with database.pool.acquire() as connection, connection.transaction():
        tag = await connection.execute(
            sql.insert_submission, submission_id, submission.channel, created_by, submission.template_id,
            submission.template_version, source, submission.archive, submission.letter.as_json(), submission.raw,
            submission.files or None,
        )  # fmt: skip
        if tag.endswith(" 0"):  # the request is repeated
            return Submitted(submission_id, list(map(dict, await connection.fetch(sql.submitted, submission_id))))
        await copy_into(connection, "messages", _COLUMNS, rows)
        requests = [
            REQUESTS[submission.channel]._replace(
                task_id=row[0],
                priority=submission.priority,
                scheduled_at=submission.scheduled_at,
                created_by=created_by,
            )
            for row in rows
        ]
        handles = await engine.submit_many_in(connection, requests)
    await engine.dispatch(handles)
    return Submitted(submission_id, [_accepted(row) for row in rows])


def _record(
    submission_id: UUID, number: int, one: Recipient, submission: Submission, key_id: UUID | None
) -> tuple[Any, ...]:
    """Return a row of `_COLUMNS`."""
    return (
        message_id_of(submission_id, number), submission_id, submission.scheduled_at, submission.template_id,
        submission.template_version, submission.channel, submission.uncertain_policy, one.address, one.name, one.locale,
        submission.letter.from_address, list(submission.tags) or None, dict(one.variables),
        one.length and one.length.segments, one.length and one.length.encoding, submission.waits, submission.expires_at,
        key_id,
    )  # fmt: skip


def _accepted(row: tuple[Any, ...]) -> Mapping[str, Any]:
    """Return what `submitted` reads of a row of `_COLUMNS` that was written just now."""
    written = dict(zip(_COLUMNS, row, strict=True))
    same = ("message_id", "address", "encoding", "scheduled_at", "error_message")
    return {name: written[name] for name in same} | {"status": RecipientStatus.PENDING, "parts": written["segments"]}


def _checked_recipients(recipients: Sequence[Recipient]) -> list[Recipient]:
    found: list[Recipient] = []
    seen: set[str] = set()
    numbers: Counter[str] = Counter()
    for one in recipients:
        index = numbers[one.role]
        numbers[one.role] += 1
        place = f"{one.role}[{index}]"
        try:
            address = str(addresses.parse(one.address))
        except addresses.UnsafeAddressError as error:
            raise InvalidRecipientError(f"{place}: {error}", index=index) from error
        if one.name is not None:
            headers.mailbox(place, address, one.name)
        if address.lower() in seen:
            raise InvalidRecipientError(f"{place}: {address} is there twice.", index=index)
        seen.add(address.lower())
        found.append(replace(one, address=address))
    return found


def _with_copies(letter: Letter, recipients: Sequence[Recipient]) -> Letter:
    """Return a letter that names whom it is to and who gets a copy, if anybody does."""
    if all(one.role == "to" for one in recipients):
        return letter
    first, cc = recipients[0], [one for one in recipients if one.role == "cc"]
    return replace(
        letter,
        addressee=Mailbox(first.address, first.name),
        cc=tuple(Mailbox(one.address, one.name) for one in cc),
    )


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
