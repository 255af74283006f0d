"""The events that `taskflow webhook create` offers are those that there are."""

from taskflow.cli import webhook
from taskflow.engine.webhooks.events import WebhookEvent


def test_every_event_can_be_chosen_and_no_other() -> None:
    assert sorted(webhook._EVENTS.choices) == sorted(WebhookEvent)
