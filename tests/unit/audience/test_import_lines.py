"""From cells to lines of the staging table and back: what an export wrote is what an import reads."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from taskflow.audience.contacts.values import ContactField, FieldType
from taskflow.audience.exports import csv_chunks
from taskflow.audience.imports.jobs.columns import resolve
from taskflow.audience.imports.jobs.lines import STAGED_COLUMNS, LineMaker
from taskflow.audience.imports.reader import Limits
from taskflow.audience.imports.rows import Rejection, RejectionCode
from taskflow.audience.imports.source import CsvFile
from taskflow.audience.suppression.erasure import ErasureKey

LIMITS = Limits(200, 32_768, 1_000_000)
ERASURE = ErasureKey(SecretStr("a-secret-for-tests-and-for-nothing-else"))
_UNESCAPED = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}


def unescape(text: str) -> str | None:
    """Read a value of COPY's text format, as PostgreSQL does."""
    if text == "\\N":
        return None
    characters = iter(text)
    return "".join(_UNESCAPED[next(characters)] if character == "\\" else character for character in characters)


def tags_of(text: str) -> list[str]:
    """Read an array of quoted texts."""
    return [] if text == "{}" else [part.replace("\\\\", "\\") for part in text[2:-2].split('","')]


async def read(
    content: bytes, fields: dict[str, ContactField] | None = None, **options: Any
) -> tuple[list[dict[str, Any]], list[Rejection]]:
    """Return the rows of a file as they would stand in the staging table, and the rejected ones."""
    file = CsvFile(io.BytesIO(content), LIMITS)
    maker = LineMaker(resolve(file.header, {}), fields or {}, ERASURE, **options)
    rows, rejected = [], []
    async for batch in file.batches(maker, 100):
        for line in batch.rows:
            assert line.endswith("\n")
            assert line.count("\n") == 1
            values = dict(zip(STAGED_COLUMNS, map(unescape, line[:-1].split("\t")), strict=True))
            attributes, tags = values["attributes"], values["tags"]
            assert attributes is not None
            assert tags is not None
            rows.append(values | {"attributes": orjson.loads(attributes), "tags": tags_of(tags)})
        rejected += batch.rejected
    return rows, rejected


_ALLOWED = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\x85")
_TEXT = st.text(_ALLOWED | st.sampled_from("\n\t'=+-@\\;,\"|{}")).filter(str.strip)
_PEOPLE = st.lists(
    st.fixed_dictionaries({"note": _TEXT, "phrase": _TEXT, "tag": st.sampled_from(["", "vip", "a b", "x\\y"])}),
    min_size=1,
)


@given(_PEOPLE)
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
async def test_what_was_exported_is_imported_as_it_was(people: list[dict[str, str]]) -> None:
    phones = [f"+49171{number:07}" for number in range(len(people))]
    header = ["email", "phone", "note", "phrase", "tags"]
    exported: Sequence[Sequence[object]] = [
        [f"p{number}@example.com", phone, person["note"], person["phrase"], person["tag"]]
        for number, (person, phone) in enumerate(zip(people, phones, strict=True))
    ]
    content = b"".join([chunk async for chunk in csv_chunks(header, exported)])
    rows, rejected = await read(content)
    assert not rejected
    assert [row["email"] for row in rows] == [line[0] for line in exported]
    assert [row["phone"] for row in rows] == phones
    assert [row["attributes"] for row in rows] == [
        {name: person[name].replace("\r\n", "\n") for name in ("note", "phrase")} for person in people
    ]
    assert [row["tags"] for row in rows] == [[person["tag"]] if person["tag"] else [] for person in people]


@pytest.mark.parametrize(
    ("cells", "code", "sentence"),
    [
        ("x,,,,,", RejectionCode.INVALID_ADDRESS, "@"),
        (",,,,,x", RejectionCode.NO_ADDRESS, "neither an e-mail address nor a phone number"),
        ("a@example.com,12,,,,", RejectionCode.INVALID_PHONE, "The column 'phone': '12'"),
        ("a@example.com,0171 1234567,,,,", RejectionCode.INVALID_PHONE, "has no country code"),
        ("a@example.com,,klingon!,,,", RejectionCode.INVALID_VALUE, "The column 'locale': 'klingon!' is no locale"),
        ("a@example.com,,,Mars/Base,,", RejectionCode.INVALID_VALUE, "The column 'time_zone': 'Mars/Base'"),
        (f"a@example.com,,,,{'x' * 60},", RejectionCode.INVALID_VALUE, "The column 'tags': A tag has 1 to 50"),
        ("a@example.com,,,,,abc", RejectionCode.INVALID_VALUE, "The column 'points': 'abc' is no number"),
    ],
)
async def test_a_row_that_cannot_be_used_says_which_cell_and_why(
    cells: str, code: RejectionCode, sentence: str
) -> None:
    content = f"email,phone,locale,time_zone,tags,points\n{cells}\n".encode()
    rows, [found] = await read(content, {"points": ContactField("points", FieldType.NUMBER)})
    assert not rows
    assert (found.row_number, found.code) == (2, code)
    assert sentence in found.message


async def test_long_rows_come_in_small_batches() -> None:
    row = f"a@example.com,{'x' * 30_000}\n"
    file = CsvFile(io.BytesIO(("email,note\n" + row * 1_000).encode()), LIMITS)
    maker = LineMaker(resolve(file.header, {}), {}, ERASURE)
    sizes = [len(batch.rows) async for batch in file.batches(maker, 10_000)]
    assert sum(sizes) == 1_000
    assert max(sizes) < 400


async def test_blank_rows_are_nobody() -> None:
    rows, rejected = await read(b"email,city\na@example.com,Bonn\n,\n\nb@example.com,\n")
    assert (len(rows), rejected) == (2, [])


async def test_attributes_that_take_too_much_are_rejected() -> None:
    header = ",".join(["email", *(f"c{number}" for number in range(5))])
    row = ",".join(["a@example.com", *["x" * 20_000] * 5])
    _, [found] = await read(f"{header}\n{row}\n".encode())
    assert found.code == RejectionCode.TOO_LARGE


async def test_the_same_phone_in_every_way_of_writing_is_one_number() -> None:
    written = ["+49 171 1234567", "0171/123 45 67", "0049 (171) 1234567", "'+491711234567", "\u00a00171-1234567 "]
    content = "email;phone\n" + "".join(f"p{n}@example.com;{phone}\n" for n, phone in enumerate(written))
    rows, rejected = await read(content.encode(), region="DE")
    assert not rejected
    assert {row["phone"] for row in rows} == {"+491711234567"}
    file = csv.reader(io.StringIO(content), delimiter=";")
    assert len(list(file)) == 1 + len(written)
