"""The unsubscribe page and its button; one-click unsubscribe (RFC 8058) POSTs to the same address."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from taskflow.base.errors import NotFoundError
from taskflow.base.signing import InvalidSignatureError
from taskflow.db.pool import Database
from taskflow.identity.access import Trail, audited, public, service
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings
from taskflow.tracking import pages
from taskflow.tracking.links import UnsubscribeLinks, base_url
from taskflow.tracking.suppression import Suppression

_ONE_CLICK = b"List-Unsubscribe=One-Click"
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}

root_router = APIRouter(tags=["unsubscribe"])


async def _links(settings: Annotated[Settings, service(Settings)]) -> UnsubscribeLinks:
    return UnsubscribeLinks(signing_key(settings).get_secret_value().encode(), base_url(settings.http))


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
    page = pages.confirmation if found.is_suppressed else pages.question
    return HTMLResponse(page(found.masked, found.sender), 200, _HEADERS)


@root_router.post(
    "/unsubscribe/{token}",
    dependencies=[public(), audited("recipient.unsubscribe")],
    response_class=HTMLResponse,
)
async def unsubscribe(
    token: str, request: Request, links: Links, suppressions: Suppressions, trail: Trail
) -> HTMLResponse:
    """Unsubscribe the recipient of this link."""
    campaign_id, recipient_id = links.read(token)
    source = "one-click" if _ONE_CLICK in await request.body() else "page"
    found = await suppressions.unsubscribe(campaign_id, recipient_id, source, request.state.address)
    trail.target(recipient_id, campaign_id=str(campaign_id), source=source)
    if found.is_suppressed:
        trail.nothing_changed()
    return HTMLResponse(pages.confirmation(found.masked, found.sender), 200, _HEADERS)
