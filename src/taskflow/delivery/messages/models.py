"""Messages, and what those of one call have in common, as rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Self
from uuid import UUID

from taskflow.audience.channels import Channel
from taskflow.content.rendering import Format
from taskflow.content.sms import SmsLength
from taskflow.content.templates.models import Attachment, Content, Draft, Variant

TASKS: Final[Mapping[str, str]] = {"email": "send_message", "sms": "send_text"}
"""The task of each channel: a window of one waits for nobody of the other."""
QUEUE = "messages"
WINDOW = 10
"""Messages that one call of the task sends, and so the most that a crash of it leaves uncertain."""
DELAYS = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
"""Seconds before each further attempt: nine over about eight hours, as a mail server may be away for a night."""
TIMEOUT_SECONDS = 300
MAX_RECIPIENTS = 1_000
MAX_COPIES = 49
LOCALE = "en"  # how own words write numbers and dates where a recipient has no locale

# Left out of a letter without: older workers do not know them.
_LATER = frozenset({"enclosures", "addressee", "cc", "promotional"})

Archive = Literal["none", "metadata", "full"]
Policy = Literal["hold", "resend", "reconcile"]
Role = Literal["to", "cc", "bcc"]


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A file that came with the call: what is said of it. Its bytes are kept beside the letter, in the same order.

    `size`: bytes; `content_id`: of an image, under which the HTML shows it.
    """

    filename: str
    content_type: str
    size: int
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Whom a header names."""

    address: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """What all messages of a submission share. Own words are `subject`, `html` and `text`; else it has a template.

    `addressee`: of a mail with copies, whom it is to. Whoever gets one reads the same mail, under the same Message-ID.
    `promotional`: nobody waits for it, so whoever has unsubscribed gets none, and everybody can.
    """

    from_email: str
    from_name: str | None = None
    reply_to: str | None = None
    subject: str | None = None
    html: str | None = None
    text: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    enclosures: tuple[Enclosure, ...] = ()
    addressee: Mailbox | None = None
    cc: tuple[Mailbox, ...] = ()
    mail_from: str | None = None  # where bounces go unless the sending domain has a return path: else to `from_email`
    promotional: bool = False

    @property
    def purpose(self) -> Literal["promotional", "transactional"]:
        """Return what it is for."""
        return "promotional" if self.promotional else "transactional"

    @property
    def from_address(self) -> str:
        """Return who writes."""
        return self.from_email

    def own_words(self) -> Content:
        """Return its own words as content of one locale."""
        words = Variant(
            LOCALE,
            Format.TEXT if self.html is None else Format.HTML,
            (self.text if self.html is None else self.html) or "",
            self.subject,
            text=None if self.html is None else self.text,
        )
        return Draft((words,), attachments=self.attachments).content("email", LOCALE, {})

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        files = [
            {"media_id": str(file.media_id), "filename": file.filename, "inline": file.inline}
            for file in self.attachments
        ]
        kept = asdict(self) | {"attachments": files}
        return {name: value for name, value in kept.items() if value or name not in _LATER}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        files = tuple(
            Attachment(UUID(file["media_id"]), file["filename"], file["inline"]) for file in given["attachments"]
        )
        enclosures = tuple(Enclosure(**file) for file in given.get("enclosures", ()))
        addressee = Mailbox(**given["addressee"]) if given.get("addressee") else None
        cc = tuple(Mailbox(**one) for one in given.get("cc", ()))
        read = {"attachments": files, "enclosures": enclosures, "addressee": addressee, "cc": cc}
        return cls(**{**given, **read})


@dataclass(frozen=True, slots=True)
class TextTerms:
    """What all texts of a submission share; what each says stands in its row (`TextWords`).

    `dlt`: the ids of the template that it goes out under in India (`dlt.Facts`), without the values.
    """

    sender: str | None = None
    promotional: bool = False
    dlt: Mapping[str, str] | None = None

    @property
    def from_address(self) -> str | None:
        """Return who writes; None: whom the provider says."""
        return self.sender

    def as_json(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Self:
        """Read what `as_json` wrote."""
        return cls(**given)


class TextWords(NamedTuple):
    """What one text says, finished when it was taken; kept as the row's values until it is out.

    `values`: what stands for the variables of its DLT template.
    """

    text: str
    values: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom one message is for. `length`: of a text, which is made when it is taken; `role`: of a mail with copies."""

    address: str
    name: str | None = None
    locale: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    length: SmsLength | None = None
    role: Role = "to"


@dataclass(frozen=True, slots=True)
class Submission:
    """One call: a letter to some recipients. `raw`: the finished mail that an SMTP client handed over.

    `files`: the bytes of the letter's enclosures.
    `waits`: why it is not sent before `scheduled_at`, where nobody asked for that.
    """

    letter: Letter | TextTerms
    recipients: Sequence[Recipient]
    template_id: UUID | None = None
    template_version: int | None = None
    tags: tuple[str, ...] = ()
    scheduled_at: datetime | None = None
    priority: int = 8
    uncertain_policy: Policy = "resend"
    archive: Archive = "full"
    raw: bytes | None = None
    files: tuple[bytes, ...] = ()
    expires_at: datetime | None = None
    waits: str | None = None

    @property
    def channel(self) -> Channel:
        """Return by what it goes."""
        return Channel.EMAIL if isinstance(self.letter, Letter) else Channel.SMS


@dataclass(frozen=True, slots=True)
class StoredSubmission:
    """A submission as its messages are made of it."""

    submission_id: UUID
    channel: Channel
    template_id: UUID | None
    template_version: int | None
    archive: Archive
    letter: Letter | TextTerms
    raw_bytes: int | None  # how large the finished mail is, if it came as one
    raw: bytes | None = None  # which is read when its turn comes: it may be large
    files: tuple[bytes, ...] | None = None  # of its enclosures, likewise

    @property
    def enclosures(self) -> tuple[Enclosure, ...]:
        """Return what is said of the files that came with the call."""
        return self.letter.enclosures if isinstance(self.letter, Letter) else ()

    @property
    def forgets(self) -> bool:
        """Tell whether what a row holds of its person goes with the commit that says SENT.

        A text's words do in any case: what the archive keeps of them is kept elsewhere, and not as long.
        """
        return self.archive != "full" or self.channel == "sms"


def message_id_of(submission_id: UUID, number: int) -> UUID:
    """Return the id of a submission's message, counted from 1: it follows the submission's, so that a repetition makes
    the same. All copies of a mail have the Message-ID of the first.
    """
    return UUID(int=submission_id.int + number)
