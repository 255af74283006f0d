"""Where providers post what they tell, and routes to read it."""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import SecretStr

from taskflow.base.envelope import Vault
from taskflow.base.errors import InvalidInputError
from taskflow.base.pagination import Page
from taskflow.db.pool import Database
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.providers.sms.hooks import ReportStatus
from taskflow.delivery.sms.inbound.hooks import TWILIO, SmsHooks
from taskflow.delivery.sms.inbound.keywords import MOST_CHARS, Action, Keyword, normalise
from taskflow.delivery.sms.inbound.of_providers import ProviderHooks
from taskflow.delivery.sms.inbound.repository import InboundReader
from taskflow.delivery.sms.inbound.schemas import SmsHook, SmsKeyword, SmsReply, SmsReport, SmsStanding
from taskflow.delivery.sms.inbound.service import Inbound
from taskflow.delivery.sms.inbound.tokens import twilio_tokens
from taskflow.identity.access import DEFAULT_PAGE, Cursor, Limit, Trail, audited, public, require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings

router = APIRouter(prefix="/sms", tags=["sms"], dependencies=[require(Role.VIEWER)])
root_router = APIRouter(tags=["sms"])
_ADMIN = require(Role.ADMIN)

TokensOfTwilio = Callable[[], Awaitable[list[SecretStr]]]


class KeywordsError(InvalidInputError):
    """These keywords cannot be used."""

    code = "invalid_keywords"


async def _hooks(settings: Annotated[Settings, service(Settings)]) -> SmsHooks:
    return SmsHooks(settings)


async def _of_providers(
    database: Annotated[Database, service(Database)],
    registry: Annotated[Registry, service(Registry)],
    opener: Annotated[Opener, service(Opener)],
) -> ProviderHooks:
    return ProviderHooks(ProviderReader(database.pool), registry, opener)


async def _inbound(database: Annotated[Database, service(Database)]) -> Inbound:
    return Inbound(database.pool)


async def _reader(database: Annotated[Database, service(Database)]) -> InboundReader:
    return InboundReader(database.pool)


async def _tokens(
    database: Annotated[Database, service(Database)],
    vault: Annotated[Vault, service(Vault)],
    settings: Annotated[Settings, service(Settings)],
) -> TokensOfTwilio:
    return lambda: twilio_tokens(database.pool, vault, settings.sms)


Hooks = Annotated[SmsHooks, Depends(_hooks)]
OfProviders = Annotated[ProviderHooks, Depends(_of_providers)]
Reader = Annotated[InboundReader, Depends(_reader)]
Tokens = Annotated[TokensOfTwilio, Depends(_tokens)]


@root_router.post("/hooks/sms/{provider}", status_code=204, dependencies=[public(), audited("sms.told")])
async def take_sms_hook(
    provider: str,
    request: Request,
    hooks: Hooks,
    of_providers: OfProviders,
    inbound: Annotated[Inbound, Depends(_inbound)],
    tokens: Tokens,
    trail: Trail,
) -> Response:
    """Take replies and delivery reports. 403 for whoever is not the provider; what makes no sense is taken and left."""
    body = await request.body()
    signature = request.headers.get("x-twilio-signature")
    name: str | None = None
    if (provider_id := hooks.provider_of(provider)) is not None:
        kind, name, told = await of_providers.read(provider_id, body)
    else:
        trusted = await tokens() if provider == TWILIO and signature is not None else []
        kind, told = hooks.read(provider, request.url.query, signature, body, trusted)
    changes = await inbound.take(kind, told, name)
    trail.target(kind, told=len(told), changes=[{"action": one.action, "where": str(one.where)} for one in changes])
    if not changes:
        trail.nothing_changed()
    return Response(status_code=204)


@router.get("/replies")
async def list_sms_replies(
    reader: Reader,
    action: Action | None = None,
    sender: Annotated[str | None, Query(max_length=50, pattern=r"^[^\x00]*$", description="In E.164.")] = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[SmsReply]:
    """List texts that people sent, newest first."""
    rows, following = await reader.replies(cursor, limit, action=action, sender=sender)
    return Page(items=[SmsReply.of(row) for row in rows], next_cursor=following)


@router.get("/reports")
async def list_sms_reports(
    reader: Reader,
    provider_id: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
    message_id: UUID | None = None,
    status: ReportStatus | None = None,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[SmsReport]:
    """List delivery reports, newest first."""
    rows, following = await reader.reports(cursor, limit, provider_id=provider_id, message_id=message_id, status=status)
    return Page(items=[SmsReport.of(row) for row in rows], next_cursor=following)


@router.get("/standings/{kind}/{provider_id}")
async def get_sms_standing(kind: str, provider_id: str, reader: Reader) -> SmsStanding:
    """Say how far a text has come, by its provider's id of it: the first end, whatever the order of the reports."""
    return SmsStanding(**dict(await reader.standing(kind, provider_id)))


@router.get("/keywords")
async def list_sms_keywords(reader: Reader) -> list[SmsKeyword]:
    """List the words that stop, start and ask for help."""
    return [SmsKeyword(**one._asdict()) for one in await reader.keywords()]


@router.put("/keywords", dependencies=[_ADMIN, audited("sms.keywords")])
async def replace_sms_keywords(
    keywords: Annotated[list[SmsKeyword], Body(max_length=1_000)], reader: Reader, trail: Trail
) -> list[SmsKeyword]:
    """Replace the words. One at least must stop."""
    chosen = [Keyword(normalise(one.keyword), one.action, one.language) for one in keywords]
    if not all(1 <= len(one.keyword) <= MOST_CHARS for one in chosen):
        raise KeywordsError(f"A keyword holds 1 to {MOST_CHARS} letters and digits.")
    if len({one.keyword for one in chosen}) < len(chosen):
        raise KeywordsError("A keyword comes twice; case, spaces and punctuation do not count.")
    if not any(one.action is Action.STOP for one in chosen):
        raise KeywordsError("One keyword at least must stop.")
    await reader.replace_keywords(chosen)
    trail.target("keywords", keywords=len(chosen))
    return await list_sms_keywords(reader)


@router.get("/hooks", dependencies=[_ADMIN])
async def list_sms_hooks(hooks: Hooks, of_providers: OfProviders, tokens: Tokens) -> list[SmsHook]:
    """List the addresses to give to providers."""
    has_token = bool(await tokens())
    found = [
        SmsHook(kind=kind, provider=None, url=url, is_ready=kind != TWILIO or has_token)
        for kind, url in hooks.addresses().items()
    ]
    return found + [
        SmsHook(kind=row.kind, provider=row.name, url=hooks.address_of(row.provider_id), is_ready=True)
        for row in await of_providers.all()
    ]
