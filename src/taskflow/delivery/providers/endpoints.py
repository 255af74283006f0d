"""Routes of providers: operators see and test them, administrators change them. No answer holds a secret."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import SecretStr

from taskflow.audience.channels import Channel
from taskflow.base.envelope import Vault
from taskflow.base.pagination import Page
from taskflow.db.pool import Database
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.schemas import (
    BrokenPluginOut,
    FoundOut,
    KindOut,
    KindsOut,
    NewProvider,
    ProviderChange,
    ProviderOut,
    RotatedOut,
)
from taskflow.delivery.providers.service import ProviderService
from taskflow.delivery.rotation import rotate
from taskflow.delivery.router.board import RouteBoard
from taskflow.identity.access import Caller, Trail, audited, require, service
from taskflow.identity.models import Role

router = APIRouter(prefix="/providers", tags=["providers"], dependencies=[require(Role.OPERATOR)])
kinds = APIRouter(prefix="/provider-kinds", tags=["providers"], dependencies=[require(Role.OPERATOR)])

_ADMIN = require(Role.ADMIN)
_NULLABLE = frozenset({"per_second", "per_minute", "per_day", "price", "currency"})


async def _providers(
    database: Annotated[Database, service(Database)],
    registry: Annotated[Registry, service(Registry)],
    vault: Annotated[Vault, service(Vault)],
    opener: Annotated[Opener, service(Opener)],
    board: Annotated[RouteBoard, service(RouteBoard)],
) -> ProviderService:
    return ProviderService(database, registry, vault, opener, routes=board)


Providers = Annotated[ProviderService, Depends(_providers)]


@router.post("", status_code=201, dependencies=[_ADMIN, audited("provider.create")])
async def create_provider(body: NewProvider, caller: Caller, providers: Providers, trail: Trail) -> ProviderOut:
    """Add a provider. Secrets are kept encrypted and never shown again."""
    unset = _NULLABLE - body.model_fields_set
    told = body.model_dump(mode="json", exclude={*unset, "secrets"})
    row = await providers.create(told | {"secrets": _plain(body.secrets)}, created_by=caller.user_id)
    trail.target(row.provider_id, name=row.name, kind=row.kind)
    return ProviderOut.of(row)


@router.get("")
async def list_providers(
    providers: Providers, channel: Annotated[Channel | None, Query(description="Only of this channel.")] = None
) -> Page[ProviderOut]:
    """List all providers, in the order in which they are asked; they are few, and come on one page."""
    return Page(items=[ProviderOut.of(row) for row in await providers.reader.all(channel)])


@router.post("/rotate-secrets", dependencies=[_ADMIN, audited("provider.rotate_secrets")])
async def rotate_provider_secrets(
    database: Annotated[Database, service(Database)], vault: Annotated[Vault, service(Vault)], trail: Trail
) -> RotatedOut:
    """Wrap all secrets with the present secret key, after it was changed; the old one may go then.

    Private keys of DKIM are among them.
    """
    done = await rotate(database.pool, vault)
    trail.entry.detail.update(key_id=done.key_id, rewrapped=done.rewrapped)
    return RotatedOut(**done._asdict())


@router.get("/{provider_id}")
async def get_provider(provider_id: UUID, providers: Providers) -> ProviderOut:
    """Get a provider."""
    return ProviderOut.of(await providers.reader.get(provider_id))


@router.patch("/{provider_id}", dependencies=[_ADMIN, audited("provider.update", target="provider_id")])
async def update_provider(provider_id: UUID, body: ProviderChange, providers: Providers, trail: Trail) -> ProviderOut:
    """Change a provider; senders take it up within seconds."""
    changes = body.model_dump(mode="json", exclude_unset=True, exclude={"secrets"})
    changes = {name: value for name, value in changes.items() if value is not None or name in _NULLABLE}
    if body.secrets:
        changes["secrets"] = _plain(body.secrets)
    trail.target(provider_id, changed=sorted(changes))
    return ProviderOut.of(await providers.update(provider_id, changes))


@router.delete(
    "/{provider_id}", status_code=204, dependencies=[_ADMIN, audited("provider.delete", target="provider_id")]
)
async def delete_provider(
    provider_id: UUID,
    providers: Providers,
    trail: Trail,
    last: Annotated[bool, Query(description="Also the last one of its channel.")] = False,
) -> Response:
    """Delete a provider; ledgers keep its name.

    Without any of its channel, messages that wait go to TASKFLOW_SMTP_* or into the sandbox inbox: say so (`last`).
    """
    trail.target(provider_id, name=await providers.delete(provider_id, last=last))
    return Response(status_code=204)


@router.post("/{provider_id}/test", dependencies=[audited("provider.test", target="provider_id")])
async def test_provider(provider_id: UUID, providers: Providers) -> FoundOut:
    """Sign in at a provider, send nothing, and say in a sentence what was found."""
    found = await providers.test(provider_id)
    return FoundOut(works=found.works, found=found.sentence, suggested_budgets=dict(found.budgets))


@kinds.get("")
async def list_provider_kinds(registry: Annotated[Registry, service(Registry)]) -> KindsOut:
    """List the kinds of providers with their fields, and the plugins that could not be loaded."""
    return KindsOut(
        items=[KindOut.of(kind) for kind in registry.kinds],
        broken_plugins=[BrokenPluginOut.of(plugin) for plugin in registry.broken],
    )


def _plain(secrets: dict[str, SecretStr] | dict[str, SecretStr | None]) -> dict[str, Any]:
    return {name: value.get_secret_value() if value is not None else None for name, value in secrets.items()}
