"""Routes of templates and their versions."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from taskflow.audience.channels import Channel
from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import RenderPool
from taskflow.content.templates.changes import changes
from taskflow.content.templates.models import StoredTemplate
from taskflow.content.templates.schemas import (
    ChangesOut,
    Name,
    NewTemplate,
    NewVersion,
    TemplateChange,
    TemplateDetail,
    TemplateOut,
    VersionOut,
    VersionSummary,
)
from taskflow.content.templates.service import TemplateService
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

_MARKETER = require(Role.MARKETER)


async def _templates(
    database: Annotated[Database, service(Database)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    media: Annotated[MediaLibrary, service(MediaLibrary)],
) -> TemplateService:
    return TemplateService(database, rendering, media)


Templates = Annotated[TemplateService, Depends(_templates)]
_LAST_VERSION = 2**31 - 1
Number = Annotated[int, Query(ge=1, le=_LAST_VERSION)]
VersionNumber = Annotated[int, Path(ge=1, le=_LAST_VERSION)]
router = APIRouter(prefix="/templates", tags=["templates"], dependencies=[require(Role.VIEWER)])


@router.post("", status_code=201, dependencies=[_MARKETER, audited("template.create")])
async def create_template(
    body: NewTemplate, caller: Caller, templates: Templates, reserved: ReservedId, trail: Trail
) -> TemplateDetail:
    """Make a template with its version 1; 422 `template_syntax` says with line and locale what cannot be read."""
    made = await templates.create(
        body.name,
        body.draft(body.default_locale),
        channel=body.channel,
        default_locale=body.default_locale,
        description=body.description,
        note=body.note,
        created_by=caller.user_id,
        template_id=reserved,
    )
    trail.target(made.template_id, name=made.name)
    return await _detail(made, templates)


@router.get("")
async def list_templates(
    templates: Templates,
    search: Annotated[Name | None, Query(description="In the name.")] = None,
    channel: Channel | None = None,
    archived: bool = False,
    limit: Limit = DEFAULT_PAGE,
    cursor: Cursor = None,
) -> Page[TemplateOut]:
    """List templates, newest first."""
    before = decode_cursor(cursor, UUID)[0] if cursor else None
    found = await templates.repository.page(search, channel, archived, before, limit + 1)
    more = encode_cursor(str(found[limit - 1].template_id)) if len(found) > limit else None
    return Page(items=[TemplateOut.model_validate(one) for one in found[:limit]], next_cursor=more)


@router.get("/{template_id}")
async def get_template(template_id: UUID, templates: Templates) -> TemplateDetail:
    """Get a template with its newest version."""
    return await _detail(await templates.repository.get(template_id), templates)


@router.patch("/{template_id}", dependencies=[_MARKETER, audited("template.update", target="template_id")])
async def update_template(
    template_id: UUID, body: TemplateChange, templates: Templates, trail: Trail
) -> TemplateDetail:
    """Rename or describe a template; what it says is changed by a new version."""
    has_description = "description" in body.model_fields_set
    found = await templates.update(
        template_id, name=body.name, description=body.description, has_description=has_description
    )
    trail.target(template_id, name=found.name)
    return await _detail(found, templates)


@router.delete(
    "/{template_id}", status_code=204, dependencies=[_MARKETER, audited("template.archive", target="template_id")]
)
async def archive_template(template_id: UUID, templates: Templates, trail: Trail) -> Response:
    """Put a template away; campaigns that have it go on, and its name is free again."""
    trail.target(template_id, name=await templates.archive(template_id))
    return Response(status_code=204)


@router.post(
    "/{template_id}/versions",
    status_code=201,
    dependencies=[_MARKETER, audited("template.save", target="template_id")],
)
async def save_template(
    template_id: UUID, body: NewVersion, caller: Caller, templates: Templates, trail: Trail
) -> TemplateDetail:
    """Save the next version; with `base_version` only if nobody else has saved one meanwhile."""
    found = await templates.repository.get(template_id)
    saved = await templates.save(
        template_id,
        body.draft(found.default_locale),
        base_version=body.base_version,
        note=body.note,
        created_by=caller.user_id,
    )
    trail.target(template_id, name=saved.name, version=saved.version)
    return await _detail(saved, templates)


@router.get("/{template_id}/versions")
async def list_template_versions(
    template_id: UUID, templates: Templates, limit: Limit = DEFAULT_PAGE, cursor: Cursor = None
) -> Page[VersionSummary]:
    """List versions without their sources, newest first."""
    await templates.repository.get(template_id)
    before = min(max(decode_cursor(cursor, int)[0], 0), _LAST_VERSION) if cursor else None
    found = await templates.repository.versions(template_id, before, limit + 1)
    more = encode_cursor(found[limit - 1]["version"]) if len(found) > limit else None
    return Page(items=[VersionSummary(**dict(row)) for row in found[:limit]], next_cursor=more)


@router.get("/{template_id}/versions/{version}")
async def get_template_version(template_id: UUID, version: VersionNumber, templates: Templates) -> VersionOut:
    """Get a version with all that it says."""
    await templates.repository.get(template_id)
    return VersionOut.of(await templates.repository.version(template_id, version))


@router.post(
    "/{template_id}/versions/{version}/restore",
    status_code=201,
    dependencies=[_MARKETER, audited("template.restore", target="template_id")],
)
async def restore_template_version(
    template_id: UUID, version: VersionNumber, caller: Caller, templates: Templates, trail: Trail
) -> TemplateDetail:
    """Make an old version the newest one again."""
    restored = await templates.restore(template_id, version, created_by=caller.user_id)
    trail.target(template_id, name=restored.name, restored=version, version=restored.version)
    return await _detail(restored, templates)


@router.get("/{template_id}/diff")
async def compare_template_versions(
    template_id: UUID,
    templates: Templates,
    from_version: Annotated[Number, Query(alias="from")],
    to_version: Annotated[Number, Query(alias="to")],
) -> ChangesOut:
    """Compare two versions, part by part."""
    await templates.repository.get(template_id)
    old = await templates.repository.version(template_id, from_version)
    new = await templates.repository.version(template_id, to_version)
    return ChangesOut.of(old, new, await asyncio.to_thread(changes, old, new))


async def _detail(template: StoredTemplate, templates: TemplateService) -> TemplateDetail:
    version = await templates.repository.version(template.template_id, template.version)
    return TemplateDetail.with_version(template, version)
