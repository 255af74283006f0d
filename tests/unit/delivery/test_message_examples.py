"""The calls that the API's description shows."""

import pytest

from taskflow.delivery.messages.examples import EXAMPLES
from taskflow.delivery.messages.schemas import MessageIn


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_example_is_a_call_that_is_taken(name: str) -> None:
    MessageIn.model_validate(EXAMPLES[name])
