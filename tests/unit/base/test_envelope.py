"""Envelopes: what is sealed opens for its own name and key, and for nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.envelope import SealBrokenError, Sealed, Vault

OLD, NEW = b"the secret key of last year, long enough", b"the secret key of this year, long enough"


@given(plain=st.binary(max_size=2_000), name=st.text(max_size=50))
def test_what_is_sealed_opens_and_cannot_be_read_without(plain: bytes, name: str) -> None:
    vault = Vault(NEW)
    sealed = vault.seal(plain, name)
    assert vault.open(sealed, name) == plain
    assert len(plain) < 4 or plain not in sealed.data


def test_two_seals_of_the_same_have_nothing_in_common() -> None:
    first, second = (Vault(NEW).seal(b"the same secret", "a") for _ in range(2))
    assert first.data[1:13] != second.data[1:13]
    assert first.data[61:] != second.data[61:]


def test_a_seal_that_was_copied_to_another_row_does_not_open() -> None:
    vault = Vault(NEW)
    sealed = vault.seal(b"secret", "provider 1")
    with pytest.raises(SealBrokenError, match="sealed for something else"):
        vault.open(sealed, "provider 2")


def test_the_key_of_one_seal_does_not_open_the_content_of_another() -> None:
    vault = Vault(NEW)
    first, second = vault.seal(b"first", "a"), vault.seal(b"second", "a")
    mixed = Sealed(first.key_id, first.data[:61] + second.data[61:])
    with pytest.raises(SealBrokenError):
        vault.open(mixed, "a")


@given(place=st.integers(min_value=0), change=st.integers(min_value=1, max_value=255))
def test_a_seal_with_any_byte_changed_does_not_open(place: int, change: int) -> None:
    vault = Vault(NEW)
    sealed = vault.seal(b"secret", "a")
    data = bytearray(sealed.data)
    data[place % len(data)] ^= change
    with pytest.raises(SealBrokenError):
        vault.open(Sealed(sealed.key_id, bytes(data)), "a")


@given(length=st.integers(min_value=0, max_value=80))
def test_a_seal_that_was_cut_does_not_open(length: int) -> None:
    vault = Vault(NEW)
    sealed = vault.seal(b"secret", "a")
    with pytest.raises(SealBrokenError):
        vault.open(Sealed(sealed.key_id, sealed.data[: min(length, len(sealed.data) - 1)]), "a")


@given(junk=st.binary(max_size=200))
def test_what_was_never_sealed_does_not_open(junk: bytes) -> None:
    vault = Vault(NEW)
    with pytest.raises(SealBrokenError):
        vault.open(Sealed(vault.key_id, junk), "a")


def test_after_a_rotation_the_new_key_alone_opens_what_the_old_one_sealed() -> None:
    sealed = Vault(OLD).seal(b"secret", "a")
    with pytest.raises(SealBrokenError, match="TASKFLOW_SECRET_KEY_PREVIOUS"):
        Vault(NEW).open(sealed, "a")
    both = Vault(NEW, OLD)
    assert both.open(sealed, "a") == b"secret"
    rewrapped = both.rewrap(sealed, "a")
    assert Vault(NEW).open(rewrapped, "a") == b"secret"
    assert rewrapped.data[61:] == sealed.data[61:]
    assert both.rewrap(rewrapped, "a") == rewrapped
    with pytest.raises(SealBrokenError):
        Vault(OLD).open(rewrapped, "a")


def test_rewrapping_under_another_name_is_refused() -> None:
    sealed = Vault(OLD).seal(b"secret", "a")
    with pytest.raises(SealBrokenError):
        Vault(NEW, OLD).rewrap(sealed, "b")


def test_a_vault_and_the_id_of_its_key_tell_nothing_of_the_key() -> None:
    vault = Vault(NEW, OLD)
    assert NEW.decode() not in repr(vault)
    assert vault.key_id == Vault(NEW).key_id != Vault(OLD).key_id
    assert len(vault.key_id) == 16
