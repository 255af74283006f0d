"""Routes of a contact's subscriptions and consents."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from taskflow.audience.consent.models import ConsentAction, Evidence
from taskflow.audience.consent.repository import ConsentReader
from taskflow.audience.consent.schemas import ConsentOut, NewConsent, SubscriptionOut, SubscriptionsOut
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.repository import ContactReader
from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    require,
    service,
)
from taskflow.identity.models import Role
from taskflow.settings import Settings


async def _service(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    settings: Annotated[Settings, service(Settings)],
) -> ConsentService:
    return ConsentService(database, broker, settings.audience)


async def _reader(database: Annotated[Database, service(Database)]) -> ConsentReader:
    return ConsentReader(database.pool)


async def _contacts(database: Annotated[Database, service(Database)]) -> ContactReader:
    return ContactReader(database.pool)


Consents = Annotated[ConsentService, Depends(_service)]
Reader = Annotated[ConsentReader, Depends(_reader)]
Contacts = Annotated[ContactReader, Depends(_contacts)]

router = APIRouter(prefix="/contacts/{contact_id}", tags=["contacts"], dependencies=[require(Role.VIEWER)])

_MARKETER = require(Role.MARKETER)


@router.get("/subscriptions")
async def list_subscriptions(contact_id: UUID, reader: Reader, contacts: Contacts) -> SubscriptionsOut:
    """List the lists that a contact is on, waits for, or has left, by name."""
    await contacts.contact(contact_id)
    return SubscriptionsOut(items=[SubscriptionOut.of(dict(row)) for row in await reader.subscriptions(contact_id)])


@router.post(
    "/subscriptions/{list_id}/resend",
    status_code=202,
    dependencies=[_MARKETER, audited("subscription.resend", target="contact_id")],
)
async def resend_confirmation(
    contact_id: UUID, list_id: UUID, consents: Consents, caller: Caller, request: Request, trail: Trail
) -> Response:
    """Ask once more for the confirmation of a pending subscription; a few times a day at most."""
    await consents.ask_again(contact_id, list_id, Evidence("api", address=request.state.address, actor=caller.actor))
    trail.target(contact_id, list_id=str(list_id))
    return Response(status_code=202)


@router.get("/consents")
async def list_consents(
    contact_id: UUID, reader: Reader, contacts: Contacts, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[ConsentOut]:
    """List what a contact agreed to and took back, newest first."""
    await contacts.contact(contact_id)
    rows, following = await reader.history(contact_id, cursor, limit)
    return Page(items=[ConsentOut.of(dict(row)) for row in rows], next_cursor=following)


@router.post("/consents", status_code=201, dependencies=[_MARKETER, audited("consent.record", target="contact_id")])
async def record_consent(
    contact_id: UUID,
    body: NewConsent,
    consents: Consents,
    caller: Caller,
    request: Request,
    reserved: ReservedId,
    trail: Trail,
) -> ConsentOut:
    """Write down what a person said to you; what they took back is heeded at once."""
    evidence = Evidence(body.source, body.wording, request.state.address, actor=caller.actor)
    row = await consents.record(
        contact_id, ConsentAction(body.action), body.channel, body.list_id, evidence, consent_id=reserved
    )
    trail.target(contact_id, action=body.action, list_id=str(body.list_id) if body.list_id else None)
    return ConsentOut.of(dict(row))
