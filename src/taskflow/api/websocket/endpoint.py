"""The route `/api/v1/ws`. The middleware has checked origin and credential before anything is accepted."""

from typing import Annotated

from fastapi import APIRouter, WebSocket

from taskflow.api.problems import problem_response
from taskflow.api.websocket.hub import EventHub, TooManySocketsError
from taskflow.api.websocket.session import SocketSession
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
