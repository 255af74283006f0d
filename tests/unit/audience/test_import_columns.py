"""Mappings: what columns become by themselves, by what a person says, and what is refused."""

import pytest

from taskflow.audience.imports.dialect import read_header
from taskflow.audience.imports.jobs.columns import resolve, shared_titles, suggest
from taskflow.audience.imports.jobs.errors import AmbiguousColumnError, MappingError


def targets(first_lines: str, mapping: dict[str, str] | None = None, **options: bool) -> list[str]:
    """Return what the columns become."""
    header = read_header(first_lines, 200)
    return [column.target for column in resolve(header, mapping or {}, **options)]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("email,First Name,PLZ", ["email", "first_name", "plz"]),
        ("E-Mail-Adresse;Handynummer;Sprache", ["email", "phone", "locale"]),
        ("Mobile Phone\tlocale\ttime zone\ttags", ["phone", "locale", "time_zone", "tags"]),
        ("email,mobile,phone", ["email", "mobile", "phone"]),  # one that is called so
        ("email,phone,mobile", ["email", "phone", "mobile"]),  # the first one wins, the other stays itself
        ("email,phone,Phone Number", ["email", "phone", "phone_number"]),
        ("contact_id,email,status,created_at,city", ["ignore", "email", "ignore", "ignore", "city"]),
        ("rejected_row,rejected_code,rejected_reason,email", ["ignore", "ignore", "ignore", "email"]),
        ("email,,", ["email", "column_2", "column_3"]),
        ("email,for,class,None", ["email", "for", "class", "none_"]),
        ("email,work email", ["email", "work_email"]),
    ],
)
def test_columns_become_what_their_names_suggest(header: str, expected: list[str]) -> None:
    assert targets(header + "\n") == expected


def test_addresses_are_found_under_any_title() -> None:
    assert targets("Kunde,Kontakt\nAda,ada@example.com\nBob,bob@example.com\n") == ["kunde", "email"]


def test_what_a_person_says_comes_first() -> None:
    file = "email,phone,mobile,City\n"
    assert targets(file, {"mobile": "phone"}) == ["email", "phone_", "phone", "city"]
    assert targets(file, {"CITY": "town", "phone": "ignore"}) == ["email", "ignore", "mobile", "town"]
    assert targets(file, {"email": "email"}, ignore_others=True) == ["email", "ignore", "ignore", "ignore"]
    assert targets(file, {"mobile": "email"}) == ["email_", "phone", "email", "city"]


def test_columns_that_share_a_title_must_all_be_named() -> None:
    file = "email,Name,name,NAME\n"
    header = read_header(file, 200)
    assert shared_titles(header) == {"Name": [1, 2, 3]}
    assert [column.name for column in suggest(header)] == ["email", "name", "name_2", "name_3"]
    with pytest.raises(AmbiguousColumnError, match=r"Three columns are called 'Name' \(columns 2 and 3 and 4\)"):
        resolve(header, {})
    with pytest.raises(AmbiguousColumnError):
        resolve(header, {"name": "first_name"})
    said = {"Name": "first_name", "name": "last_name", "name_3": "ignore"}  # exact titles, and a unique name
    assert targets(file, said) == ["email", "first_name", "last_name", "ignore"]
    assert targets(file, {"email": "email"}, ignore_others=True) == ["email", "ignore", "ignore", "ignore"]


def test_columns_of_one_exact_title_are_told_apart_by_unique_names() -> None:
    file = "email,Name,Name\n"
    assert targets(file, {"name": "first_name", "name_2": "last_name"}) == ["email", "first_name", "last_name"]
    with pytest.raises(AmbiguousColumnError, match="Two columns are called 'Name'"):
        targets(file, {"Name": "first_name"})


def test_a_name_that_another_column_has_as_its_title_is_that_column() -> None:
    assert targets("email,a b,a_b\n", {"a b": "x", "a_b": "y"}) == ["email", "x", "y"]


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"Nmae": "x"}, "There is no column 'Nmae'"),
        ({"City": "first name"}, "cannot become 'first name'"),
        ({"City": "{{ x }}"}, "cannot become"),
        ({"City": "a.b"}, "cannot become"),
        ({"City": "x", "Name": "x"}, "would both become 'x'"),
        ({"City": "x", "city": "y"}, "names the column 'City' twice"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(mapping: dict[str, str], sentence: str) -> None:
    with pytest.raises(MappingError, match=sentence):
        targets("email,City,Name\n", mapping)


def test_somebody_must_be_reachable() -> None:
    with pytest.raises(MappingError, match="No column becomes email or phone"):
        targets("name,city\nAda,Bonn\n")
