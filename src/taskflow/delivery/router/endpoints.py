"""Routes of the router: what providers are doing, and a hand on their breakers."""

from typing import Annotated

from fastapi import APIRouter, Path

from taskflow.base.pagination import Page
from taskflow.delivery.router.board import RouteBoard
from taskflow.delivery.router.schemas import BreakerSwitch, RouteOut
from taskflow.identity.access import Trail, audited, require, service
from taskflow.identity.models import Role

Board = Annotated[RouteBoard, service(RouteBoard)]
Name = Annotated[str, Path(max_length=100, description="The provider's name.")]

router = APIRouter(prefix="/routes", tags=["routes"], dependencies=[require(Role.VIEWER)])


@router.get("")
async def list_routes(board: Board) -> Page[RouteOut]:
    """List providers in the order in which they are asked: breaker, budgets, and why one takes nothing now."""
    states = await board.look()
    history = await board.history([state.route.name for state in states])
    return Page(items=[RouteOut.of(state, history[state.route.name]) for state in states])


@router.post("/{name}/breaker", dependencies=[require(Role.OPERATOR), audited("route.breaker", target="name")])
async def switch_breaker(name: Name, body: BreakerSwitch, board: Board, trail: Trail) -> RouteOut:
    """Force a provider's breaker open or closed, or let it decide by itself again (`auto`)."""
    state = await board.switch(name, body.word)
    trail.target(name, state=body.state)
    return RouteOut.of(state, (await board.history([name]))[name])
