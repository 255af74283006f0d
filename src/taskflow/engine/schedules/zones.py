"""Time zones by their IANA names."""

import difflib
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from taskflow.base.errors import InvalidInputError


class UnknownTimeZoneError(InvalidInputError):
    """There is no such time zone: use an IANA name such as Europe/Berlin."""

    code = "unknown_time_zone"


def find_zone(name: str) -> ZoneInfo:
    """Return a zone.

    Raises:
        UnknownTimeZoneError: there is none of this name; the sentence names those that are close.
    """
    try:
        if name in _names():  # a name becomes a path: nothing else is looked up
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    close = _close(name)
    hint = f"; did you mean {' or '.join(close)}?" if close else ": use an IANA name such as Europe/Berlin."
    raise UnknownTimeZoneError(f"There is no time zone {name!r}{hint}", field="time_zone", close_matches=close)


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def _close(name: str) -> list[str]:
    """Return up to three names that are nearly this one, or end like it: `Berlin`, `europe/berlin`, `Europe/Berln`."""
    wanted = name.strip().replace(" ", "_").lower()[:100]
    whole = {known.lower(): known for known in sorted(_names())}
    cities = {known.rpartition("/")[2].lower(): known for known in sorted(_names(), key=_is_by_continent)}
    if wanted in whole:
        return [whole[wanted]]
    if wanted in cities:
        return [cities[wanted]]
    near = [whole[match] for match in difflib.get_close_matches(wanted, whole, n=3, cutoff=0.75)]
    near += [cities[match] for match in difflib.get_close_matches(wanted, cities, n=3, cutoff=0.8)]
    return list(dict.fromkeys(near))[:3]


def _is_by_continent(name: str) -> bool:
    """Tell the names by continent, which are to win, from old ones such as `US/…`."""
    area = name.partition("/")[0]
    return area in {
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"
    }  # fmt: skip
