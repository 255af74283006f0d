"""Routes of the router: what providers and recipient domains are doing, and a hand on breakers and limits."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.delivery.providers.schemas import Domain as DomainName
from taskflow.delivery.router.board import RouteBoard
from taskflow.delivery.router.recipient_domains import RecipientDomains
from taskflow.delivery.router.schemas import BreakerSwitch, DomainLimit, RecipientDomainOut, RouteOut
from taskflow.identity.access import DEFAULT_PAGE, Caller, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role

Board = Annotated[RouteBoard, service(RouteBoard)]
Domains = Annotated[RecipientDomains, service(RecipientDomains)]
Domain = Annotated[DomainName, Path(description="A recipient domain, as gmail.com; subdomains are others.")]
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


@router.get("/domains")
async def list_recipient_domains(
    domains: Domains,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
    throttled: Annotated[bool, Query(description="Only those that get less now than there may be for them.")] = False,
) -> Page[RecipientDomainOut]:
    """List recipient domains that have a limit or have asked for less, by name."""
    [after] = decode_cursor(cursor, str) if cursor else ("",)
    states = [one for one in await domains.look() if one.domain > after and (one.is_throttled or not throttled)]
    following = encode_cursor(states[limit - 1].domain) if len(states) > limit else None
    return Page(items=[RecipientDomainOut.of(state) for state in states[:limit]], next_cursor=following)


@router.put(
    "/domains/{domain}",
    status_code=204,
    dependencies=[require(Role.OPERATOR), audited("route.limit_domain", target="domain")],
)
async def limit_recipient_domain(
    domain: Domain, body: DomainLimit, caller: Caller, domains: Domains, trail: Trail
) -> Response:
    """Limit what goes to a recipient domain, over all providers; it holds within two seconds, for all workers."""
    await domains.limit(domain, body.budgets, by=caller.user_id)
    trail.target(domain, **body.model_dump(exclude_none=True))
    return Response(status_code=204)


@router.delete(
    "/domains/{domain}",
    status_code=204,
    dependencies=[require(Role.OPERATOR), audited("route.unlimit_domain", target="domain")],
)
async def unlimit_recipient_domain(domain: Domain, domains: Domains, trail: Trail) -> Response:
    """Take the limit of a recipient domain away; what it has asked for itself stays."""
    await domains.unlimit(domain)
    trail.target(domain)
    return Response(status_code=204)
