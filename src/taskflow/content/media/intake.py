"""Takes files in: limits, and what a file is by its bytes."""

from uuid import UUID

from taskflow.base.errors import PayloadTooLargeError
from taskflow.content.media.library import Media, MediaLibrary
from taskflow.content.media.sniffing import sniff
from taskflow.settings import MediaSettings


async def take_in(
    library: MediaLibrary,
    settings: MediaSettings,
    filename: str,
    data: bytes,
    *,
    created_by: UUID | None = None,
    media_id: UUID | None = None,
) -> Media:
    """Keep a file.

    Raises:
        PayloadTooLargeError, UnsupportedMediaError, ImageTooLargeError: it is not kept.
        MediaStorageError: the storage does not take it.
    """
    if len(data) > settings.max_bytes:
        raise PayloadTooLargeError(f"A file may have {settings.max_bytes:,} bytes.", limit_bytes=settings.max_bytes)
    kind = sniff(data, settings.max_pixels)
    return await library.keep(filename, data, kind, created_by=created_by, media_id=media_id)
