"""What formatting needs to know of the world, read into memory before the door is locked: locales and time zones.

Babel and `zoneinfo` read a file when they meet a locale or a zone for the first time; here there are none. The files'
bytes are kept instead (10 MB, shared by nobody) and taken apart on demand.
"""

import io
import re
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import babel
import tzdata  # type: ignore[import-untyped]  # data, no code
from babel import Locale, UnknownLocaleError, localedata
from babel.core import get_global

LANGUAGES: Final = frozenset(
    {
        "ar", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "es", "et", "eu", "fa", "fi", "fil", "fr",
        "ga", "gl", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "ko", "lb", "lt", "lv", "mk",
        "ms", "mt", "nb", "nl", "nn", "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "sw", "th", "tr",
        "uk", "ur", "vi", "zh",
    }
)  # fmt: skip
"""Languages whose dates and numbers can be written; another one's are written as its variant's, or as English."""

DEFAULT: Final = "en"
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,3}")
_MOST_LOADED: Final = 40  # locales taken apart at a time: half a megabyte each

_locales: dict[str, bytes] = {}
_zones: dict[str, bytes] = {}


def preload() -> None:
    """Read every file that formatting may ask for, and let Babel ask here."""
    folder = Path(babel.__file__).parent / "locale-data"
    for file in folder.glob("*.dat"):
        if file.stem == "root" or file.stem.split("_")[0] in LANGUAGES:
            _locales[file.stem] = file.read_bytes()
    zones = Path(tzdata.__file__).parent
    for name in (zones / "zones").read_text().split():
        _zones[name] = (zones / "zoneinfo" / name).read_bytes()
    get_global("likely_subtags")
    module: Any = localedata
    module.exists = lambda name: bool(name) and name in _locales
    module.open = lambda name, _mode: io.BytesIO(_locales[Path(name).stem])


@lru_cache(maxsize=512)
def find(tag: str) -> Locale | None:
    """Return the locale of a language tag such as `de-AT`, or of its nearest parent; None when there is none."""
    if _TAG.fullmatch(tag) is None:
        return None
    parts = tag.replace("-", "_").split("_")
    while parts:
        try:
            return Locale.parse("_".join(parts))
        except (UnknownLocaleError, ValueError, KeyError):
            parts.pop()
    return None


def choose(own: object, template: str | None) -> Locale:
    """Return how a message's dates and numbers are written: as the recipient does, if that is the text's language."""
    written = find(template) if template else None
    reader = find(own) if isinstance(own, str) else None
    chosen = reader if reader and (written is None or reader.language == written.language) else written
    if len(localedata._cache) > _MOST_LOADED:  # noqa: SLF001 - Babel keeps every locale for ever
        localedata._cache.clear()  # noqa: SLF001
        find.cache_clear()
    return chosen or Locale.parse(DEFAULT)


@lru_cache(maxsize=128)
def zone(name: str) -> ZoneInfo | None:
    """Return a time zone by its IANA name; None when there is none."""
    data = _zones.get(name)
    return ZoneInfo.from_file(io.BytesIO(data), key=name) if data is not None else None
