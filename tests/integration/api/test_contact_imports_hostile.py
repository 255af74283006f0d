"""Uploads of people who mean no good: paths and posing types (18), formulas (22), bombs and parsers (23)."""

import csv
import io
import stat
import zipfile
from collections.abc import AsyncIterator

import httpx
import pytest

from support.api import Api
from support.imports import contacts, imported, upload
from taskflow.db.pool import Database
from taskflow.identity.models import Role
from taskflow.settings import Settings

MB = 1024 * 1024
CSV = b"email,name\nada@example.com,Ada\n"
FORMULAS = (
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0", " =1", "\u200b=1", '"=1', "x;=1+1", "\uff1d1",
    '=HYPERLINK("http://evil.example","x")', "'=1", "''=1", "%0A=1", "x\n=1",
)  # fmt: skip


@pytest.fixture
async def marketer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


def zipped(name: str | zipfile.ZipInfo, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


def link() -> bytes:
    member = zipfile.ZipInfo("people.csv")
    member.create_system = 3
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    return zipped(member, b"/etc/passwd")


async def test_an_archive_is_imported(marketer: httpx.AsyncClient, database: Database, settings: Settings) -> None:
    report = await imported(marketer, database, settings, zipped("exports/people.csv", CSV), filename="people.zip")
    assert (report["status"], report["created"], report["filename"], report["size"]) == (
        "COMPLETED", 1, "people.csv", len(CSV),
    )  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "..\\..\\boot.ini",
        "/etc/cron.d/x.csv",
        "C:\\x.csv",
        "a\x1b[31m.csv",
        "\u202evsc.csv",
        "x" * 300,
    ],
)
@pytest.mark.parametrize("packed", [False, True])
async def test_a_file_name_is_only_shown(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, name: str, packed: bool
) -> None:
    if packed:
        answer = await upload(marketer, zipped(name, CSV), "people.zip")
        if answer.status_code == 422:
            assert answer.json()["code"] == "zip_refused"
            return
    else:
        answer = await upload(marketer, CSV, name)
    assert answer.status_code == 201, answer.text
    shown = answer.json()["filename"]
    assert shown.isprintable()
    assert not set("/\\") & set(shown.replace("\\x1b", "").replace("\\u202e", ""))
    assert len(shown) <= 255


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (link(), "zip_refused"),
        (zipped("../people.csv", CSV), "zip_refused"),
        (zipped("people.csv", zipped("people.csv", CSV)), "csv_unreadable"),
        (zipped("people.csv", b"\x1f\x8b" + b"x" * 100), "csv_unreadable"),
        (zipped("[Content_Types].xml", b"<x/>"), "zip_refused"),
        (b"PK\x03\x04" + b"\x00" * 100, "zip_refused"),
        (b"\x1f\x8b\x08" + b"\x00" * 100, "csv_unreadable"),
        (b"\x00\x01\x02\x03" * 1_000, "csv_unreadable"),
        (b"%PDF-1.7\n", "csv_unreadable"),
        (b"", "csv_empty"),
        (b"\n\n\n", "csv_empty"),
        (b"email\n", "csv_no_rows"),
        (b"ada@example.com,Ada\nbob@example.com,Bob\n", "csv_no_header"),
        (b"email," + b"x," * 5_000 + b"\na@example.com\n", "csv_too_many_columns"),
        (b"x" * (2 * MB), "csv_unreadable"),
    ],
)
@pytest.mark.parametrize("path", ["", "/inspect"])
async def test_a_file_that_is_none_is_refused(
    marketer: httpx.AsyncClient, database: Database, content: bytes, code: str, path: str
) -> None:
    answer = await upload(marketer, content, path=path)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert await database.pool.fetchval("SELECT count(*) FROM contact_imports") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM import_chunks") == 0


@pytest.mark.parametrize("path", ["", "/inspect"])
async def test_a_bomb_is_refused(marketer: httpx.AsyncClient, path: str) -> None:
    bomb = zipped("people.csv", b"email\n" + b"a" * (40 * MB))
    assert len(bomb) < 100_000
    answer = await upload(marketer, bomb, path=path)
    assert (answer.status_code, answer.json()["code"]) == (413, "zip_too_large")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"file": "email"}'),
        ("multipart/form-data", CSV),
        ("multipart/form-data; boundary=b", b'{"file": {"filepath": "/etc/passwd"}}'),
        (
            "multipart/form-data; boundary=b",
            b"--b\r\nContent-Disposition: form-data; name=file\r\n\r\n/etc/passwd\r\n--b--",
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"X: y\r\n" * 10_000),
        ("multipart/form-data; boundary=" + "b" * 100_000, b""),
    ],
)
async def test_a_body_that_poses_as_an_upload_is_refused(
    marketer: httpx.AsyncClient, database: Database, kind: str, body: bytes
) -> None:
    answer = await marketer.post("/api/v1/contacts/imports", content=body, headers={"Content-Type": kind})
    assert answer.status_code in (400, 415, 422), answer.text
    assert await database.pool.fetchval("SELECT count(*) FROM contact_imports") == 0


async def test_a_form_of_very_many_or_very_long_fields_is_refused(marketer: httpx.AsyncClient) -> None:
    file = {"file": ("a.csv", CSV)}
    many = await marketer.post("/api/v1/contacts/imports", data={f"f{n}": "x" for n in range(100)}, files=file)
    long = await marketer.post("/api/v1/contacts/imports", data={"mapping": "x" * MB}, files=file)
    wide = await upload(marketer, CSV, mapping={f"c{n}": "x" for n in range(2_000)})
    deep = await upload(marketer, CSV, mapping="[" * 100_000)
    assert [answer.status_code for answer in (many, long, wide, deep)] == [400, 400, 422, 400]


@pytest.mark.parametrize(
    "cell",
    [
        "a" * 30_000 + "@example.com", "a@" + "a." * 10_000 + "com", "@" * 30_000, '"' + "\u00e9" * 999 + '"@x.example',
        "+" + "1" * 30_000, "0" * 30_000, "1-" * 15_000, "(" * 30_000, "+49 " * 5_000, "\u0661" * 30,
    ],
)  # fmt: skip
async def test_no_cell_holds_an_import_up(
    marketer: httpx.AsyncClient, database: Database, settings: Settings, cell: str
) -> None:
    written = cell.replace('"', '""')
    file = "email,phone,locale,time_zone,tags\n" + "".join(
        f"{','.join([chr(34) + written + chr(34) if place == at else '' for place in range(5)])}\n" for at in range(5)
    )
    report = await imported(marketer, database, settings, file + "ok@example.com,,,,\n", default_region="DE")
    assert (report["status"], report["created"], report["rejected"]) == ("COMPLETED", 1, 5)


async def test_formulas_are_stored_as_they_are_and_leave_as_text(
    marketer: httpx.AsyncClient, database: Database, settings: Settings
) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["email", "=note", "phone"])
    for number, formula in enumerate(FORMULAS):
        writer.writerow([f"p{number:02}@example.com", formula, "not a phone"])
    report = await imported(marketer, database, settings, text.getvalue())
    assert report["rejected"] == len(FORMULAS)
    answer = await marketer.get(f"/api/v1/contacts/imports/{report['import_id']}/rejected.csv")
    assert answer.headers["content-disposition"].startswith("attachment")
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert len(rows) == len(FORMULAS)
    for row in [header, *rows]:
        for cell in row:
            assert cell.strip(' \u200b"')[:1] not in tuple("=+-@\t\uff1d") or not cell.strip()
    mended = io.StringIO()
    csv.writer(mended).writerows([header, *([*row[:5], "+49 171 12345" + row[0].zfill(2), ""] for row in rows)])
    again = await imported(marketer, database, settings, mended.getvalue())
    assert (again["created"], again["rejected"]) == (len(FORMULAS), 0)
    assert tuple(contact["attributes"]["note"] for contact in await contacts(database)) == FORMULAS
