"""The CSV file in a ZIP archive.

An archive is somebody else's program for our memory and our disk, so it gets little to say. Its directory is measured
before it is read, because a library would hold all of it. Every member is looked at, one is read: stored or deflated,
not encrypted, under a name that would be harmless even if it were used, which it never is. What comes out is counted
as it comes, whatever the header promises; an archive in an archive is seen when the file is not text.
"""

import stat
import struct
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, BinaryIO, Final

from taskflow.audience.imports.jobs.errors import ArchiveError, ArchiveTooLargeError
from taskflow.base.terminal import printable

MAGIC: Final = b"PK\x03\x04"
_EMPTY_MAGIC: Final = b"PK\x05\x06"

_MAX_MEMBERS: Final = 1_000
_MAX_DIRECTORY_BYTES: Final = 1024 * 1024
_MAX_RATIO: Final = 200
_RATIO_FREE_BYTES: Final = 16 * 1024 * 1024  # so little may be as repetitive as it likes
_CHUNK: Final = 256 * 1024
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000  # classic, strong, hidden directory
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_END: Final = struct.Struct("<4s4H2LH")
_END_MAGIC: Final = b"PK\x05\x06"
_LOCATOR_MAGIC: Final = b"PK\x06\x07"
_LOCATOR_BYTES: Final = 20
_MAX_COMMENT: Final = 65_535
_TEXT_ENDINGS: Final = (".csv", ".tsv", ".txt", ".tab")
_BY_THE_WAY: Final = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


def is_zip(file: BinaryIO) -> bool:
    """Tell whether a file begins like a ZIP archive; it is left at its start."""
    file.seek(0)
    head = file.read(len(MAGIC))
    file.seek(0)
    return head in (MAGIC, _EMPTY_MAGIC)


def unpack(archive: BinaryIO, target: BinaryIO, max_bytes: int) -> str:
    """Write the one CSV file of an archive to `target` and return its name. Blocking.

    Raises:
        ArchiveError: there is not exactly one, or something in the archive has no business there.
        ArchiveTooLargeError: it unpacks to more than `max_bytes`, or to much more than it takes itself.
    """
    size = _measure(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            member = _choose(opened.infolist())
            with opened.open(member) as source:
                _copy(source, target, min(member.compress_size, size), max_bytes)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError, ValueError) as error:
        raise ArchiveError(f"The archive is damaged: {printable(str(error))[:200]}.") from error
    except RuntimeError as error:  # what zipfile says of a password
        raise ArchiveError("The archive is encrypted; send it without a password.") from error
    return _shown(PurePosixPath(member.filename).name)


def _measure(archive: BinaryIO) -> int:
    """Return the size of an archive; refuse a directory that would take much memory to read."""
    size = archive.seek(0, 2)
    tail_bytes = min(size, _END.size + _MAX_COMMENT + _LOCATOR_BYTES)
    archive.seek(size - tail_bytes)
    tail = archive.read(tail_bytes)
    place = tail.rfind(_END_MAGIC)
    if place < 0 or place + _END.size > len(tail):
        raise ArchiveError("The archive is damaged: its directory is missing.")
    if tail[max(place - _LOCATOR_BYTES, 0) : place].startswith(_LOCATOR_MAGIC):
        raise ArchiveError("The archive is a ZIP64 archive, which a file of this size does not need. Pack it anew.")
    _, _, _, _, members, directory_bytes, _, _ = _END.unpack_from(tail, place)
    if members > _MAX_MEMBERS or directory_bytes > _MAX_DIRECTORY_BYTES:
        raise ArchiveTooLargeError(f"The archive has more than {_MAX_MEMBERS:,} members.")
    return size


def _choose(members: list[zipfile.ZipInfo]) -> zipfile.ZipInfo:
    """Return the one member to read, after a look at all of them."""
    if any(member.filename == "[Content_Types].xml" for member in members):
        raise ArchiveError(
            "The file is a spreadsheet (.xlsx), not a ZIP archive of CSV. Save or export it as CSV first."
        )
    for member in members:
        _check(member)
    files = [member for member in members if not member.is_dir() and not _is_by_the_way(member.filename)]
    texts = [member for member in files if member.filename.lower().endswith(_TEXT_ENDINGS)] or files
    if not texts:
        raise ArchiveError("The archive is empty: put one CSV file into it.")
    if len(texts) > 1:
        listed = ", ".join(f"'{_shown(member.filename)}'" for member in texts[:5])
        raise ArchiveError(f"The archive holds {len(texts)} files ({listed}): send one CSV file at a time.")
    [member] = texts
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError("The archive is encrypted; send it without a password.")
    if member.compress_type not in _METHODS:
        raise ArchiveError("The archive is packed in a way that is not supported; pack it with plain deflate.")
    return member


def _check(member: zipfile.ZipInfo) -> None:
    """Refuse members that a careless reader would follow out of its folder."""
    name = member.orig_filename
    mode = member.external_attr >> 16
    parts = name.replace("\\", "/").split("/")
    if "\x00" in name or name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0]:
        raise ArchiveError(f"The archive names a file outside itself: '{_shown(name)}'.")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveError(f"The archive holds a link or a device: '{_shown(name)}'.")


def _copy(source: IO[bytes], target: BinaryIO, packed_bytes: int, max_bytes: int) -> None:
    """Copy what comes out, as long as it is in proportion."""
    ratio_bytes = max(_RATIO_FREE_BYTES, packed_bytes * _MAX_RATIO)
    most = min(max_bytes, ratio_bytes)
    written = 0
    while chunk := source.read(_CHUNK):
        written += len(chunk)
        if written > most:
            raise ArchiveTooLargeError(
                f"The archive unpacks to more than {most:,} bytes"
                + (f", over {_MAX_RATIO} times its size." if ratio_bytes < max_bytes else ".")
            )
        target.write(chunk)


def _is_by_the_way(name: str) -> bool:
    return name.startswith(_BY_THE_WAY[0]) or PurePosixPath(name).name in _BY_THE_WAY


def _shown(name: str) -> str:
    return printable(name)[:100]
