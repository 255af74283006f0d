"""The routes `/api/v1/ws` and `/api/v1/events`: two ways to hear live events from one hub.

The middleware has checked origin and credential before anything is accepted.
"""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response, WebSocket

from taskflow.api.problems import problem_response
from taskflow.api.websocket.hub import EventHub, TooManySocketsError
from taskflow.api.websocket.server_sent import MEDIA_TYPE, EventStreamResponse
from taskflow.api.websocket.session import MAX_TOPICS, SocketSession
from taskflow.api.websocket.topics import check_topic
from taskflow.identity.access import Caller, require, service
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Role

router = APIRouter(tags=["events"])


@router.websocket("/ws", dependencies=[require(Role.VIEWER)])
async def events(
    socket: WebSocket,
    caller: Caller,
    hub: Annotated[EventHub, service(EventHub)],
    authenticator: Annotated[Authenticator, service(Authenticator)],
) -> None:
    """Send live events: see `taskflow.api.websocket.session` for the protocol."""
    try:
        with hub.seat(caller.user_id):
            await socket.accept()
            await SocketSession(socket, caller, hub, authenticator).run()
    except TooManySocketsError as error:
        await socket.send_denial_response(problem_response(error, socket.state.request_id))


@router.get(
    "/events",
    dependencies=[require(Role.VIEWER)],
    response_class=Response,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def stream_events(
    request: Request,
    caller: Caller,
    hub: Annotated[EventHub, service(EventHub)],
    authenticator: Annotated[Authenticator, service(Authenticator)],
    topic: Annotated[
        list[str],
        Query(
            min_length=1,
            max_length=MAX_TOPICS,
            description="tasks, campaigns, messages, one of them (task:<id>), workers, routes; repeat it for several.",
        ),
    ],
    last_event_id: Annotated[
        str | None, Header(max_length=200, description="Of the last event received: go on behind it.")
    ] = None,
) -> Response:
    """Stream live events as server-sent events: see `taskflow.api.websocket.server_sent` for the messages."""
    return EventStreamResponse(
        caller,
        hub,
        authenticator,
        topics=frozenset(check_topic(name, caller) for name in topic),
        given=last_event_id,
        is_stopping=request.app.state.is_stopping,
    )
