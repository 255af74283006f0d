"""Routes of contacts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from taskflow.audience.consent.models import SubscriptionStatus
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import ContactStatus
from taskflow.audience.contacts.repository import ContactReader
from taskflow.audience.contacts.schemas import ContactChange, ContactOut, NewContact
from taskflow.audience.contacts.service import ContactService
from taskflow.base.bodies import Instant
from taskflow.base.pagination import Page
from taskflow.db.pool import Database
from taskflow.engine.schemas import Text
from taskflow.identity.access import DEFAULT_PAGE, Cursor, Limit, ReservedId, Trail, audited, require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings

_MARKETER = require(Role.MARKETER)


async def _contacts(
    database: Annotated[Database, service(Database)], settings: Annotated[Settings, service(Settings)]
) -> ContactService:
    return ContactService(database, settings.audience)


async def _reader(database: Annotated[Database, service(Database)]) -> ContactReader:
    return ContactReader(database.pool)


async def _wanted(
    search: Annotated[Text | None, Query(description="How the address, the phone or a name begins.")] = None,
    email: Annotated[Text | None, Query(description="Exactly this address.")] = None,
    phone: Annotated[Text | None, Query(description="Exactly this phone, in E.164.")] = None,
    status: ContactStatus | None = None,
    tag: Annotated[list[Text] | None, Query(max_length=20, description="All of these.")] = None,
    list_id: UUID | None = None,
    list_status: Annotated[SubscriptionStatus | None, Query(description="Of the subscription to `list_id`.")] = None,
    created_after: Instant | None = None,
    created_before: Instant | None = None,
) -> ContactFilter:
    return ContactFilter(
        search, email, phone, status, tuple(text.lower() for text in tag) if tag else None, list_id, list_status,
        created_after, created_before,
    )  # fmt: skip


Wanted = Annotated[ContactFilter, Depends(_wanted)]
Contacts = Annotated[ContactService, Depends(_contacts)]
Reader = Annotated[ContactReader, Depends(_reader)]

router = APIRouter(prefix="/contacts", tags=["contacts"], dependencies=[require(Role.VIEWER)])


@router.post("", status_code=201, dependencies=[_MARKETER, audited("contact.create")])
async def create_contact(
    body: NewContact, contacts: Contacts, reserved: ReservedId, trail: Trail, response: Response
) -> ContactOut:
    """Make a contact; 200 instead of 201 when one was there and `if_exists` is `update`."""
    saved = await contacts.create(
        body.values(),
        body.attributes,
        region=body.phone_region,
        update=body.if_exists == "update",
        contact_id=reserved,
    )
    trail.target(saved.row["contact_id"], is_new=saved.is_new)
    response.status_code = 201 if saved.is_new else 200
    return ContactOut.of(dict(saved.row))


@router.get("")
async def list_contacts(
    reader: Reader, wanted: Wanted, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[ContactOut]:
    """List contacts, newest first."""
    rows, following = await reader.list_contacts(wanted, cursor, limit)
    return Page(items=[ContactOut.of(dict(row)) for row in rows], next_cursor=following)


@router.get("/{contact_id}")
async def get_contact(contact_id: UUID, reader: Reader) -> ContactOut:
    """Get a contact."""
    return ContactOut.of(dict(await reader.contact(contact_id)))


@router.patch("/{contact_id}", dependencies=[_MARKETER, audited("contact.update", target="contact_id")])
async def update_contact(contact_id: UUID, body: ContactChange, contacts: Contacts, trail: Trail) -> ContactOut:
    """Change a contact."""
    row = await contacts.update(contact_id, body.values(), body.attributes, region=body.phone_region)
    trail.target(contact_id, changed=sorted(body.model_fields_set))
    return ContactOut.of(dict(row))


@router.delete(
    "/{contact_id}", status_code=204, dependencies=[_MARKETER, audited("contact.delete", target="contact_id")]
)
async def delete_contact(contact_id: UUID, contacts: Contacts) -> Response:
    """Delete a contact with its subscriptions and consents; what was sent to it stays in its campaigns."""
    await contacts.delete(contact_id)
    return Response(status_code=204)
