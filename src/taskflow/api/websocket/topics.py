"""Topics: what a socket may subscribe to, who may, and which of them an event belongs to."""

import re
from uuid import UUID

from taskflow.base.errors import ForbiddenError, InvalidInputError
from taskflow.broker.redis.events import Event
from taskflow.identity.models import Principal, Role

_ONE = re.compile(r"(task|campaign|message):([0-9a-fA-F-]{36})")
_NEEDED = {"tasks": Role.VIEWER, "task": Role.VIEWER, "campaigns": Role.VIEWER, "campaign": Role.VIEWER,
           "messages": Role.VIEWER, "message": Role.VIEWER, "workers": Role.VIEWER, "routes": Role.VIEWER}  # fmt: skip


class UnknownTopicError(InvalidInputError):
    """There is no such topic: use tasks, campaigns or messages, one of them as task:<id>, workers or routes."""

    code = "unknown_topic"


def check_topic(topic: object, caller: Principal) -> str:
    """Return a topic in its one spelling.

    Raises:
        UnknownTopicError: there is none of this name.
        ForbiddenError: the caller's role does not reach it.
    """
    if not isinstance(topic, str):
        raise UnknownTopicError
    kind, name = topic, topic
    if (one := _ONE.fullmatch(topic)) is not None:
        kind = one[1]
        try:
            name = f"{kind}:{UUID(one[2])}"
        except ValueError as error:
            raise UnknownTopicError from error
    elif topic not in ("tasks", "campaigns", "messages", "workers", "routes"):
        raise UnknownTopicError
    if not caller.role.allows(_NEEDED[kind]):
        raise ForbiddenError
    return name


def topics_of(event: Event) -> tuple[str, ...]:
    """Return the topics that an event belongs to, the narrowest first."""
    kind, _, identifier = event.topic.partition(":")
    if kind in ("task", "tasks"):
        task_id = identifier or event.data.get("task_id")
        if event.type == "task.progress":  # for those who look at this one
            return (f"task:{task_id}",)
        return (f"task:{task_id}", "tasks")
    if kind in ("campaign", "campaigns"):
        campaign_id = identifier or event.data.get("campaign_id")
        return (f"campaign:{campaign_id}", "campaigns")
    if kind == "message":
        return (event.topic, "messages")
    return (event.topic,)
