"""ZIP archives: one CSV file comes out; bombs, paths, links and locked ones do not (attack classes 18 and 23)."""

import contextlib
import io
import stat
import struct
import tracemalloc
import zipfile

import pytest

from taskflow.audience.imports.jobs.archive import is_zip, unpack
from taskflow.audience.imports.jobs.errors import ArchiveError, ArchiveTooLargeError

CSV = b"email,name\nada@example.com,Ada\n"
MB = 1024 * 1024


def packed(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    """Return an archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file


def of_kind(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = mode << 16
    return member


def patched(archive: io.BytesIO, offset: int, value: bytes, *, magic: bytes = b"PK\x01\x02") -> io.BytesIO:
    """Change bytes of the last record that begins with `magic`."""
    raw = bytearray(archive.getvalue())
    at = raw.rfind(magic) + offset
    raw[at : at + len(value)] = value
    return io.BytesIO(bytes(raw))


def refused(archive: io.BytesIO, *, max_bytes: int = 100 * MB) -> str:
    with pytest.raises(ArchiveError) as error:
        unpack(archive, io.BytesIO(), max_bytes)
    return str(error.value)


@pytest.mark.parametrize(
    "members",
    [
        [("people.csv", CSV)],
        [("export/2026/people.CSV", CSV), ("readme.md", b"x")],
        [("people.csv", CSV), ("__MACOSX/._people.csv", b"junk"), (".DS_Store", b"junk")],
        [("export/", b""), ("export/people.txt", CSV)],
        [("people", CSV)],
    ],
)
def test_the_one_csv_file_comes_out(members: list[tuple[str, bytes]]) -> None:
    target = io.BytesIO()
    name = unpack(packed(*members), target, 100 * MB)
    assert target.getvalue() == CSV
    assert name.lower().startswith("people")


def test_a_file_that_is_stored_comes_out() -> None:
    target = io.BytesIO()
    unpack(packed(("people.csv", CSV), method=zipfile.ZIP_STORED), target, MB)
    assert target.getvalue() == CSV


@pytest.mark.parametrize("content", [b"", b"PK", CSV, b"\x1f\x8b"])
def test_other_files_are_no_archives(content: bytes) -> None:
    assert not is_zip(io.BytesIO(content))
    assert is_zip(packed(("a.csv", CSV)))
    assert is_zip(packed())


@pytest.mark.parametrize(
    "name",
    [
        "../people.csv", "a/../../people.csv", "/etc/people.csv", "\\\\host\\share\\people.csv", "..\\people.csv",
        "C:\\people.csv", "C:people.csv", "a\\..\\b.csv", "/", "..",
    ],
)  # fmt: skip
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    assert "outside itself" in refused(packed(("people.csv", CSV), (name, b"x")))


def test_a_name_with_a_nul_is_refused() -> None:
    archive = packed(("peopleXcsv", CSV))
    raw = archive.getvalue().replace(b"peopleXcsv", b"people\x00csv")
    assert "outside itself" in refused(io.BytesIO(raw))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK])
def test_links_and_devices_are_refused(kind: int) -> None:
    assert "link or a device" in refused(packed((of_kind("people.csv", kind | 0o777), b"/etc/passwd")))
    assert "link or a device" in refused(packed(("a.csv", CSV), (of_kind("b", kind | 0o777), b"/etc/passwd")))


def test_a_locked_archive_is_refused() -> None:
    assert "encrypted" in refused(patched(packed(("people.csv", CSV)), 8, b"\x01\x00"))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(method: int) -> None:
    assert "not supported" in refused(packed(("people.csv", CSV), method=method))


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([], "empty"),
        ([("only/", b"")], "empty"),
        ([("a.csv", CSV), ("b.csv", CSV)], "holds 2 files ('a.csv', 'b.csv')"),
        ([("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")], "spreadsheet (.xlsx)"),
    ],
)
def test_an_archive_without_one_csv_file_is_refused(members: list[tuple[str, bytes]], sentence: str) -> None:
    assert sentence in refused(packed(*members))


def test_a_bomb_is_stopped_while_it_unpacks() -> None:
    bomb = packed(("people.csv", b"a" * (60 * MB)))
    assert len(bomb.getvalue()) < 100_000
    tracemalloc.start()
    target = io.BytesIO()
    with pytest.raises(ArchiveTooLargeError, match="200 times its size"):
        unpack(bomb, target, 1024 * MB)
    assert tracemalloc.get_traced_memory()[1] < 40 * MB  # what came out before, and little besides
    tracemalloc.stop()
    assert len(target.getvalue()) <= 16 * MB


def test_a_bomb_that_lies_about_its_size_is_stopped() -> None:
    bomb = packed(("people.csv", b"a" * (60 * MB)))
    for where, value in ((20, 0xFFFFFFF0), (24, 10)):  # compressed, uncompressed
        liar = patched(bomb, where, struct.pack("<L", value))
        refused(liar, max_bytes=1024 * MB)


def test_a_file_that_is_too_large_is_refused() -> None:
    noise = bytes(range(256)) * 8_000
    with pytest.raises(ArchiveTooLargeError, match="more than 1,048,576 bytes"):
        unpack(packed(("people.csv", noise)), io.BytesIO(), MB)


def test_a_directory_of_very_many_members_is_not_even_read() -> None:
    archive = packed(*((f"{number}.txt", b"") for number in range(1_001)))
    assert "more than 1,000 members" in refused(archive)
    few = patched(archive, 8, struct.pack("<2H", 1, 1), magic=b"PK\x05\x06")  # it says that it has one
    assert "holds 1001 files" in refused(few) or "damaged" in refused(few)
    large = patched(packed(("a.csv", CSV)), 12, struct.pack("<L", 2 * MB), magic=b"PK\x05\x06")
    assert "more than 1,000 members" in refused(large)


def test_zip64_is_refused() -> None:
    raw = packed(("a.csv", CSV)).getvalue()
    end = raw.rfind(b"PK\x05\x06")
    locator = b"PK\x06\x07" + struct.pack("<LQL", 0, 0, 1)
    assert "ZIP64" in refused(io.BytesIO(raw[:end] + locator + raw[end:]))


def test_a_damaged_archive_is_refused() -> None:
    raw = packed(("people.csv", CSV * 50)).getvalue()
    assert "damaged" in refused(io.BytesIO(raw[:-30]))
    assert "damaged" in refused(io.BytesIO(raw[:40] + b"\xff" * 20 + raw[60:]))
    assert "damaged" in refused(patched(packed(("people.csv", CSV)), 16, b"\x00\x00\x00\x00"))  # another checksum


@pytest.mark.parametrize("cut", range(4, 120, 7))
def test_no_damage_is_more_than_an_error(cut: int) -> None:
    raw = bytearray(packed(("people.csv", CSV)).getvalue())
    for place in range(cut, len(raw), 41):
        raw[place] ^= 0x5A
    with contextlib.suppress(ArchiveError):
        unpack(io.BytesIO(bytes(raw)), io.BytesIO(), MB)
