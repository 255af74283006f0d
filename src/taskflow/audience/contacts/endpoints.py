"""Routes of contacts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from taskflow.audience.consent.models import Evidence, SubscriptionStatus
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.bulk import BulkService, bulk_request
from taskflow.audience.contacts.enrolment import Enrolment
from taskflow.audience.contacts.fields import FieldService
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import ContactStatus
from taskflow.audience.contacts.repository import EXPORT_COLUMNS, ContactReader
from taskflow.audience.contacts.schemas import (
    BulkChange,
    BulkOut,
    ContactChange,
    ContactOut,
    EventOut,
    FieldChange,
    FieldName,
    FieldOut,
    FieldsOut,
    NewContact,
    NewEvent,
    NewField,
    TagOut,
)
from taskflow.audience.contacts.service import ContactService
from taskflow.audience.exports import csv_chunks
from taskflow.base.bodies import Instant
from taskflow.base.pagination import Page
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.pool import Database
from taskflow.engine.client import Engine
from taskflow.engine.schemas import Text
from taskflow.identity.access import (
    DEFAULT_PAGE,
    Caller,
    Cursor,
    Limit,
    ReservedId,
    Trail,
    audited,
    csv_download,
    require,
    service,
)
from taskflow.identity.models import Role
from taskflow.settings import Settings

_MARKETER = require(Role.MARKETER)


async def _contacts(
    database: Annotated[Database, service(Database)], settings: Annotated[Settings, service(Settings)]
) -> ContactService:
    return ContactService(database, settings.audience)


async def _consents(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    settings: Annotated[Settings, service(Settings)],
) -> ConsentService:
    return ConsentService(database, broker, settings.audience)


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
        search, email, phone, status, tuple(tag) if tag else None, list_id, list_status,
        created_after, created_before,
    ).normalised()  # fmt: skip


Wanted = Annotated[ContactFilter, Depends(_wanted)]
Contacts = Annotated[ContactService, Depends(_contacts)]
Reader = Annotated[ContactReader, Depends(_reader)]


async def _bulk(
    database: Annotated[Database, service(Database)], consents: Annotated[ConsentService, Depends(_consents)]
) -> BulkService:
    return BulkService(database, consents)


async def _enrolment(
    database: Annotated[Database, service(Database)],
    contacts: Contacts,
    consents: Annotated[ConsentService, Depends(_consents)],
) -> Enrolment:
    return Enrolment(database, contacts, consents)


async def _engine(
    database: Annotated[Database, service(Database)], broker: Annotated[RedisBroker, service(RedisBroker)]
) -> Engine:
    return Engine(database, broker)


async def _fields(database: Annotated[Database, service(Database)]) -> FieldService:
    return FieldService(database.pool)


Enrolments = Annotated[Enrolment, Depends(_enrolment)]
Bulk = Annotated[BulkService, Depends(_bulk)]
Tasks = Annotated[Engine, Depends(_engine)]
Declared = Annotated[FieldService, Depends(_fields)]

fields = APIRouter(prefix="/contact-fields", tags=["contacts"], dependencies=[require(Role.VIEWER)])
tags = APIRouter(prefix="/tags", tags=["contacts"], dependencies=[require(Role.VIEWER)])
router = APIRouter(prefix="/contacts", tags=["contacts"], dependencies=[require(Role.VIEWER)])


@router.post("", status_code=201, dependencies=[_MARKETER, audited("contact.create")])
async def create_contact(
    body: NewContact,
    enrolment: Enrolments,
    caller: Caller,
    request: Request,
    reserved: ReservedId,
    trail: Trail,
    response: Response,
) -> ContactOut:
    """Make a contact, on lists if you like; 200 instead of 201 when one was there and `if_exists` is `update`."""
    saved = await enrolment.create(
        body.values(),
        body.attributes,
        body.lists,
        Evidence("api", body.wording, request.state.address, actor=caller.actor),
        confirmed=body.confirmed,
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


@router.post("/bulk", dependencies=[_MARKETER, audited("contact.bulk")])
async def change_contacts(
    body: BulkChange,
    bulk: Bulk,
    engine: Tasks,
    caller: Caller,
    request: Request,
    reserved: ReservedId,
    trail: Trail,
    response: Response,
) -> BulkOut:
    """Do one thing to many contacts: at once to those named by id, by a task (202) to those that a filter means."""
    change = await bulk.check(body.to_change(caller.actor, request.state.address))
    trail.entry.detail.update(action=body.action, whom=_whom(body))
    if body.ids is not None:
        changed = await bulk.apply(change, body.ids)
        trail.entry.detail.update(changed=changed)
        return BulkOut(changed=changed, task_id=None)
    wanted = body.filter.to_filter() if body.filter else ContactFilter()
    handle = await engine.submit(bulk_request(wanted, change, reserved, caller.user_id))
    trail.entry.detail.update(task_id=str(handle.task_id))
    response.status_code = 202
    return BulkOut(changed=None, task_id=handle.task_id)


@router.get("/export.csv", dependencies=[_MARKETER, audited("contact.export")], response_class=StreamingResponse)
async def export_contacts(reader: Reader, wanted: Wanted, trail: Trail) -> StreamingResponse:
    """Download contacts as CSV, safe to open in a spreadsheet; declared attributes have columns of their own."""
    columns = await reader.export_columns()
    trail.entry.detail.update(filtered=not wanted.is_empty)
    chunks = csv_chunks([*EXPORT_COLUMNS, *columns, "attributes"], reader.export(wanted, columns))
    return csv_download(chunks, "contacts.csv")


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


@router.post(
    "/{contact_id}/events", status_code=201, dependencies=[_MARKETER, audited("contact.event", target="contact_id")]
)
async def note_event(
    contact_id: UUID, body: NewEvent, contacts: Contacts, reserved: ReservedId, trail: Trail
) -> EventOut:
    """Write down that a contact opened or clicked something of another system: segments ask for it."""
    row = await contacts.note_event(contact_id, body.event, body.occurred_at, body.source, reserved)
    trail.target(contact_id, event=body.event, source=body.source)
    return EventOut.of(dict(row))


@router.delete(
    "/{contact_id}", status_code=204, dependencies=[_MARKETER, audited("contact.delete", target="contact_id")]
)
async def delete_contact(contact_id: UUID, contacts: Contacts) -> Response:
    """Delete a contact with its subscriptions and consents; what was sent to it stays in its campaigns."""
    await contacts.delete(contact_id)
    return Response(status_code=204)


@fields.get("")
async def list_fields(declared: Declared) -> FieldsOut:
    """List what attributes mean, by name."""
    return FieldsOut(items=[FieldOut(**row) for row in await declared.list_fields()])


@fields.post("", status_code=201, dependencies=[_MARKETER, audited("field.create")])
async def create_field(body: NewField, declared: Declared, trail: Trail) -> FieldOut:
    """Declare an attribute; what contacts have there already stays as it is until it is written again."""
    row = await declared.create(body.name, body.label, body.type, body.choices)
    trail.target(body.name, type=body.type)
    return FieldOut(**row)


@fields.patch("/{name}", dependencies=[_MARKETER, audited("field.update", target="name")])
async def update_field(name: FieldName, body: FieldChange, declared: Declared) -> FieldOut:
    """Change how a field is called, or its choices."""
    return FieldOut(**await declared.update(name, body.label, body.choices))


@fields.delete("/{name}", status_code=204, dependencies=[_MARKETER, audited("field.delete", target="name")])
async def delete_field(name: FieldName, declared: Declared) -> Response:
    """Forget what an attribute means; contacts keep it as a free one."""
    await declared.delete(name)
    return Response(status_code=204)


@tags.get("")
async def list_tags(reader: Reader, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[TagOut]:
    """List the tags in use, by name."""
    rows, following = await reader.tags(cursor, limit)
    return Page(items=[TagOut(**row) for row in rows], next_cursor=following)


def _whom(body: BulkChange) -> str:
    if body.ids is not None:
        return f"{len(body.ids)} by id"
    return "everybody" if body.everybody else "by filter"
