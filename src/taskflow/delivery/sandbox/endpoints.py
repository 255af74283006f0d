"""Routes of the sandbox inbox."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query
from fastapi.responses import Response

from taskflow.base.pagination import Page
from taskflow.db.pool import Database
from taskflow.delivery.sandbox.schemas import InboxRule, Mail, MailDetail
from taskflow.delivery.sandbox.service import Inbox
from taskflow.identity.access import DEFAULT_PAGE, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role


async def _inbox(database: Annotated[Database, service(Database)]) -> Inbox:
    return Inbox(database.pool)


Mails = Annotated[Inbox, Depends(_inbox)]

router = APIRouter(prefix="/inbox", tags=["inbox"], dependencies=[require(Role.VIEWER)])

_MARKETER = require(Role.MARKETER)


@router.get("")
async def list_mails(
    inbox: Mails,
    q: Annotated[
        str | None,
        Query(max_length=200, pattern=r"^[^\x00]*$", description="Part of a sender, a recipient or a subject."),
    ] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[Mail]:
    """List received messages, newest first."""
    return await inbox.list_mails(q, cursor, limit)


@router.delete("", status_code=204, dependencies=[_MARKETER, audited("inbox.clear")])
async def clear_inbox(inbox: Mails) -> None:
    """Delete every received message; campaigns and their recipients are not touched."""
    await inbox.clear()


@router.get("/rules")
async def list_inbox_rules(inbox: Mails) -> list[InboxRule]:
    """List where the sandbox fails on purpose."""
    return await inbox.rules()


@router.put("/rules", dependencies=[_MARKETER, audited("inbox.rules")])
async def replace_inbox_rules(
    rules: Annotated[list[InboxRule], Body(max_length=1_000)], inbox: Mails, trail: Trail
) -> list[InboxRule]:
    """Replace the rules; the sandbox follows within a quarter of a second."""
    found = await inbox.replace_rules(rules)
    trail.target("rules", rules=len(found))
    return found


@router.get("/{message_id}")
async def get_mail(message_id: UUID, inbox: Mails) -> MailDetail:
    """Get a message with its headers, text and HTML."""
    return await inbox.mail(message_id)


@router.get("/{message_id}/raw", response_class=Response, responses={200: {"content": {"message/rfc822": {}}}})
async def get_raw_mail(message_id: UUID, inbox: Mails) -> Response:
    """Download a message byte for byte."""
    headers = {
        "Content-Disposition": f'attachment; filename="{message_id}.eml"',
        "X-Content-Type-Options": "nosniff",
    }
    return Response(await inbox.raw(message_id), media_type="message/rfc822", headers=headers)
