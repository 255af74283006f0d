"""A file is what its bytes say: class tests over what people try to upload."""

import io
import struct
import zipfile
import zlib

import pytest
from PIL import Image

from taskflow.base.errors import TaskFlowError
from taskflow.content.media.library import Kind
from taskflow.content.media.sniffing import sniff

PIXELS = 40_000_000


def picture(form: str, size: tuple[int, int] = (3, 2)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, form)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header claims so many pixels, with next to no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0" * 10)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def archive(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in members.items():
            made.writestr(name.replace("__", "/"), data)
    return file.getvalue()


def office(types: str = "", **members: bytes) -> bytes:
    """A document as Word writes it, with further types and members."""
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    main = f'<Types><Override PartName="/word/document.xml" ContentType="{kind}"/>{types}</Types>'
    return archive(
        **{"[Content_Types].xml": main.encode(), "_rels__.rels": b"<r/>", "word__document.xml": b"<w/>"}, **members
    )


VBA = '<Override PartName="/word/x.bin" ContentType="application/vnd.ms-office.vbaProject"/>'
ENABLED = '<Override PartName="/word/d.xml" ContentType="application/vnd.ms-word.document.macroEnabled.main+xml"/>'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (picture("PNG"), Kind("image/png", 3, 2)),
        (picture("JPEG"), Kind("image/jpeg", 3, 2)),
        (picture("GIF"), Kind("image/gif", 3, 2)),
        (picture("WEBP"), Kind("image/webp", 3, 2)),
        (b"%PDF-1.7\n1 0 obj", Kind("application/pdf")),
        ("Grüße, a plain text\nwith < and >".encode(), Kind("text/plain")),
        (b"a;b\r\n1;2\r\n", Kind("text/plain")),
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", Kind("text/calendar")),
        (office(), Kind("application/vnd.openxmlformats-officedocument.wordprocessingml.document")),
    ],
    ids=lambda value: value.content_type if isinstance(value, Kind) else "",
)
def test_what_is_kept_is_known_by_its_bytes(data: bytes, expected: Kind) -> None:
    assert sniff(data, PIXELS) == expected


@pytest.mark.parametrize(
    "data",
    [
        b"", b"   \n", b"\x00" * 100, b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + b"x" * 100,
        b"\xff\xd8\xff", b"GIF89a", b"RIFF\x00\x00\x00\x00WEBP", b"MZ\x90\x00" + b"\0" * 50, b"\x7fELF" + b"\0" * 50,
        b"#!/bin/sh\nrm -rf /",
        b"<!DOCTYPE html><script>alert(1)</script>", b"\xef\xbb\xbf \n<html>", b"<svg xmlns='x' onload='alert(1)'/>",
        b"<?xml version='1.0'?><svg/>", b"text first <SVG onload=alert(1)>", b"<?php system('id');",
        b"<!-- x --><script>",
        archive(a=b"x"), office(VBA, **{"word__x.bin": b"x"}), office(ENABLED), office(**{"setup.exe": b"MZ"}),
        office(**{"xl__workbook.xml": b"x"}),
        archive(**{"[Content_Types].xml": b"<Types/>", "word__document.xml": b"<w/>"}),
        archive(a=b"[Content_Types].xml word/"), office()[:-40], office() + b"x" * 70_000, b"PK\x03\x04",
        b"PK\x05\x06" + b"\0" * 18,
        b"\x1f\x8b\x08\x00", b"BM" + b"\0" * 60, b"II*\x00" + b"\0" * 60, b"\x00\x00\x01\x00" + b"\0" * 60,
        b"8BPS" + b"\0" * 60, b"%!PS-Adobe-3.0 EPSF\x00", b"ID3\x03\x00", b"\x00\x00\x00\x18ftypmp42",
    ],
)  # fmt: skip
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(TaskFlowError) as raised:
        sniff(data, PIXELS)
    assert raised.value.code == "unsupported_media"


@pytest.mark.parametrize("size", [(60_000, 60_000), (20_000, 20), (1, 16_385), (10_000, 10_000), (2**31 - 1, 2)])
def test_a_small_file_that_claims_many_pixels_is_refused_unread(size: tuple[int, int]) -> None:
    with pytest.raises(TaskFlowError) as raised:
        sniff(png_of(*size), PIXELS)
    assert raised.value.code in ("image_too_large", "unsupported_media")
