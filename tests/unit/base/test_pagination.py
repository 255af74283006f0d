"""Cursors: opaque, and harmless when forged."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskflow.base.pagination import InvalidCursorError, decode_cursor, encode_cursor


@given(st.uuids(), st.integers(0, 2**53))
def test_a_cursor_comes_back_as_its_key(identifier: UUID, number: int) -> None:
    assert decode_cursor(encode_cursor(identifier, number), UUID, int) == (identifier, number)


@given(st.text(max_size=100))
def test_a_forged_cursor_is_an_input_error(text: str) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(text, UUID)


def test_a_cursor_of_another_list_is_an_input_error() -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(encode_cursor("a", "b"), str)


@pytest.mark.parametrize("part", ["a\x00b", 1, None, ["a"], {"a": 1}])
def test_a_text_that_no_list_hands_out_is_an_input_error(part: object) -> None:
    with pytest.raises(InvalidCursorError):
        decode_cursor(encode_cursor(part), str)
