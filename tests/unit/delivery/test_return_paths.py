"""Return paths: each names its message, fits into an address, and cannot be made up."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.signing import InvalidSignatureError
from taskflow.delivery import addresses
from taskflow.delivery.return_paths import Bounced, ReturnPaths

PATHS = ReturnPaths(b"s" * 40, "bounces.example.org")


@given(st.uuids(), st.none() | st.uuids())
def test_it_leads_back_to_its_message_whatever_servers_do_to_its_case(message: UUID, campaign: UUID | None) -> None:
    path = PATHS.of(message, campaign)
    assert PATHS.read(path) == PATHS.read(path.upper()) == Bounced(campaign, message)
    parsed = addresses.parse(path)
    assert len(parsed.local) <= addresses.MAX_LOCAL_BYTES
    assert parsed.domain == "bounces.example.org"
    assert PATHS.of(message, campaign) == path  # at every attempt


@given(st.uuids(), st.uuids(), st.data())
def test_a_changed_character_is_noticed(message: UUID, campaign: UUID, data: st.DataObject) -> None:
    path = PATHS.of(message, campaign)
    local = path.partition("@")[0]
    place = data.draw(st.integers(2, len(local) - 1).filter(lambda at: local[at] != "-"))
    other = data.draw(st.sampled_from("abcdefghijklmnopqrstuvwxyz234567").filter(lambda one: one != local[place]))
    try:
        assert PATHS.read(local[:place] + other + local[place + 1 :]) == Bounced(campaign, message)
    except InvalidSignatureError:
        pass
    else:
        assert local[place + 1] == "-" or place == len(local) - 1  # base32 has bits that say nothing at its ends


@pytest.mark.parametrize(
    "hostile",
    ["", "@", "b+", "b+-", "postmaster@example.org", "b+" + "a" * 26 + "-" + "a" * 8, "b+" + "a" * 52 + "-" + "a" * 8,
     "b+" + "1" * 26 + "-" + "a" * 8, "b+" + "a" * 26 + "-" + "a" * 9, "x" * 100_000, "b+ä" + "a" * 25 + "-aaaaaaaa"],
)  # fmt: skip
def test_nobody_else_can_make_one(hostile: str) -> None:
    with pytest.raises(InvalidSignatureError):
        PATHS.read(hostile)


def test_another_key_reads_nothing() -> None:
    path = PATHS.of(UUID(int=7), UUID(int=8))
    with pytest.raises(InvalidSignatureError):
        ReturnPaths(b"t" * 40, "bounces.example.org").read(path)
