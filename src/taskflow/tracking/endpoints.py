"""The unsubscribe page and its button; one-click unsubscribe (RFC 8058) POSTs to the same address."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from taskflow.base.errors import NotFoundError
from taskflow.base.signing import InvalidSignatureError
from taskflow.db.pool import Database
from taskflow.delivery.unsubscribe_links import UnsubscribeLinks
from taskflow.identity.access import Trail, audited, public, service
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings
from taskflow.tracking import pages
from taskflow.tracking.suppression import Suppression

_ONE_CLICK = b"One-Click"  # urlencoded or as a form of parts
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

root_router = APIRouter(tags=["unsubscribe"])


async def _links(settings: Annotated[Settings, service(Settings)]) -> UnsubscribeLinks:
    return UnsubscribeLinks(signing_key(settings).get_secret_value().encode(), settings.http.base_url)


async def _suppression(database: Annotated[Database, service(Database)]) -> Suppression:
    return Suppression(database.pool)


Links = Annotated[UnsubscribeLinks, Depends(_links)]
Suppressions = Annotated[Suppression, Depends(_suppression)]


@root_router.get(
    "/unsubscribe/{token}",
    dependencies=[public()],
    response_class=HTMLResponse,
    responses={404: {"description": "The link does not work.", "content": {"text/html": {}}}},
)
async def unsubscribe_page(token: str, links: Links, suppressions: Suppressions) -> HTMLResponse:
    """Show the page that asks whether to unsubscribe; changes nothing."""
    try:
        found = await suppressions.find(*links.read(token))
    except (InvalidSignatureError, NotFoundError):
        return HTMLResponse(pages.invalid(), 404, _HEADERS)
    names = [one.name for one in found.lists]
    if found.is_left:
        page = pages.confirmation(found.masked, found.sender, names, everything=found.is_suppressed)
    else:
        page = pages.question(found.masked, found.sender, names)
    return HTMLResponse(page, 200, _HEADERS)


@root_router.post(
    "/unsubscribe/{token}",
    dependencies=[public(), audited("recipient.unsubscribe")],
    response_class=HTMLResponse,
)
async def unsubscribe(
    token: str, request: Request, links: Links, suppressions: Suppressions, trail: Trail
) -> HTMLResponse:
    """Unsubscribe the recipient of this link: from the lists of that mail, or with `scope=everything` from all mail."""
    call_id, recipient_id = links.read(token)
    body = await request.body()
    source = "one-click" if _ONE_CLICK in body else "page"
    everything = parse_qs(body.decode(errors="replace")).get(pages.SCOPE) == [pages.EVERYTHING]
    found = await suppressions.unsubscribe(call_id, recipient_id, source, request.state.address, everything=everything)
    everything = everything or not found.of_list
    lists = [] if everything else found.lists
    trail.target(recipient_id, call_id=str(call_id), source=source, lists=[str(one.list_id) for one in lists] or "all")
    if found.is_suppressed if everything else found.is_left:
        trail.nothing_changed()
    done = everything or found.is_suppressed
    page = pages.confirmation(found.masked, found.sender, [one.name for one in lists], everything=done)
    return HTMLResponse(page, 200, _HEADERS)
