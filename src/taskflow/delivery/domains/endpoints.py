"""Routes of sending domains. Changing them is for administrators: whoever does decides whose mail is believed."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.db.pool import Database
from taskflow.delivery.domains.models import SendingDomain
from taskflow.delivery.domains.schemas import (
    DomainChange,
    DomainDetail,
    DomainOut,
    KeyRotation,
    NewDomain,
    ReturnPathOut,
)
from taskflow.delivery.domains.service import DomainService
from taskflow.identity.access import DEFAULT_PAGE, Caller, Cursor, Limit, Trail, audited, require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings


async def _domains(
    database: Annotated[Database, service(Database)], settings: Annotated[Settings, service(Settings)]
) -> DomainService:
    return DomainService(database, settings)


Domains = Annotated[DomainService, Depends(_domains)]
Config = Annotated[Settings, service(Settings)]

router = APIRouter(prefix="/domains", tags=["domains"], dependencies=[require(Role.VIEWER)])

_ADMIN = require(Role.ADMIN)


return_paths = APIRouter(prefix="/return-paths", tags=["domains"], dependencies=[require(Role.VIEWER)])


@return_paths.get("/{address}")
async def find_return_path(address: str, domains: Domains) -> ReturnPathOut:
    """Say which message an address belongs to that a bounce came to; 404 when we did not make it."""
    return ReturnPathOut.model_validate(await domains.whose(address))


@router.post("", status_code=201, dependencies=[_ADMIN, audited("domain.add")])
async def add_domain(body: NewDomain, caller: Caller, domains: Domains, config: Config, trail: Trail) -> DomainDetail:
    """Register a domain and make its DKIM keys; they sign once DNS shows them."""
    added = await domains.add(body.domain, body.return_path_domain, created_by=caller.user_id)
    trail.target(added.domain)
    return await _detail(domains, added, config)


@router.get("")
async def list_domains(
    domains: Domains, config: Config, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[DomainOut]:
    """List sending domains by name."""
    after = decode_cursor(cursor, str)[0] if cursor else None
    found = await domains.repository.page(after, limit + 1)
    more = encode_cursor(found[limit - 1].domain) if len(found) > limit else None
    outlets = await domains.outlets()
    return Page(items=[DomainOut.of(domain, config, outlets) for domain in found[:limit]], next_cursor=more)


@router.get("/{domain}")
async def get_domain(domain: str, domains: Domains, config: Config) -> DomainDetail:
    """Get a domain: its keys, what to put in the zone, the last check, and what it sends to Gmail."""
    return await _detail(domains, await domains.get(domain), config)


@router.patch("/{domain}", dependencies=[_ADMIN, audited("domain.update", target="domain")])
async def update_domain(domain: str, body: DomainChange, domains: Domains, config: Config) -> DomainDetail:
    """Let bounces go elsewhere; holds for all messages that are made from half a minute later on."""
    return await _detail(domains, await domains.set_return_path(domain, body.return_path_domain), config)


@router.delete("/{domain}", status_code=204, dependencies=[_ADMIN, audited("domain.remove", target="domain")])
async def remove_domain(domain: str, domains: Domains) -> Response:
    """Forget a domain and its keys; mail from it leaves unsigned half a minute later."""
    await domains.remove(domain)
    return Response(status_code=204)


@router.post("/{domain}/check", dependencies=[require(Role.MARKETER), audited("domain.check", target="domain")])
async def check_domain(domain: str, domains: Domains, config: Config) -> DomainDetail:
    """Ask DNS and mail servers about a domain; waiting keys that DNS shows begin to sign. Takes up to half a minute."""
    return await _detail(domains, await domains.check(domain), config)


@router.post("/{domain}/rotate", dependencies=[_ADMIN, audited("domain.rotate", target="domain")])
async def rotate_keys(
    domain: str, domains: Domains, config: Config, trail: Trail, body: KeyRotation | None = None
) -> DomainDetail:
    """Make the next DKIM keys; when there are some, let those that DNS shows take over (409 while it shows none)."""
    force = body is not None and body.force
    trail.target(domain, force=force)
    return await _detail(domains, await domains.rotate(domain, force=force), config)


async def _detail(domains: DomainService, domain: SendingDomain, settings: Settings) -> DomainDetail:
    return DomainDetail.with_use(domain, settings, await domains.outlets(), await domains.gmail(domain))
