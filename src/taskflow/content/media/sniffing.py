"""What a file is, by its bytes. Names and declared types are never asked: whoever uploads chooses those.

What is not on this list is not kept. SVG and HTML are not: they are programs. Of images only the header is read, never
the pixels, so that a small file cannot unpack to a large picture here; what a mail program would unpack is limited.
"""

import io
import re
import warnings
import zipfile
import zlib

from PIL import Image, UnidentifiedImageError

from taskflow.base.errors import InvalidInputError
from taskflow.content.media.library import Kind

_IMAGES = {"PNG": "image/png", "JPEG": "image/jpeg", "GIF": "image/gif", "WEBP": "image/webp"}
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
}
_LONGEST_SIDE = 16_384
_OFFICE = {
    "word": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xl": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "ppt": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_OFFICE_FOLDERS = frozenset({"_rels", "_xmlsignatures", "docProps", "customXml", "docMetadata"})
_TYPES = "[Content_Types].xml"
_TYPES_BYTES = 256 * 1024
_MOST_MEMBERS = 10_000
_MACROS = re.compile(rb"macro|vba", re.IGNORECASE)
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f]")
_NO_ARCHIVES = "Archives, and documents with macros, are not kept."
_MARKUP = (b"<!doctype", b"<html", b"<svg", b"<?xml", b"<script", b"<head", b"<body", b"<!--", b"<?php", b"#!")


class UnsupportedMediaError(InvalidInputError):
    """Files of this kind are not kept."""

    code = "unsupported_media"


class ImageTooLargeError(InvalidInputError):
    """The image has too many pixels."""

    code = "image_too_large"


def sniff(data: bytes, max_pixels: int) -> Kind:
    """Return what a file is.

    Raises:
        UnsupportedMediaError: it is empty, broken, or of a kind that is not kept.
        ImageTooLargeError: it is an image with more pixels than `max_pixels`, or with a very long side.
    """
    form = next((name for magic, name in _MAGIC.items() if data.startswith(magic)), None)
    if form is None and data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        form = "WEBP"
    if form is not None:
        return _image(data, form, max_pixels)
    if data.startswith(b"%PDF-"):
        return Kind("application/pdf")
    if data.startswith(b"PK\x03\x04"):
        return Kind(_zip(data))
    if (kind := _text(data)) is not None:
        return Kind(kind)
    raise UnsupportedMediaError(
        "This is no file that is kept: images (PNG, JPEG, GIF, WebP), PDF, Office documents, plain text and calendar"
        " files are."
    )


def _image(data: bytes, form: str, max_pixels: int) -> Kind:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limit: ours is below
            with Image.open(io.BytesIO(data), formats=[form]) as image:
                width, height = image.size
    except Image.DecompressionBombError as error:
        raise ImageTooLargeError(f"The image is too large: {error}") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise UnsupportedMediaError(f"The file begins as {form} and cannot be read as one.") from error
    if width < 1 or height < 1:
        raise UnsupportedMediaError("The image has no pixels.")
    if width * height > max_pixels or max(width, height) > _LONGEST_SIDE:
        raise ImageTooLargeError(
            f"The image has {width:,} by {height:,} pixels; at most {max_pixels:,} and {_LONGEST_SIDE:,} a side."
        )
    return Kind(_IMAGES[form], width, height)


def _zip(data: bytes) -> str:
    """Return the type of an Office document; any other archive is refused. Only the list of its types is unpacked."""
    if data.count(b"PK\x01\x02") > _MOST_MEMBERS:
        raise UnsupportedMediaError(_NO_ARCHIVES)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            info = archive.getinfo(_TYPES)
            types = b""
            if info.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                with archive.open(info) as member:
                    types = member.read(_TYPES_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, ValueError, RuntimeError, EOFError) as error:
        raise UnsupportedMediaError(_NO_ARCHIVES) from error
    folders = {name.partition("/")[0] for name in names} - _OFFICE_FOLDERS - {_TYPES}
    kind = _OFFICE.get(folders.pop()) if len(folders) == 1 else None
    if kind is None or len(types) > _TYPES_BYTES or kind.encode() not in types or _MACROS.search(types):
        raise UnsupportedMediaError(_NO_ARCHIVES)
    return kind


def _text(data: bytes) -> str | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    if not text.strip() or _CONTROLS.search(text):
        return None
    start = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:64].lower()
    if start.startswith(_MARKUP) or b"<svg" in data[:4096].lower():
        raise UnsupportedMediaError("HTML, SVG and scripts are not kept: they are programs.")
    return "text/calendar" if start.startswith(b"begin:vcalendar") else "text/plain"
