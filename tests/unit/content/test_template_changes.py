"""What two versions differ in, in bounded time."""

from datetime import UTC, datetime
from uuid import UUID

from taskflow.content.rendering import Format
from taskflow.content.templates.changes import changes
from taskflow.content.templates.models import Draft, Variant, Version


def version(number: int, *bodies: str) -> Version:
    variants = tuple(Variant(f"l{place:02}", Format.HTML, body, "s") for place, body in enumerate(bodies))
    return Version(UUID(int=1), number, None, Draft(variants), {}, datetime.now(UTC), None)


def test_a_part_that_differs_is_shown_as_diff_writes_it() -> None:
    [change] = changes(version(1, "a\nb"), version(2, "a\nc"))
    assert (change.locale, change.part) == ("l00", "body")
    assert change.diff[1:] == [" a", "-b", "+c"]


def test_many_long_parts_are_not_all_compared() -> None:
    bodies = ["\n".join(f"{line} of {place}" for line in range(900)) for place in range(30)]
    found = changes(version(1, *bodies), version(2, *(body.replace(" of ", " in ") for body in bodies)))
    compared = [change for change in found if "too many to compare" not in change.diff[0]]
    assert (len(found), len(compared)) == (30, 2)
