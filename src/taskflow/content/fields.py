"""Fields that bodies about content share: lines, sources, values that PostgreSQL can keep."""

import re
from typing import Annotated, Any

import orjson
from pydantic import AfterValidator, StringConstraints

MAX_SOURCE_CHARS = 524_288
_MAX_VARIABLES_BYTES = 256 * 1024
NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""What `delivery.headers` takes into a header: a value that it refuses would be found only when mail is sent."""
_LOCALE = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|[0-9]{3}))?")

Line = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=255, pattern=NO_CONTROLS)]
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254, pattern=NO_CONTROLS)]
Source = Annotated[str, StringConstraints(max_length=MAX_SOURCE_CHARS, pattern=r"^[^\x00]*$")]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2_000, pattern=r"^[^\x00]*$")]


def storable(value: dict[str, Any]) -> dict[str, Any]:
    """Refuse what PostgreSQL cannot keep in JSON."""
    try:
        encoded = orjson.dumps(value)
    except TypeError as error:
        raise ValueError(f"cannot be stored: {error}") from error
    if b"\\u0000" in encoded:
        raise ValueError("holds a NUL character")
    if len(encoded) > _MAX_VARIABLES_BYTES:
        raise ValueError(f"takes more than {_MAX_VARIABLES_BYTES:,} bytes")
    return value


def language_tag(text: str) -> str:
    """Return a tag of BCP 47 as everybody writes it: `de`, `de-AT`, `zh-Hant-TW`."""
    found = _LOCALE.fullmatch(text)
    if found is None:
        raise ValueError("a locale is a language and perhaps a script and a country: de, de-AT, zh-Hant-TW")
    language, script, region = found.groups()
    parts = (language.lower(), script and script.capitalize(), region and region.upper())
    return "-".join(filter(None, parts))


Variables = Annotated[dict[str, Any], AfterValidator(storable)]
Locale = Annotated[str, StringConstraints(max_length=35), AfterValidator(language_tag)]
