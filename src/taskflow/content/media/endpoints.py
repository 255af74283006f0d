"""Routes of media, and the public address under which mails show them."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException

from taskflow.base.errors import InvalidInputError
from taskflow.base.filenames import last_part
from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.content.media.intake import take_in
from taskflow.content.media.library import MediaLibrary
from taskflow.content.media.schemas import MediaOut
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    public,
    require,
    service,
)
from taskflow.identity.models import Role
from taskflow.settings import Settings

_MARKETER = require(Role.MARKETER)
_FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            }
        },
    }
}
# What a stranger uploaded must stay a picture, whatever a browser thinks that it found in it.
_SERVED = {
    "Content-Security-Policy": "default-src 'none'; style-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=31536000, immutable",
}

Library = Annotated[MediaLibrary, service(MediaLibrary)]
router = APIRouter(prefix="/media", tags=["media"], dependencies=[require(Role.VIEWER)])
root_router = APIRouter(tags=["media"])


class NoMediaFileError(InvalidInputError):
    """The form has no file called file."""

    code = "no_file"


@router.post("", status_code=201, dependencies=[_MARKETER, audited("media.create")], openapi_extra=_FORM)
async def upload_media(
    request: Request,
    library: Library,
    settings: Annotated[Settings, service(Settings)],
    caller: Caller,
    reserved: ReservedId,
    trail: Trail,
) -> MediaOut:
    """Upload a file as the form's part `file`; what it is, its bytes say."""
    try:
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise NoMediaFileError("Send the file as the part `file`.")
            data = await file.read(settings.media.max_bytes + 1)
            name = last_part(file.filename) or "file"
    except MultiPartException as error:
        raise NoMediaFileError(error.message) from error
    media = await take_in(library, settings.media, name, data, created_by=caller.user_id, media_id=reserved)
    trail.target(media.media_id, filename=media.filename, content_type=media.content_type)
    return MediaOut.of(media, library.url(media))


@router.get("")
async def list_media(
    library: Library,
    search: str | None = None,
    content_type: str | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[MediaOut]:
    """List files, newest first; `content_type=image/` lists the images."""
    before = decode_cursor(cursor, UUID)[0] if cursor else None
    found = await library.page(search, content_type, before, limit + 1)
    more = encode_cursor(str(found[limit - 1].media_id)) if len(found) > limit else None
    return Page(items=[MediaOut.of(media, library.url(media)) for media in found[:limit]], next_cursor=more)


@router.get("/{media_id}")
async def get_media(media_id: UUID, library: Library) -> MediaOut:
    """Get what is known of a file, and its address."""
    media = await library.get(media_id)
    return MediaOut.of(media, library.url(media))


@router.delete("/{media_id}", status_code=204, dependencies=[_MARKETER, audited("media.delete", target="media_id")])
async def delete_media(media_id: UUID, library: Library, trail: Trail) -> Response:
    """Delete a file; mails that show it by its address show a gap from now on."""
    trail.target(media_id, filename=await library.delete(media_id))
    return Response(status_code=204)


@root_router.get("/media/{token}", dependencies=[public()], response_class=Response)
async def serve_media(token: str, library: Library) -> Response:
    """Serve a file to whoever has its address: images are shown, everything else is downloaded."""
    media = await library.get(library.id_of(token))
    data = await library.read(media)
    kind = "inline" if media.is_image else "attachment"
    headers = _SERVED | {"Content-Disposition": kind, "ETag": f'"{media.sha256.hex()}"'}
    return Response(data, media_type=media.content_type, headers=headers)
