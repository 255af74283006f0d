"""Files of a call as they cross HTTP: of the media library, or in the call itself.

A name, a type and a content id end in headers of the mail, so they are held to what can stand there. What a file is
does not matter: it goes to the recipients only, and is never served from here.
"""

import binascii
from collections.abc import Sequence
from mimetypes import MimeTypes
from typing import Annotated, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from taskflow.base.bodies import Body
from taskflow.content.templates.models import Attachment
from taskflow.content.templates.schemas import FileName
from taskflow.delivery.messages.models import Enclosure

_TOKEN = r"[A-Za-z0-9!#$&^_.+-]"  # noqa: S105 - of RFC 6838, section 4.2
_UNKNOWN = "application/octet-stream"
_TYPES = MimeTypes()  # those that Python knows: the machine's own would differ from the next one's


def _decoded(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("a file's content is text in base64")  # noqa: TRY004 - pydantic wants a ValueError
    try:
        content = binascii.a2b_base64(value.replace("\r", "").replace("\n", ""), strict_mode=True)
    except ValueError as error:
        raise ValueError(f"is no base64 (RFC 4648, section 4, with its padding): {error}") from error
    if not content:
        raise ValueError("is empty")
    return content


def _no_container(value: str) -> str:
    if value.lower().startswith(("multipart/", "message/")):
        raise ValueError(f"{value.partition('/')[0]}/… cannot be carried in base64; say {_UNKNOWN}")
    return value


Content = Annotated[
    bytes, BeforeValidator(_decoded), WithJsonSchema({"type": "string", "contentEncoding": "base64", "minLength": 4})
]
MediaType = Annotated[
    str,
    StringConstraints(
        pattern=rf"^{_TOKEN}{{1,64}}/{_TOKEN}{{1,127}}(; ?{_TOKEN}{{1,32}}={_TOKEN}{{1,64}}){{0,4}}$", max_length=400
    ),
    AfterValidator(_no_container),
]
ContentId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._+-]{1,128}(@[A-Za-z0-9.-]{1,128})?$")]


class MessageAttachmentIn(Body):
    """A file that goes along: of the media library (`media_id`), or in the call itself (`content`)."""

    filename: FileName = Field(description="Its name in the mail.")
    media_id: UUID | None = Field(None, description="A file of the media library.")
    inline: StrictBool = Field(False, description="Of the library: an image that the HTML shows as cid:FILENAME.")
    content: Content | None = Field(None, description="The file itself in base64, instead of media_id.")
    content_type: MediaType | None = Field(None, description="Of `content`; what the filename says when left out.")
    content_id: ContentId | None = Field(
        None, description="Of an image in `content` that the HTML shows: <img src='cid:CONTENT_ID'>."
    )

    @model_validator(mode="after")
    def check_source(self) -> Self:
        """Demand one source, and of each only what belongs to it."""
        if (self.media_id is None) == (self.content is None):
            raise ValueError("give media_id or content")
        if self.media_id is not None and (self.content_type is not None or self.content_id is not None):
            raise ValueError("content_type and content_id are of content; the library knows its files")
        if self.content is not None and self.inline:
            raise ValueError("inline is of media_id; what comes as content is shown by its content_id")
        if self.content_id is not None and not self.kind.startswith("image/"):
            raise ValueError(f"content_id is of images; {self.kind} can be attached, not shown in the mail")
        return self

    @property
    def kind(self) -> str:
        """Return the type of `content`."""
        found, packed = _TYPES.guess_type(f"./{self.filename}")  # with a folder, no name is taken for a URL
        return self.content_type or (found if packed is None else None) or _UNKNOWN


def of_library(given: Sequence[MessageAttachmentIn]) -> tuple[Attachment, ...]:
    """Return those of the media library."""
    return tuple(Attachment(one.media_id, one.filename, one.inline) for one in given if one.media_id is not None)


def enclosures(given: Sequence[MessageAttachmentIn]) -> tuple[Enclosure, ...]:
    """Return what is to be said of those that came with the call."""
    return tuple(
        Enclosure(one.filename, one.kind, len(one.content), one.content_id) for one in given if one.content is not None
    )


def files(given: Sequence[MessageAttachmentIn]) -> tuple[bytes, ...]:
    """Return the bytes of the same, in the same order."""
    return tuple(one.content for one in given if one.content is not None)


def check_ids(given: Sequence[MessageAttachmentIn]) -> None:
    """Refuse two images under one content id with a ValueError."""
    seen: set[str] = set()
    for place, one in enumerate(given):
        if one.content_id is not None and one.content_id in seen:
            raise ValueError(f"attachments[{place}].content_id: '{one.content_id}' is there twice")
        seen.add(one.content_id or "")
