"""What messages have around their words: who writes, and the files that go along."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskflow.content.media.library import MediaLibrary
from taskflow.content.templates.models import Attachment
from taskflow.delivery.mime import File


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes."""

    from_email: str
    from_name: str | None = None
    reply_to: str | None = None


async def files_of(media: MediaLibrary, attachments: Sequence[Attachment]) -> list[File]:
    """Return what goes along with each message, with its bytes.

    Raises:
        MediaNotFoundError, MediaMissingError, MediaStorageError, AttachmentLimitError: something is not there.
    """
    found = await media.check_attachments(attachments)
    return [
        File(file.filename, row.content_type, await media.read(row), file.content_id if file.inline else None)
        for file, row in zip(attachments, found, strict=True)
    ]
