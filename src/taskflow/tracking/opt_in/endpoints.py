"""Public pages: the form of a list, and the confirmation of a double opt-in.

GET only shows; POST acts. The form answers everybody the same, so that it tells nobody who is on a list.
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from taskflow.audience.consent.confirmation import Confirmations
from taskflow.audience.consent.form import SubscriptionForm
from taskflow.audience.consent.models import Evidence
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.models import InvalidContactError
from taskflow.audience.contacts.service import ContactService
from taskflow.audience.lists.repository import wording_of
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.errors import NotFoundError
from taskflow.base.signing import InvalidSignatureError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.identity.access import Trail, audited, public, service
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings
from taskflow.tracking.links import ConfirmationLinks
from taskflow.tracking.opt_in import pages
from taskflow.tracking.suppression import masked

_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_NAMES = ("first_name", "last_name")
_MOST_CHARS = 400
_MOST_FIELDS = 20
_HTML: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such page.", "content": {"text/html": {}}}}
_FORM_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "required": ["email"],
                    "properties": {name: {"type": "string"} for name in ("email", *_NAMES, "locale")},
                }
            }
            for kind in ("application/x-www-form-urlencoded", "application/json")
        },
    }
}


async def _links(settings: Annotated[Settings, service(Settings)]) -> ConfirmationLinks:
    return ConfirmationLinks(signing_key(settings).get_secret_value().encode(), settings.http.base_url)


async def _confirmations(
    database: Annotated[Database, service(Database)], settings: Annotated[Settings, service(Settings)]
) -> Confirmations:
    return Confirmations(database.pool, settings.audience, ErasureKey(signing_key(settings)))


async def _form(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    settings: Annotated[Settings, service(Settings)],
) -> SubscriptionForm:
    contacts = ContactService(database, settings.audience)
    consents = ConsentService(database, broker, settings.audience)
    return SubscriptionForm(database, contacts, consents, ErasureKey(signing_key(settings)))


Links = Annotated[ConfirmationLinks, Depends(_links)]
Requests = Annotated[Confirmations, Depends(_confirmations)]
Form = Annotated[SubscriptionForm, Depends(_form)]

root_router = APIRouter(tags=["opt-in"])


@root_router.get("/confirm/{token}", dependencies=[public()], response_class=HTMLResponse, responses=_HTML)
async def confirmation_page(token: str, links: Links, requests: Requests) -> HTMLResponse:
    """Show what is to be confirmed; changes nothing, because mail scanners follow links."""
    try:
        found = await requests.of_link(*links.read(token))
    except (InvalidSignatureError, NotFoundError):
        return HTMLResponse(pages.gone(), 404, _HEADERS)
    shown = masked(found.email)
    if found.is_done:
        return HTMLResponse(pages.confirmed(shown, found.list_name), 200, _HEADERS)
    return HTMLResponse(pages.question(shown, found.list_name, found.wording), 200, _HEADERS)


@root_router.post(
    "/confirm/{token}",
    dependencies=[public(), audited("subscription.confirm")],
    response_class=HTMLResponse,
    responses=_HTML,
)
async def confirm(token: str, request: Request, links: Links, requests: Requests, trail: Trail) -> HTMLResponse:
    """Confirm the subscription of this link; a repetition changes nothing."""
    try:
        found = await requests.confirm(*links.read(token), _evidence(request, "page"))
    except (InvalidSignatureError, NotFoundError):
        trail.nothing_changed()
        return HTMLResponse(pages.gone(), 404, _HEADERS)
    trail.target(found.contact_id, list_id=str(found.list_id))
    if found.is_done:
        trail.nothing_changed()
    return HTMLResponse(pages.confirmed(masked(found.email), found.list_name), 200, _HEADERS)


@root_router.get("/subscribe/{list_id}", dependencies=[public()], response_class=HTMLResponse, responses=_HTML)
async def subscription_form(list_id: str, forms: Form) -> HTMLResponse:
    """Show the form of a public list."""
    try:
        row = await forms.mailing_list(UUID(list_id))
    except (NotFoundError, ValueError):
        return HTMLResponse(pages.gone(), 404, _HEADERS)
    return HTMLResponse(pages.form(row["name"], wording_of(row)), 200, _HEADERS)


@root_router.post(
    "/subscribe/{list_id}",
    dependencies=[public(), audited("subscription.request")],
    response_class=HTMLResponse,
    responses=_HTML,
    openapi_extra=_FORM_BODY,
)
async def subscribe(list_id: str, request: Request, forms: Form, trail: Trail) -> Response:
    """Ask to be on a public list, by a form or as JSON; the answer is the same whoever asks."""
    trail.nothing_changed()  # a stranger does not fill the audit log: the history of consent has it
    as_json = request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"
    try:
        row = await forms.mailing_list(UUID(list_id))
    except (NotFoundError, ValueError):
        return HTMLResponse(pages.gone(), 404, _HEADERS)
    given = _fields(await request.body(), as_json=as_json)
    try:
        if not given.get(pages.TRAP):
            names = {name: given[name] for name in _NAMES if given.get(name)}
            evidence = _evidence(request, "form", wording_of(row))
            await forms.submit(row["list_id"], given.get("email", ""), names, given.get("locale") or None, evidence)
    except InvalidContactError as error:
        if as_json:
            raise
        return HTMLResponse(pages.form(row["name"], wording_of(row), str(error)), 422, _HEADERS)
    if as_json:
        return Response(orjson.dumps({"status": "received"}), 202, _HEADERS, "application/json")
    return HTMLResponse(pages.received(row["name"]), 202, _HEADERS)


def _fields(body: bytes, *, as_json: bool) -> Mapping[str, str]:
    """Return the texts of a form; whatever else was sent is left out."""
    try:
        if as_json:
            found = orjson.loads(body)
            pairs = list(found.items())[:_MOST_FIELDS] if isinstance(found, dict) else []
        else:
            parsed = parse_qs(body.decode(), max_num_fields=_MOST_FIELDS)
            pairs = [(name, values[0]) for name, values in parsed.items()]
    except ValueError:  # no JSON, no UTF-8, too many fields
        return {}
    return {name: value[:_MOST_CHARS] for name, value in pairs if isinstance(value, str)}


def _evidence(request: Request, source: str, wording: str | None = None) -> Evidence:
    return Evidence(source, wording, request.state.address, _printable(request.headers.get("user-agent")))


def _printable(text: str | None) -> str | None:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text[:500]) if text else None
