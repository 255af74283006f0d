"""CSV files as people have them."""

import csv
import io
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import Mock

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.growth import grows_linearly
from taskflow.audience.imports import CsvSource, Rejection
from taskflow.audience.imports import rows as csv_rows
from taskflow.audience.imports.errors import (
    BrokenQuotesError,
    EmptyFileError,
    ImportFileError,
    NoEmailColumnError,
    NoHeaderError,
    NoRowsError,
    TooManyColumnsError,
    TooManyRejectedError,
    TooManyRowsError,
    UnreadableFileError,
)
from taskflow.settings import CampaignSettings

LIMITS = CampaignSettings()


class Read:
    """Everything that a file became."""

    def __init__(self, source: CsvSource) -> None:
        self.source = source
        self.rows: list[tuple[int, str, dict[str, Any]]] = []
        self.rejected: list[Rejection] = []

    @property
    def reasons(self) -> list[tuple[int, str]]:
        return [(rejection.row_number, rejection.code.value) for rejection in self.rejected]


async def read(content: bytes | str, limits: CampaignSettings = LIMITS, size: int = 7) -> Read:
    raw = content.encode() if isinstance(content, str) else content
    async with CsvSource.open(io.BytesIO(raw), limits) as source:
        result = Read(source)
        async for batch in source.batches(size):
            result.rows += [(number, email, orjson.loads(fields)) for number, email, fields in batch.rows]
            result.rejected += batch.rejected
    return result


async def test_an_ordinary_file() -> None:
    result = await read("E-Mail,First Name,City\r\nada@Example.com,Ada,London\r\nz@example.com,Zoë,\r\n")
    assert result.rows == [
        (2, "ada@example.com", {"e_mail": "ada@Example.com", "first_name": "Ada", "city": "London"}),
        (3, "z@example.com", {"e_mail": "z@example.com", "first_name": "Zoë"}),
    ]
    assert result.source.columns == ("e_mail", "first_name", "city")
    assert (result.source.encoding, result.source.delimiter, result.source.email_column) == ("utf-8", ",", "e_mail")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
async def test_delimiters_encodings_and_line_ends_are_found(delimiter: str, encoding: str, line_end: str) -> None:
    lines = [["name", "email", "note"], ["Zoë Müßig", "zoe@example.com", "a,b;c|d"], ["José", "j@example.org", "x"]]
    text = line_end.join(delimiter.join(f'"{cell}"' for cell in line) for line in lines) + line_end
    result = await read(text.encode(encoding))
    assert result.rows == [
        (2, "zoe@example.com", {"name": "Zoë Müßig", "note": "a,b;c|d"}),
        (3, "j@example.org", {"name": "José", "note": "x"}),
    ]
    assert result.source.delimiter == delimiter


@pytest.mark.parametrize(
    "title",
    [
        "email",
        "E-Mail",
        " Email Address ",
        "e_mail",
        "EMAIL",
        "emailAddress",
        "Correo electrónico",
        "Adresse e-mail",
        "Courriel",
        "E-Mail-Adresse",
        "Почта",
        "メールアドレス",
        "电子邮件",
        "البريد الإلكتروني",
    ],
)
async def test_the_address_column_is_known_in_many_languages(title: str) -> None:
    result = await read(f"x,{title}\n1,a@example.com\n")
    assert [email for _, email, _ in result.rows] == ["a@example.com"]


async def test_a_column_of_addresses_is_found_whatever_its_name() -> None:
    result = await read("id;Ansprechpartner\n1;a@example.com\n2;b@example.com\n")
    assert result.source.email_column == "ansprechpartner"
    ambiguous = await read("to,email\nBerlin,a@example.com\n")
    assert ambiguous.source.email_column == "email"


async def test_columns_become_variables() -> None:
    result = await read("email,Name,name,,First-Name (2),2nd,class,in,Größe\na@example.com,1,2,3,4,5,6,7,8\n")
    assert result.source.columns == (
        "email", "name", "name_2", "column_4", "first_name_2", "column_2nd", "class", "in_", "größe",
    )  # fmt: skip


async def test_a_spreadsheets_separator_line_is_believed() -> None:
    result = await read("sep=;\r\nemail;name\r\na@example.com;x,y\r\n")
    assert result.rows == [(2, "a@example.com", {"name": "x,y"})]


async def test_line_ends_inside_quotes_belong_to_the_field() -> None:
    result = await read('email,address\na@example.com,"1 High St\r\nLondon"\nb@example.com,x\n')
    assert result.rows[0] == (2, "a@example.com", {"address": "1 High St\r\nLondon"})
    assert result.rows[1][0] == 3


async def test_bad_rows_are_rejected_one_by_one() -> None:
    result = await read(
        "email,name\ngood@example.com,a\nbad,b\nx@example.com\nx@example.com,c,d\nx@example.com,e\x07\n\n,\n,f\n"
        "last@example.com,\x00\nlast@example.com,=1+1\n"
    )
    assert result.rows == [(2, "good@example.com", {"name": "a"}), (11, "last@example.com", {"name": "=1+1"})]
    assert result.reasons == [
        (3, "invalid_address"),
        (4, "wrong_field_count"),
        (5, "wrong_field_count"),
        (6, "control_character"),
        (9, "invalid_address"),
        (10, "control_character"),
    ]
    assert result.rejected[3].raw == "x@example.com,e\ufffd"


async def test_an_unclosed_quote_costs_one_row() -> None:
    rows = "".join(f"u{number}@example.com,n\n" for number in range(3000))
    result = await read(f'email,name\na@example.com,"oops\n{rows}')
    assert result.reasons == [(2, "unclosed_quote")]
    assert len(result.rows) == 3000
    assert result.rows[0][:2] == (3, "u0@example.com")
    shorter = await read('email,name\na@example.com,"oops\nb@example.com,y\nc@example.com,"z"\n')
    assert [email for _, email, _ in shorter.rows] == ["b@example.com", "c@example.com"]
    assert shorter.reasons == [(2, "unclosed_quote")]
    at_the_end = await read('email,name\na@example.com,x\nb@example.com,"oops')
    assert at_the_end.reasons == [(3, "misplaced_quote")]
    trailing = await read('email,name\na@example.com,"x" y\nb@example.com,z\n' * 60)
    assert trailing.reasons[0] == (2, "misplaced_quote")
    assert trailing.rejected[0].raw == 'a@example.com,"x" y'
    assert len(trailing.rows) == 60
    with pytest.raises(BrokenQuotesError):
        await read("email,name\n" + 'a@example.com,"oops\nb@example.com,y\n' * 51)


async def test_a_field_beyond_the_limit_is_rejected() -> None:
    limits = CampaignSettings(max_field_chars=100)
    result = await read(f"email,name\na@example.com,{'x' * 101}\nb@example.com,{'x' * 100}\n", limits)
    assert result.reasons == [(2, "field_too_long")]
    assert [email for _, email, _ in result.rows] == ["b@example.com"]


async def test_one_broken_byte_in_a_utf8_file_costs_one_row() -> None:
    names = "".join(f"u{number}@example.com,Zoë\n" for number in range(500)).encode()
    result = await read(b"email,name\n" + names + b"bad@example.com,Zo\xeb\n" + "ué@example.com,x\n".encode())
    assert result.source.encoding == "utf-8"
    assert result.reasons == [(502, "invalid_encoding")]
    assert result.rows[0][2]["name"] == "Zoë"
    assert len(result.rows) > 500


async def test_a_legacy_file_whose_first_accent_is_late_is_read_as_legacy_throughout() -> None:
    ascii_rows = b"".join(b"u%d@example.com,plain\n" % number for number in range(60_000))
    result = await read(b"email,name\n" + ascii_rows + "z@example.com,Zoë “Müller”\n".encode("cp1252"), size=50_000)
    assert result.source.encoding == "cp1252"
    assert result.rows[-1][2]["name"] == "Zoë “Müller”"
    assert not result.rejected


async def test_cyrillic_windows_files_are_recognised() -> None:
    text = "email,имя,город\n" + "".join(f"u{n}@example.com,Анастасия Петрова,Новосибирск\n" for n in range(30))
    result = await read(text.encode("cp1251"))
    assert result.rows[0][2] == {"имя": "Анастасия Петрова", "город": "Новосибирск"}


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", EmptyFileError),
        (b"\r\n \n", EmptyFileError),
        (b"\xef\xbb\xbf", EmptyFileError),
        (b"email,name\n", NoRowsError),
        (b"email,name\n\n\n", NoRowsError),
        (b"email", NoRowsError),
        (b"a@example.com,Ada\nb@example.com,Bob\n", NoHeaderError),
        (b"name,city\nAda,London\n", NoEmailColumnError),
        (b"email:name\nada:x\n", NoEmailColumnError),
        (b"PK\x03\x04" + b"x" * 100, UnreadableFileError),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 10, UnreadableFileError),
        (b"\xff\xfe" + b"a\x00" * 20 + b"\x00\xd8\x00", UnreadableFileError),
        (b"email,name\n" + b"x" * 3_000_000, UnreadableFileError),
        (("email," + ",".join(f"c{n}" for n in range(200)) + "\n" + "x," * 200).encode(), TooManyColumnsError),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
async def test_a_file_that_is_no_list_is_refused_with_its_reason(content: bytes, error: type[ImportFileError]) -> None:
    with pytest.raises(error) as raised:
        await read(content)
    assert len(str(raised.value)) > 10


async def test_a_wrong_delimiter_is_hinted_at() -> None:
    with pytest.raises(NoEmailColumnError, match=r"'email:name'.*comma, semicolon, tab or pipe"):
        await read("email:name\nx:y\n")


async def test_more_rows_than_allowed_end_the_import() -> None:
    with pytest.raises(TooManyRowsError):
        await read("email\n" + "a@example.com\n" * 11, CampaignSettings(max_recipients=10))


async def test_a_file_of_nearly_nothing_but_bad_rows_does_not_fill_the_database() -> None:
    with pytest.raises(TooManyRejectedError, match=r"rows cannot be used"):
        await read("email\n" + "a@example.com\n" + "x\n" * 60_000, size=5_000)
    mixed = await read("email\n" + "x\n" * 45_000 + "a@example.com\n" * 30_000 + "x\n" * 45_000, size=5_000)
    assert (len(mixed.rows), len(mixed.rejected)) == (30_000, 90_000)


async def test_of_a_row_of_very_many_fields_no_more_is_quoted_than_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    quoted = Mock(wraps=csv_rows._quoted)
    monkeypatch.setattr(csv_rows, "_quoted", quoted)
    result = await read("email,name\n" + ("a@example.com" + "," * 30_000 + "\n") * 20)
    assert [len(rejection.raw) for rejection in result.rejected] == [2_000] * 20
    assert quoted.call_count <= 2 * 20 * 2_001  # the first rows are read twice: is there one?


async def test_a_rows_cost_grows_with_its_fields_and_no_faster() -> None:
    async def reject(fields: int) -> None:
        result = await read("email,name\n" + ("a@example.com" + "," * fields + "\n") * 20)
        assert len(result.rejected) == 20

    await grows_linearly(reject, 30_000)


async def test_a_stream_of_bytes_is_read_in_constant_memory() -> None:
    async def stream() -> AsyncIterator[bytes]:
        yield b"email,name,note\n"
        for start in range(0, 200_000, 1_000):
            yield b"".join(b"u%d@example.com,Ada Lovelace,%s\n" % (n, b"x" * 60) for n in range(start, start + 1_000))

    count = 0
    tracemalloc.start()
    async with CsvSource.open(stream(), LIMITS) as source:
        async for batch in source.batches(2_000):
            count += len(batch.rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 200_000
    assert peak < 16 * 1024 * 1024


async def test_a_consumer_may_stop_in_the_middle_and_read_again() -> None:
    content = io.BytesIO(("email\n" + "a@example.com\n" * 100).encode())
    async with CsvSource.open(content, LIMITS) as source:
        batches = source.batches(10)
        assert len((await anext(batches)).rows) == 10
        await batches.aclose()
        assert sum([len(batch.rows) async for batch in source.batches(9)]) == 100
    assert not content.closed


CELL = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    ['"', '""', "a,b", "a;b", "x\ny", "\tx", "=1+1", " ", "'"]
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(
    rows=st.lists(st.lists(CELL, min_size=2, max_size=2), min_size=1, max_size=25),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
async def test_what_a_csv_writer_writes_comes_back(
    rows: list[list[str]], delimiter: str, encoding: str, line_end: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(["email", "a", "b"])
    writer.writerows([f"u{number}@example.com", *row] for number, row in enumerate(rows))
    result = await read(text.getvalue().encode(encoding))
    assert not result.rejected
    assert [email for _, email, _ in result.rows] == [f"u{number}@example.com" for number in range(len(rows))]
    assert [[fields.get("a", ""), fields.get("b", "")] for _, _, fields in result.rows] == rows


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=400) | st.binary(max_size=300).map(lambda tail: b"email,name\na@example.com,x\n" + tail))
async def test_no_bytes_break_the_import(content: bytes) -> None:
    try:
        result = await read(content)
    except ImportFileError:
        return
    for _, email, fields in result.rows:
        assert email.isprintable()
        assert "\x00" not in str(fields)
    for rejection in result.rejected:
        rejection.raw.encode()
        assert "\x00" not in rejection.raw
