"""Secrets at rest: they open for their row and key, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.sealing import SealBrokenError, seal, unseal

SECRET = b"k" * 40


@given(st.binary(max_size=4000), st.text(max_size=50))
def test_what_is_sealed_opens_for_its_row(plain: bytes, row: str) -> None:
    sealed = seal(SECRET, "test", row, plain)
    assert unseal(SECRET, "test", row, sealed) == plain
    assert len(plain) < 4 or plain not in sealed
    assert seal(SECRET, "test", row, plain) != sealed  # never the same nonce


@pytest.mark.parametrize(
    ("secret", "purpose", "row"),
    [(b"x" * 40, "test", "a/1"), (SECRET, "other", "a/1"), (SECRET, "test", "a/2")],
    ids=["another key", "another purpose", "another row"],
)
def test_it_opens_for_nothing_else(secret: bytes, purpose: str, row: str) -> None:
    with pytest.raises(SealBrokenError):
        unseal(secret, purpose, row, seal(SECRET, "test", "a/1", b"private"))


@given(st.integers(0, 35), st.integers(1, 255))
def test_a_changed_byte_anywhere_is_noticed(place: int, change: int) -> None:
    sealed = bytearray(seal(SECRET, "test", "a/1", b"private"))
    sealed[place % len(sealed)] ^= change
    with pytest.raises(SealBrokenError):
        unseal(SECRET, "test", "a/1", bytes(sealed))


@given(st.binary(max_size=40))
def test_what_was_never_sealed_does_not_open(junk: bytes) -> None:
    with pytest.raises(SealBrokenError):
        unseal(SECRET, "test", "a/1", junk)
