"""What tests of the router share."""

import pytest

from support.routing import Clock


@pytest.fixture
def clock() -> Clock:
    """Redis's clock, standing still."""
    return Clock()
