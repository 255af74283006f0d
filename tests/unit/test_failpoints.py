"""Failpoints: off they do nothing, on they act at their hit and once."""

from pathlib import Path

import pytest

from taskflow.base.errors import ConfigurationError
from taskflow.base.failpoints import FailpointError, parse


def test_a_failpoint_acts_at_its_hit() -> None:
    reached = parse("here=raise@3")
    reached("here")
    reached("elsewhere")
    reached("here")
    with pytest.raises(FailpointError, match="at hit 3"):
        reached("here")
    reached("here")


def test_chance_is_repeatable() -> None:
    def first_hit(seed: str) -> int:
        reached = parse("here=raise%0.05", seed=seed)
        for hit in range(1, 1000):
            try:
                reached("here")
            except FailpointError:
                return hit
        return 0

    assert first_hit("7") == first_hit("7") > 0


def test_a_failpoint_fires_once_for_all_who_share_a_folder(tmp_path: Path) -> None:
    first, second = (parse("here=raise@1", once=str(tmp_path)) for _ in range(2))
    with pytest.raises(FailpointError):
        first("here")
    second("here")
    assert (tmp_path / "here").exists()


def test_a_rule_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ConfigurationError):
        parse("here=explode@1")
