"""Signed tokens: what was signed comes back, anything else does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.signing import InvalidSignatureError, sign, verify

SECRET = b"a secret of at least thirty-two bytes"


@given(st.binary(max_size=64))
def test_a_payload_comes_back(payload: bytes) -> None:
    assert verify(SECRET, "unsubscribe", sign(SECRET, "unsubscribe", payload)) == payload


@given(st.binary(min_size=1, max_size=64))
def test_a_token_of_one_purpose_is_no_token_of_another(payload: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(SECRET, "click", sign(SECRET, "unsubscribe", payload))


@given(st.binary(min_size=1, max_size=32), st.data())
def test_a_changed_token_is_refused(payload: bytes, data: st.DataObject) -> None:
    token = sign(SECRET, "unsubscribe", payload)
    place = data.draw(st.integers(0, len(token) - 2))  # the last character may carry unused bits
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"))
    changed = token[:place] + other + token[place + 1 :]
    if changed != token:
        with pytest.raises(InvalidSignatureError):
            verify(SECRET, "unsubscribe", changed)


@given(st.text(max_size=80))
def test_rubbish_is_refused(token: str) -> None:
    with pytest.raises(InvalidSignatureError):
        verify(SECRET, "unsubscribe", token)
