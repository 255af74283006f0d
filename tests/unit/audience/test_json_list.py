"""Recipients in a request pass the same checks as rows of a file."""

import orjson
import pytest

from taskflow.audience.imports import json_batches
from taskflow.audience.imports.errors import TooManyRowsError
from taskflow.settings import CampaignSettings

LIMITS = CampaignSettings(max_field_chars=100, max_columns=10)


def test_good_recipients_are_accepted_and_empty_values_left_out() -> None:
    [batch] = json_batches(
        [{"email": " A@Example.com ", "name": "Zoë", "n": 1, "none": None, "empty": ""}, {"email": "b@example.com"}],
        LIMITS,
    )
    assert [(n, email, orjson.loads(fields)) for n, email, fields in batch.rows] == [
        (1, "A@example.com", {"name": "Zoë", "n": 1}),
        (2, "b@example.com", {}),
    ]


@pytest.mark.parametrize(
    ("recipient", "code"),
    [
        ("a@example.com", "not_an_object"),
        (None, "not_an_object"),
        ({}, "invalid_address"),
        ({"email": 7}, "invalid_address"),
        ({"email": "x"}, "invalid_address"),
        ({"email": "a@example.com", "x": "a\x00b"}, "control_character"),
        ({"email": "a@example.com", "x": {"y": ["\x01"]}}, "control_character"),
        ({"email": "a@example.com", "x\x00": 1}, "control_character"),
        ({"email": "a@example.com", "x": "\ud800"}, "invalid_encoding"),
        ({"email": "a@example.com", "x": "y" * 101}, "field_too_long"),
        ({"email": "a@example.com", **{f"c{n}": n for n in range(10)}}, "wrong_field_count"),
        ({"email": "a@example.com", "x": 1 << 70}, "invalid_field"),
        ({"email": "a@example.com", "x": [[[[[[[[[1]]]]]]]]]}, "invalid_field"),
    ],
)
def test_bad_recipients_are_rejected(recipient: object, code: str) -> None:
    [batch] = json_batches([recipient], LIMITS)
    assert not batch.rows
    assert [(rejection.row_number, rejection.code.value) for rejection in batch.rejected] == [(1, code)]
    batch.rejected[0].raw.encode()


def test_batches_have_the_asked_size_and_the_limit_holds() -> None:
    recipients = [{"email": f"u{n}@example.com"} for n in range(25)]
    assert [len(batch.rows) for batch in json_batches(recipients, LIMITS, 10)] == [10, 10, 5]
    with pytest.raises(TooManyRowsError):
        list(json_batches(recipients, CampaignSettings(max_recipients=20), 10))
