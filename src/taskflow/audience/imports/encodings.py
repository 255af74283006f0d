"""Which encoding a file is in, decided on the whole file before its first row is read.

A byte order mark decides. Without one a file is UTF-8 when all of it decodes; when a few bytes in a file that is
clearly UTF-8 do not, it still is, and only the rows that hold them are rejected. Else it is a legacy encoding,
guessed from the lines with accents, wherever they are: Windows-1252 where accents stand alone among Latin letters,
what charset-normalizer says where they do not.
"""

import codecs
import re
from dataclasses import dataclass
from typing import BinaryIO

import charset_normalizer

from taskflow.audience.imports.errors import EmptyFileError, UnreadableFileError

_CHUNK = 1024 * 1024
_SAMPLE = 64 * 1024
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORMATS = (
    (b"PK\x03\x04", "a spreadsheet or an archive (.xlsx, .ods, .zip)"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet (.xls)"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "compressed (.gz)"),
)
_HARMLESS = bytes(byte for byte in range(256) if (byte >= 32 and byte != 127) or byte in b"\t\n\r")
_C1 = re.compile(rb"\xc2[\x80-\x9f]")
_ESCAPED = re.compile("[\udc80-\udcff]")
_LONE_ACCENT = re.compile("(?<![^\x00-\x7f])[À-ÖØ-öø-ÿŒœŠšŽžŸ€\u2018\u2019“”\u2013—\xb4°§«»¡¿ªº](?![^\x00-\x7f])")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_LEGACY = ["cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r", "iso8859_15"]
_LEGACY += ["shift_jis", "euc_jp", "gb18030", "big5", "euc_kr", "iso8859_2", "iso8859_5", "iso8859_7", "iso8859_9"]
_TOLERATED = 20


@dataclass(frozen=True, slots=True)
class Encoding:
    """How to decode a file. `suspicious`: it holds control characters or broken bytes, so every field needs a look."""

    codec: str
    suspicious: bool

    @property
    def name(self) -> str:
        """The name for people."""
        return "utf-8" if self.codec == "utf-8-sig" else self.codec

    @property
    def errors(self) -> str:
        """What to do with bytes that do not decode: keep them recognisable."""
        return "surrogateescape" if self.codec.startswith("utf-8") else "replace"


def detect(file: BinaryIO) -> Encoding:
    """Read all of `file` (about a gigabyte a second) and return its encoding.

    Raises:
        EmptyFileError: there is nothing in it.
        UnreadableFileError: it is not text.
    """
    file.seek(0)
    head = file.read(_CHUNK)
    if not head.strip(b"\x00\t\r\n \xef\xbb\xbf\xff\xfe"):
        raise EmptyFileError("The file is empty: it needs a header such as email,name and a row per recipient.")
    for magic, what in _FORMATS:
        if head.startswith(magic):
            raise UnreadableFileError(f"The file is {what}, not CSV. Save or export it as CSV first.")
    for mark, marked in _MARKS:
        if head.startswith(mark):
            return _marked(file, marked)
    if wide := _wide(head):
        return _marked(file, wide)
    if len(head.translate(None, _HARMLESS)) > len(head) // 20:
        raise UnreadableFileError("The file is not text.")
    return _unmarked(file)


def _wide(head: bytes) -> str | None:
    """Recognise UTF-16 without a mark: every other byte of plain text is zero."""
    even, odd = head[:4096:2].count(0), head[1:4096:2].count(0)
    least = min(len(head), 4096) // 2 * 0.6
    if odd >= max(least, 2) and even < odd / 4:
        return "utf-16-le"
    if even >= max(least, 2) and odd < even / 4:
        return "utf-16-be"
    return None


def _marked(file: BinaryIO, codec: str) -> Encoding:
    """Check that a file is what its mark says."""
    if codec == "utf-8-sig":
        return Encoding(codec, _scan(file).suspicious)
    decoder = codecs.getincrementaldecoder(codec)()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            _check_lines(chunk)
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError as error:
        raise UnreadableFileError(f"The file starts like {codec.upper()} but is not: {error}.") from error
    return Encoding(codec, suspicious=True)


def _unmarked(file: BinaryIO) -> Encoding:
    scan = _scan(file)
    if scan.broken and scan.multibyte < scan.broken * _TOLERATED:
        return Encoding(_legacy(scan.sample), scan.suspicious)
    return Encoding("utf-8", scan.suspicious)


@dataclass(slots=True)
class _Scan:
    """What UTF-8 sees in a file: bytes of multi-byte characters, broken bytes, lines that hold accents."""

    multibyte: int = 0
    broken: int = 0
    suspicious: bool = False
    sample: bytes = b""


def _scan(file: BinaryIO) -> _Scan:
    found = _Scan()
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    last = b""
    file.seek(0)
    while chunk := file.read(_CHUNK):
        _check_lines(chunk)
        if chunk.isascii() and not decoder.getstate()[0]:
            found.suspicious = found.suspicious or bool(chunk.translate(None, _HARMLESS))
            last = b""
            continue
        _scan_text(found, chunk, decoder.decode(chunk))
        found.suspicious = bool(found.suspicious or chunk.translate(None, _HARMLESS) or _C1.search(last + chunk))
        last = chunk[-1:]
    _scan_text(found, b"", decoder.decode(b"", final=True))
    return found


def _check_lines(chunk: bytes) -> None:
    """Refuse a file that would have to be held in memory as one line."""
    if len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
        raise UnreadableFileError("A line of the file is longer than a megabyte.")


def _scan_text(found: _Scan, chunk: bytes, text: str) -> None:
    found.multibyte += max(len(chunk) - len(text), 0)
    if len(found.sample) < _SAMPLE:
        accented = (line for line in chunk.splitlines() if not line.isascii())
        found.sample = b"\n".join((found.sample, *accented))[:_SAMPLE]
    try:
        text.encode()
    except UnicodeEncodeError:
        found.broken += len(_ESCAPED.findall(text))
        found.suspicious = True


def _legacy(sample: bytes) -> str:
    try:
        western = sample.decode("cp1252")
    except UnicodeDecodeError:
        western = sample.decode("latin-1")
        codec = "latin-1"
    else:
        codec = "cp1252"
    if len(_LONE_ACCENT.findall(western)) >= 0.8 * len(_NOT_ASCII.findall(western)):
        return codec
    best = charset_normalizer.from_bytes(sample, cp_isolation=_LEGACY).best()
    return best.encoding if best is not None else codec
