"""From a submission and a row of the ledger to a finished message; here to a mail, `text_composer` makes texts.

What is compiled is kept for the next message: a template version for whoever sends it, own words and the MIME skeleton
as long as their submission is being sent. Bodies are plain ASCII on the wire, so that any provider may carry them.
"""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.base.errors import InvalidInputError
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import RenderPool, RenderProblem
from taskflow.content.templates.errors import TemplateArchivedError, TemplateShapeError
from taskflow.content.templates.models import Attachment, Content
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.delivery.addresses import NULL_PATH
from taskflow.delivery.domains.finished import FinishedMail
from taskflow.delivery.domains.senders import Sender, Senders
from taskflow.delivery.incoming import describe
from taskflow.delivery.letterhead import files_of
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.messages.carrier import Load
from taskflow.delivery.messages.ledger import Row
from taskflow.delivery.messages.models import Letter, StoredSubmission, message_id_of
from taskflow.delivery.mime import File, Skeleton
from taskflow.delivery.providers.contract import Mail, MessageClass
from taskflow.delivery.purposes import feedback_id
from taskflow.delivery.unsubscribe_links import UnsubscribeLinks

T = TypeVar("T")

_KEPT = 64
_WORDS_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Composed:
    """A finished message: what is carried, and what is kept of it."""

    load: Load
    content: bytes
    subject: str | None = None


class Held(NamedTuple):
    """A message that must not go out yet: in how many seconds it may, and why."""

    seconds: float
    reason: str


class Composer(Protocol):
    """Makes the messages of a channel."""

    async def size_of(self, submission: StoredSubmission) -> int:
        """Return about how many bytes each of its messages takes in memory.

        Raises:
            NotFoundError, InvalidInputError, UnavailableError: its template or a file of it cannot be used.
        """

    async def compose(self, submission: StoredSubmission, rows: Sequence[Row]) -> list[Composed | Held | str]:
        """Return for each row its message, or the sentence that says why there is none, or none yet.

        Raises:
            NotFoundError, InvalidInputError: its template or a file of it cannot be used.
            UnavailableError: nothing can be rendered, or read from the media storage, now.
            SealBrokenError: the key that should sign cannot be opened.
        """


class Addressed(Protocol):
    """Whose words are asked for."""

    @property
    def address(self) -> str:
        """Where the message goes."""

    @property
    def locale(self) -> str | None:
        """What the person reads."""


class Kept(Generic[T]):
    """The last few things that were made, each once."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: OrderedDict[Hashable, T] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what is kept under `key`, or make it."""
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        made = await make()
        self._kept[key] = made
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return made


class KeptWords:
    """Compiled versions of templates, which never change."""

    def __init__(self) -> None:
        """Start empty."""
        self._kept: Kept[Words] = Kept()

    async def chosen(
        self,
        rendering: RenderPool,
        templates: TemplateRepository,
        template_id: UUID,
        version: int | None,
        channel: Channel,
    ) -> tuple[int, Words]:
        """Return the version of a template that a new message uses, the newest by default, and what it says.

        Raises:
            TemplateArchivedError, TemplateShapeError: no new message may use it, or none of this channel.
            Errors of `of`.
        """
        found = await templates.get(template_id)
        if found.archived_at is not None:
            raise TemplateArchivedError(f"The template '{found.name}' is archived.")
        if found.channel != channel:
            its, ours = ("SMS", "mail") if channel == "email" else ("mails", "text")
            raise TemplateShapeError(f"'{found.name}' is a template for {its}: this message is a {ours}.")
        version = version or found.version
        return version, await self.of(rendering, templates, found.template_id, version)

    async def of(
        self, rendering: RenderPool, templates: TemplateRepository, template_id: UUID, version: int | None
    ) -> Words:
        """Return what a version of a template says, compiled.

        Raises:
            TemplateNotFoundError, TemplateVersionNotFoundError: there is none.
            TemplateSyntaxProblem, TemplateLimitError: it is not usable.
        """

        async def make() -> Words:
            _, _, content = await templates.content(template_id, version)
            return await Words.of(rendering, content)

        return await self._kept.get((template_id, version), make)


class MailComposer:
    """Makes mails; one per process."""

    def __init__(
        self,
        rendering: RenderPool,
        templates: TemplateRepository,
        media: MediaLibrary,
        senders: Senders,
        secret: bytes,
        base_url: str,
    ) -> None:
        """Take what renders, where words and files are, whose keys sign, the secret of Message-IDs and links.

        `base_url`: what unsubscribe links start with.
        """
        self._rendering = rendering
        self._templates = templates
        self._media = media
        self._senders = senders
        self._secret = secret
        self._links = UnsubscribeLinks(secret, base_url)
        self._template_words = KeptWords()
        self._own_words: Kept[Words] = Kept()
        self._skeletons: Kept[Skeleton] = Kept()

    async def size_of(self, submission: StoredSubmission) -> int:
        """Return about how many bytes each of its messages takes in memory; errors as in `Composer`."""
        if submission.raw_bytes is not None:
            return submission.raw_bytes
        words = await self._words_of(submission)
        files = await self._media.check_attachments(_attachments(submission, words.content))
        sizes = (*(file.size for file in files), *(file.size for file in submission.enclosures))
        return _WORDS_BYTES + sum(sizes) * 4 // 3

    async def compose(self, submission: StoredSubmission, rows: Sequence[Row]) -> list[Composed | Held | str]:
        """Return one mail for each row, or the sentence that says why there is none; errors as in `Composer`."""
        letter = _letter(submission)
        if submission.raw is not None:
            sender = await self._senders.of(letter.from_email)
            raw, paths = _signed(submission.raw, letter, sender), _return_paths(letter, sender)
            subject = describe(submission.raw)[0]
            return [_composed(letter, row, raw, subject, paths(row.message_id)) for row in rows]
        words = await self._words_of(submission)
        sender = await self._senders.of(letter.from_email)
        skeleton = await self._skeleton_of(submission, words, sender)
        message_ids = MessageIds(self._secret, letter.from_email)
        readers = [_reader(letter, row) for row in rows]
        links = [self._links.of(row.submission_id, row.message_id) if letter.promotional else None for row in rows]
        contexts = [
            context_of(letter.variables, one, one.personalization, unsubscribe_url=link)
            for one, link in zip(readers, links, strict=True)
        ]
        done: list[Composed | Held | str] = []
        for row, reader, link, result in zip(rows, readers, links, await words.render(contexts), strict=True):
            if isinstance(result, RenderProblem):
                done.append(f"{result.code}: {result.message}")
                continue
            try:
                body = skeleton.build(
                    to=reader.address,
                    to_name=reader.name,
                    subject=result.subject,
                    html=result.html_bytes or None,
                    text=result.text_bytes,
                    message_id=message_ids.of(reader.message_id),
                    unsubscribe_url=link,
                )
            except InvalidInputError as error:  # a value that must not stand in a header
                done.append(f"{error.code}: {error}")
            else:
                path = sender.return_paths.of(row.message_id) if sender.return_paths is not None else None
                done.append(_composed(letter, row, body, result.subject, path))
        return done

    async def _words_of(self, submission: StoredSubmission) -> Words:
        template_id, version = submission.template_id, submission.template_version
        if template_id is not None:
            return await self._template_words.of(self._rendering, self._templates, template_id, version)
        return await self._own_words.get(
            submission.submission_id, lambda: Words.of(self._rendering, _letter(submission).own_words())
        )

    async def _skeleton_of(self, submission: StoredSubmission, words: Words, sender: Sender) -> Skeleton:
        letter, attachments = _letter(submission), _attachments(submission, words.content)
        signer = sender.signer
        selectors = tuple(key.selector for key in signer.keys) if signer is not None else ()

        async def make() -> Skeleton:
            return Skeleton(
                from_email=letter.from_email,
                from_name=letter.from_name,
                reply_to=letter.reply_to,
                cc=[(one.address, one.name) for one in letter.cc],
                purpose=letter.purpose,
                feedback_id=feedback_id(letter.purpose, letter.from_email.rpartition("@")[2]),
                signer=signer,
                files=[*await files_of(self._media, attachments), *_enclosed(submission)],
                further=letter.headers,
            )

        if attachments or submission.enclosures:
            return await make()  # files are not kept in memory
        # An erasure takes people out of `cc`: the same call is then another letter.
        return await self._skeletons.get((submission.submission_id, letter.cc, selectors), make)


def context_of(
    shared: Mapping[str, Any],
    person: Addressed,
    values: Mapping[str, Any],
    address: Literal["email", "phone"] = "email",
    *,
    unsubscribe_url: str | None = None,
) -> dict[str, Any]:
    """Return what a template sees of a person: the person's values before those of the call, who it is, their link."""
    context = {**shared, **values, address: person.address}
    if unsubscribe_url is not None:
        context["unsubscribe_url"] = unsubscribe_url
    if person.locale is not None:
        context["locale"] = person.locale
    return context


def _reader(letter: Letter, row: Row) -> Row:
    """Return whose mail it is: a copy is the addressee's, also its Message-ID, so that answers meet in one thread."""
    if letter.addressee is None:
        return row
    first, to = message_id_of(row.submission_id, 1), letter.addressee
    return row._replace(message_id=first, address=to.address, name=to.name)


def _attachments(submission: StoredSubmission, content: Content) -> Sequence[Attachment]:
    """Return the files of the template and those of the call."""
    own = _letter(submission).attachments
    return (*content.attachments, *own) if submission.template_id else content.attachments


def _enclosed(submission: StoredSubmission) -> list[File]:
    """Return the files that came with the call."""
    return [
        File(said.filename, said.content_type, data, said.content_id)
        for said, data in zip(submission.enclosures, submission.files or (), strict=True)
    ]


def _letter(submission: StoredSubmission) -> Letter:
    if not isinstance(submission.letter, Letter):
        raise TypeError(f"the submission {submission.submission_id} is no mail")
    return submission.letter


def _composed(letter: Letter, row: Row, body: bytes, subject: str | None, return_path: str | None = None) -> Composed:
    """Return a mail; its bounces go to the sender's address where there is no other path."""
    mail = Mail(row.message_id, return_path or letter.from_email, row.address, body)
    kind = MessageClass.BULK if letter.promotional else MessageClass.TRANSACTIONAL
    return Composed(Load(mail, letter.from_email.rpartition("@")[2].lower(), kind), body, subject)


def _signed(raw: bytes, letter: Letter, sender: Sender) -> bytes:
    """Return a mail that came by SMTP, signed when its From has keys and its own domain has not signed it."""
    signer, mail = sender.signer, FinishedMail(raw)
    if signer is None or mail.is_signed_by(signer.domain, letter.from_email.rpartition("@")[2]):
        return raw
    return mail.signed(signer, time.time())


def _return_paths(letter: Letter, sender: Sender) -> Callable[[UUID], str | None]:
    """Return what tells where bounces of a finished mail go: where its sender's domain says, or as it came."""
    if sender.return_paths is None or letter.mail_from == NULL_PATH:  # a bounce of a bounce goes nowhere
        return lambda _: letter.mail_from
    return sender.return_paths.of
