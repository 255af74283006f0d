"""Delimiter and header of a CSV file."""

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from taskflow.audience.imports.addresses import InvalidAddressError, normalise
from taskflow.audience.imports.errors import EmptyFileError, NoEmailColumnError, NoHeaderError, TooManyColumnsError

DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"\A\ufeff?\"?sep=(?P<delimiter>[,;\t|])\"?[ \t]*(?:\r\n|\r|\n|\Z)", re.IGNORECASE)
_ROWS = 60
_NOT_WORD = re.compile(r"\W+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

EMAIL_COLUMNS = frozenset(
    {
        "email", "e_mail", "mail", "emails", "e_mails", "email_address", "e_mail_address", "mail_address",
        "emailaddress", "mailaddress", "address_email", "email_id", "primary_email", "recipient", "recipient_email",
        "to", "user_email", "contact_email", "customer_email", "work_email",
        "email_adresse", "e_mail_adresse", "mailadresse", "mail_adresse", "emailadresse", "adresse_email",
        "adresse_e_mail", "adresse_mail", "adresse_electronique", "adresse_électronique", "courriel", "mel", "mél",
        "correo", "correo_electronico", "correo_electrónico", "direccion_de_correo", "dirección_de_correo",
        "endereco_de_email", "endereço_de_email", "correio_eletronico", "correio_eletrônico",
        "indirizzo_email", "indirizzo_e_mail", "posta_elettronica", "e_mailadres", "emailadres", "e_postadress",
        "epost", "e_post", "epostadress", "e_postadresse", "sähköposti", "sahkoposti", "adres_email", "adres_e_mail",
        "poczta", "e_posta", "eposta", "e_mailova_adresa", "почта", "электронная_почта", "эл_почта", "имейл",
        "електронна_пошта", "пошта", "ηλεκτρονική_διεύθυνση", "メール", "メールアドレス", "邮箱",
        "电子邮件", "電子郵件", "이메일", "ईमेल", "البريد_الإلكتروني", "דואר_אלקטרוני", "อีเมล",
    }
)  # fmt: skip
"""Names of the address column after `variable_name`, in the languages of most files."""

_RESERVED = frozenset(
    {"and", "else", "if", "in", "is", "not", "or", "true", "false", "none", "True", "False", "None", "loop", "self"}
    | {"super", "caller", "varargs", "kwargs"}
)


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a file. `names` are unique template variables; `lines` is where the first data row starts.

    `sample` holds the first data rows, as they are.
    """

    delimiter: str
    titles: tuple[str, ...]
    names: tuple[str, ...]
    lines: int
    rows: int
    sample: tuple[tuple[str, ...], ...] = ()


def read_header(sample: str, max_columns: int) -> Header:
    """Find delimiter and columns in the beginning of a file.

    Raises:
        EmptyFileError: it holds blank lines only.
        NoHeaderError, TooManyColumnsError: what the class says.
    """
    lines = 0
    if separator := _SEPARATOR_LINE.match(sample):
        delimiter, lines = separator["delimiter"], 1
        sample = sample[separator.end() :]
    else:
        sample = sample.removeprefix("\ufeff")
        delimiter = _delimiter(sample)
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    records: list[list[str]] = []
    blank = header_lines = 0
    try:
        for record in reader:
            if any(cell.strip() for cell in record):
                header_lines = header_lines or reader.line_num
                records.append(record)
            elif not records:
                blank += 1
            if len(records) > _ROWS:
                break
    except csv.Error as error:
        if not records:
            raise NoHeaderError(f"The first row cannot be read: {error}.") from error
    if not records:
        raise EmptyFileError("The file holds blank lines only.")
    titles = [title.strip() for title in records[0]]
    if len(titles) > max_columns:
        raise TooManyColumnsError(f"The file has {len(titles)} columns; {max_columns} are allowed.")
    if any(_is_address(title) for title in titles):
        raise NoHeaderError(
            "The first row holds an address: put a row with the names of the columns, such as email,name, above it."
        )
    names = tuple(variable_names(titles))
    rows = tuple(map(tuple, records[1:]))
    return Header(delimiter, tuple(titles), names, lines + header_lines, blank + 1, rows)


def _delimiter(sample: str) -> str:
    """Return the delimiter that cuts the first rows most evenly into more than one field."""
    best, best_score = ",", 0.0
    for delimiter in DELIMITERS:
        try:
            reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
            rows = list(islice((row for row in reader if row), _ROWS))
        except csv.Error:
            continue
        if not rows or len(rows[0]) < 2:
            continue
        widths = Counter(map(len, rows))
        even = widths[len(rows[0])] / len(rows)  # how many rows are as wide as the header
        found = 1.0 if EMAIL_COLUMNS.intersection(map(variable_name, rows[0])) else 0.0
        score = found * 4 + even * 2 + min(len(rows[0]), 20) / 20
        if score > best_score:
            best, best_score = delimiter, score
    return best


def find_email_column(header: Header) -> int | None:
    """Return the column that holds the addresses: by its name, or by what is in its first rows."""
    candidates = [place for place, name in enumerate(header.names) if name in EMAIL_COLUMNS]
    if len(candidates) > 1:  # `to` or `recipient` may be anything: believe the rows
        candidates = [place for place in candidates if _holds_addresses(header.sample, place)] or candidates
    if not candidates:
        candidates = [place for place in range(len(header.names)) if _holds_addresses(header.sample, place)]
    return candidates[0] if candidates else None


def email_column(header: Header) -> int:
    """Return the column that holds the addresses.

    Raises:
        NoEmailColumnError: none does.
    """
    found = find_email_column(header)
    if found is not None:
        return found
    listed = ", ".join(f"'{title}'" for title in header.titles[:12])
    hint = " Columns are separated by comma, semicolon, tab or pipe." if len(header.titles) == 1 else ""
    raise NoEmailColumnError(f"None of the columns holds addresses; name one of them email. Found: {listed}.{hint}")


def _holds_addresses(rows: Sequence[Sequence[str]], place: int) -> bool:
    cells = [row[place] for row in rows if len(row) > place and row[place]]
    return bool(cells) and sum(_is_address(cell) for cell in cells) >= 0.7 * len(cells)


def _is_address(cell: str) -> bool:
    if "@" not in cell:
        return False
    try:
        normalise(cell.strip())
    except InvalidAddressError:
        return False
    return True


def variable_name(title: str) -> str:
    """Turn a column's title into a template variable: `First Name`, `firstName` → `first_name`."""
    words = _CAMEL.sub("_", unicodedata.normalize("NFKC", title)).lower()
    name = "_".join(filter(None, _NOT_WORD.sub("_", words).split("_")))
    if name and not name.isidentifier():
        name = f"column_{name}"
    if not name.isidentifier():
        name = ""
    return f"{name}_" if name in _RESERVED else name


def variable_names(titles: list[str]) -> list[str]:
    """Name all columns: empty titles get `column_3`, repeated ones `name_2`."""
    names: list[str] = []
    for place, title in enumerate(titles, 1):
        base = variable_name(title) or f"column_{place}"
        name, copy = base, 1
        while name in names:
            copy += 1
            name = f"{base}_{copy}"
        names.append(name)
    return names
