"""Which column of a file becomes what: suggested from its name, said by a person, checked before anything is read.

A target is one of `email`, `phone`, `locale`, `time_zone`, `tags`, `ignore`, or the name of an attribute. A column is
named by its title, or by its unique name where two columns share a title (`name`, `name_2`, as `inspect` lists them).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from taskflow.audience.contacts.values import is_attribute_name
from taskflow.audience.imports.dialect import Header, find_email_column
from taskflow.audience.imports.jobs.errors import AmbiguousColumnError, MappingError

IGNORE: Final = "ignore"
SINGLE: Final = ("email", "phone", "locale", "time_zone")
RESERVED: Final = (*SINGLE, "tags", IGNORE)
REJECTION_COLUMNS: Final = ("rejected_row", "rejected_code", "rejected_reason", "rejected_text")
"""What `rejected.csv` puts before and behind the file's own columns; such columns of a mended file are ignored."""

_PHONES: Final = frozenset(
    {
        "phone", "phone_number", "mobile", "mobile_phone", "mobile_number", "cell", "cell_phone", "tel", "telephone",
        "telefon", "telefonnummer", "handy", "handynummer", "mobil", "mobiltelefon", "mobilnummer", "rufnummer",
        "telephone_number", "telefono", "teléfono", "movil", "móvil", "celular", "téléphone", "portable", "cellulare",
        "telefoon", "mobiel", "telefone", "telemóvel", "msisdn", "sms",
    }
)  # fmt: skip
_LOCALES: Final = frozenset({"locale", "language", "lang", "sprache", "langue", "idioma", "lingua", "taal"})
_TIME_ZONES: Final = frozenset({"time_zone", "timezone", "tz", "zeitzone", "fuseau_horaire", "zona_horaria"})
_TAGS: Final = frozenset({"tags", "tag", "labels", "schlagworte", "schlagwörter", "etiquetas", "étiquettes"})
_OURS: Final = frozenset({"contact_id", "status", "created_at", "updated_at", "lists", *REJECTION_COLUMNS})
"""What our own exports say of a contact, and an import cannot change."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file and what becomes of it; `place` counts from 0."""

    place: int
    title: str
    name: str
    target: str

    @property
    def spoken(self) -> str:
        """Its name for people."""
        return f"'{self.title}'" if self.title else f"number {self.place + 1}"


def suggest(header: Header) -> list[Column]:
    """Return what each column becomes if nobody says otherwise.

    Of two that look the same wins the one that is called so, else the first; the other becomes an attribute.
    """
    targets: list[str] = []
    email = find_email_column(header)
    for place, name in enumerate(header.names):
        target = "email" if place == email else _suggested(name)
        is_taken = target in targets or (target in header.names and target != name)
        targets.append(_attribute(name) if is_taken and target != IGNORE and place != email else target)
    return [
        Column(place, title, name, target)
        for place, (title, name, target) in enumerate(zip(header.titles, header.names, targets, strict=True))
    ]


def shared_titles(header: Header) -> dict[str, list[int]]:
    """Return titles that more than one column has, with the places of those columns."""
    counts = Counter(title.casefold() for title in header.titles if title)
    found: dict[str, list[int]] = {}
    for place, title in enumerate(header.titles):
        if counts[title.casefold()] > 1:
            first = next(known for known in header.titles if known.casefold() == title.casefold())
            found.setdefault(first, []).append(place)
    return found


def resolve(header: Header, mapping: Mapping[str, str], *, ignore_others: bool = False) -> list[Column]:
    """Return what each column becomes.

    Raises:
        AmbiguousColumnError: two columns share a title, and what they are was not said of each of them.
        MappingError: the mapping names a column or a target that cannot be, or two columns for one target.
    """
    said: dict[int, str] = {}
    for key, target in mapping.items():
        place = _place(header, key)
        if place in said:
            raise MappingError(f"The mapping names the column {header.titles[place]!r} twice.", column=key)
        said[place] = _checked_target(target, key)
    for title, places in shared_titles(header).items():
        if not ignore_others and not said.keys() >= set(places):
            raise _ambiguous(header, title, places)
    columns = [
        Column(column.place, column.title, column.name, said[column.place])
        if column.place in said
        else Column(column.place, column.title, column.name, IGNORE if ignore_others else column.target)
        for column in suggest(header)
    ]
    columns = [_yielding(column, columns, said) for column in columns]
    _check_together(columns)
    return columns


def _yielding(column: Column, columns: list[Column], said: Mapping[int, str]) -> Column:
    """Let a suggestion give way to what was said: two columns look like phones, one of them was chosen."""
    if column.place in said or column.target == IGNORE:
        return column
    taken = {other.target for other in columns if other.place in said}
    target = _attribute(column.name) if column.target in taken else column.target
    return Column(column.place, column.title, column.name, IGNORE if target in taken else target)


def _check_together(columns: list[Column]) -> None:
    by_target: dict[str, list[Column]] = {}
    for column in columns:
        if column.target != IGNORE:
            by_target.setdefault(column.target, []).append(column)
    for target, sharing in by_target.items():
        if len(sharing) > 1:
            names = " and ".join(column.spoken for column in sharing)
            raise MappingError(f"The columns {names} would both become '{target}': ignore one of them.", target=target)
    if "email" not in by_target and "phone" not in by_target:
        listed = ", ".join(column.spoken for column in columns[:12])
        raise MappingError(f"No column becomes email or phone: say which one does. There are {listed}.")


def _place(header: Header, key: str) -> int:
    """Return the column that a person means: by a title that only it has, by its unique name, or by its title."""
    if header.titles.count(key) == 1:
        return header.titles.index(key)
    if key in header.names:
        return header.names.index(key)
    places = [place for place, title in enumerate(header.titles) if title.casefold() == key.strip().casefold()]
    if len(places) == 1:
        return places[0]
    if places:
        raise _ambiguous(header, header.titles[places[0]], places)
    listed = ", ".join(f"'{title or name}'" for title, name in zip(header.titles[:20], header.names, strict=False))
    raise MappingError(f"There is no column {key!r}. The file has {listed}.", column=key)


def _ambiguous(header: Header, title: str, places: list[int]) -> AmbiguousColumnError:
    numbers = " and ".join(str(place + 1) for place in places)
    names = [header.names[place] for place in places]
    example = ", ".join(f"{name} → {IGNORE if number else name}" for number, name in enumerate(names))
    count = {2: "Two", 3: "Three"}.get(len(places), str(len(places)))
    return AmbiguousColumnError(
        f"{count} columns are called {title!r} (columns {numbers}): say what each of them is, by the names"
        f" {', '.join(names)}; for example {example}.",
        column=title,
        names=names,
    )


def _checked_target(target: str, key: str) -> str:
    if target in RESERVED or is_attribute_name(target):
        return target
    raise MappingError(
        f"The column {key!r} cannot become {target!r}: write one of {', '.join(RESERVED)}, or an attribute's name of"
        " letters, digits and _, such as first_name.",
        column=key,
    )


def _suggested(name: str) -> str:
    if name in _OURS:
        return IGNORE
    for target, names in (("phone", _PHONES), ("locale", _LOCALES), ("time_zone", _TIME_ZONES), ("tags", _TAGS)):
        if name in names:
            return target
    return _attribute(name)


def _attribute(name: str) -> str:
    """Return an attribute's name for a column; a second column of phones stays itself."""
    name = name[:100]
    return f"{name}_" if name in RESERVED else name
