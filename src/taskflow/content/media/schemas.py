"""What crosses HTTP about media."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from taskflow.content.media.library import Media


class MediaOut(BaseModel):
    """A file of the library."""

    media_id: UUID
    filename: str
    content_type: str = Field(description="As its bytes say.")
    size: int = Field(description="Bytes.")
    sha256: str
    width: int | None
    height: int | None
    storage: str
    url: str = Field(description="Where mails and browsers find it; anybody with the address may.")
    created_at: datetime
    created_by: UUID | None

    @classmethod
    def of(cls, media: Media, url: str) -> Self:
        """Return a file as JSON."""
        values = {name: getattr(media, name) for name in Media.__slots__}
        return cls(**(values | {"sha256": media.sha256.hex()}), url=url)
