"""Routes of persons' rights. They are for administrators."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

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
from taskflow.privacy.schemas import ErasureIn, ErasureOut, Person, PersonalData
from taskflow.privacy.service import PrivacyService
from taskflow.settings import Settings

router = APIRouter(prefix="/privacy", tags=["privacy"], dependencies=[require(Role.ADMIN)])


async def _privacy(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    settings: Annotated[Settings, service(Settings)],
) -> PrivacyService:
    return PrivacyService(database, broker, settings)


Privacy = Annotated[PrivacyService, Depends(_privacy)]


@router.post("/exports", dependencies=[audited("person.export")])
async def export_person(body: Person, privacy: Privacy, trail: Trail) -> PersonalData:
    """Hand out everything that is stored about one person."""
    subject = await privacy.find(body.contact_id, body.email, body.phone)
    if subject.contact_id is not None:
        trail.target(subject.contact_id)
    return PersonalData(**await privacy.export(subject))


@router.post("/erasures", status_code=202, dependencies=[audited("person.erase")])
async def erase_person(
    body: ErasureIn, caller: Caller, privacy: Privacy, reserved: ReservedId, trail: Trail
) -> ErasureOut:
    """Erase one person everywhere, in the background; from this moment on nobody writes to them."""
    subject = await privacy.find(body.contact_id, body.email, body.phone)
    row = await privacy.ask(
        subject, suppress=body.suppress, reason=body.reason, requested_by=caller.user_id, erasure_id=reserved
    )
    trail.target(row["erasure_id"], suppress=body.suppress)
    return ErasureOut.of(row)


@router.get("/erasures")
async def list_erasures(privacy: Privacy, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None) -> Page[ErasureOut]:
    """List erasures, newest first; none says who it was."""
    rows, following = await privacy.page(cursor, limit)
    return Page(items=[ErasureOut.of(row) for row in rows], next_cursor=following)


@router.get("/erasures/{erasure_id}")
async def get_erasure(erasure_id: UUID, privacy: Privacy) -> ErasureOut:
    """Get an erasure and what it found."""
    return ErasureOut.of(await privacy.get(erasure_id))
