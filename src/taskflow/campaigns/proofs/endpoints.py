"""Routes that try messages on people: of drafts, of templates, of campaigns."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.composer import Addressee
from taskflow.campaigns.contents import content_of
from taskflow.campaigns.proofs.linter import Linter
from taskflow.campaigns.proofs.samples import sample_person
from taskflow.campaigns.proofs.schemas import (
    CampaignLint,
    CampaignTestIn,
    DraftLint,
    DraftPreview,
    LintIn,
    LintOut,
    PersonIn,
    ProofOut,
    SentOut,
    TestIn,
    UnsavedDraft,
    VersionedPerson,
    image_urls,
)
from taskflow.campaigns.proofs.service import NoTestChannelError, ProofService, problems_of
from taskflow.campaigns.repository import CampaignRepository
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import RenderPool
from taskflow.content.templates.models import Content
from taskflow.content.templates.service import TemplateService
from taskflow.db.pool import Database
from taskflow.delivery.letterhead import Letterhead
from taskflow.identity.access import Trail, audited, require, service
from taskflow.identity.models import Role
from taskflow.settings import Settings

_MARKETER = require(Role.MARKETER)
_NEWEST = 20
_FIRST = 5


async def _proofs(
    database: Annotated[Database, service(Database)],
    broker: Annotated[RedisBroker, service(RedisBroker)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    media: Annotated[MediaLibrary, service(MediaLibrary)],
    settings: Annotated[Settings, service(Settings)],
) -> ProofService:
    return ProofService(database, broker, rendering, media, settings)


async def _linter(
    database: Annotated[Database, service(Database)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    proofs: Annotated[ProofService, Depends(_proofs)],
) -> Linter:
    return Linter(database, rendering, proofs)


async def _templates(
    database: Annotated[Database, service(Database)],
    rendering: Annotated[RenderPool, service(RenderPool)],
    media: Annotated[MediaLibrary, service(MediaLibrary)],
) -> TemplateService:
    return TemplateService(database, rendering, media)


async def _campaigns(database: Annotated[Database, service(Database)]) -> CampaignRepository:
    return CampaignRepository(database.pool)


Proofs = Annotated[ProofService, Depends(_proofs)]
Lint = Annotated[Linter, Depends(_linter)]
Templates = Annotated[TemplateService, Depends(_templates)]
Campaigns = Annotated[CampaignRepository, Depends(_campaigns)]
Library = Annotated[MediaLibrary, service(MediaLibrary)]

router = APIRouter(tags=["templates"], dependencies=[_MARKETER])


@router.post("/templates/preview", dependencies=[audited("template.preview")])
async def preview_draft(body: DraftPreview, proofs: Proofs, templates: Templates, library: Library) -> ProofOut:
    """Show a draft that is not saved as a contact, or somebody made up, would get it."""
    content = await _draft(body, templates)
    return await _preview(body.channel, content, body, proofs, library)


@router.post("/templates/lint", dependencies=[audited("template.lint")])
async def lint_draft(body: DraftLint, proofs: Proofs, linter: Lint, templates: Templates) -> LintOut:
    """Look for what is wrong with a draft that is not saved."""
    content = await _draft(body, templates)
    people = await _people(body.contact_ids, proofs)
    return LintOut.of(await linter.lint(body.channel, content, people, check_links=body.check_links))


@router.post("/templates/{template_id}/preview", dependencies=[audited("template.preview", target="template_id")])
async def preview_template(
    template_id: UUID, body: VersionedPerson, proofs: Proofs, templates: Templates, library: Library
) -> ProofOut:
    """Show a template as a contact, or somebody made up, would get it."""
    found, _, content = await templates.repository.content(template_id, body.version)
    return await _preview(found.channel, content, body, proofs, library)


@router.post("/templates/{template_id}/test", dependencies=[audited("template.test", target="template_id")])
async def send_template_test(
    template_id: UUID, body: TestIn, proofs: Proofs, templates: Templates, trail: Trail
) -> list[SentOut]:
    """Send a template to up to ten addresses, now, as a contact or somebody made up would get it."""
    found, version, content = await templates.repository.content(template_id, body.version)
    if found.channel != "email":
        raise NoTestChannelError
    letterhead = Letterhead(body.from_email, body.from_name, body.reply_to)
    sent = await proofs.send_test(content, letterhead, await _person(body, proofs), body.to, body.locale)
    trail.target(template_id, name=found.name, version=version.version, readers=len(sent))
    return SentOut.all_of(sent)


@router.post("/templates/{template_id}/lint", dependencies=[audited("template.lint", target="template_id")])
async def lint_template(template_id: UUID, body: LintIn, proofs: Proofs, linter: Lint, templates: Templates) -> LintOut:
    """Look for what is wrong with a template: for these contacts, for mail clients, for spam filters."""
    found, _, content = await templates.repository.content(template_id, body.version)
    people = await _people(body.contact_ids, proofs)
    return LintOut.of(await linter.lint(found.channel, content, people, check_links=body.check_links))


@router.post(
    "/campaigns/{campaign_id}/preview",
    tags=["campaigns"],
    dependencies=[audited("campaign.preview", target="campaign_id")],
)
async def preview_campaign_as(
    campaign_id: UUID, body: PersonIn, proofs: Proofs, templates: Templates, campaigns: Campaigns, library: Library
) -> ProofOut:
    """Show a campaign's mail as a contact, or somebody made up, would get it."""
    content = await content_of(await campaigns.get(campaign_id), templates.repository)
    return await _preview("email", content, body, proofs, library)


@router.post(
    "/campaigns/{campaign_id}/test", tags=["campaigns"], dependencies=[audited("campaign.test", target="campaign_id")]
)
async def send_campaign_test(
    campaign_id: UUID,
    body: CampaignTestIn,
    proofs: Proofs,
    templates: Templates,
    campaigns: Campaigns,
    trail: Trail,
) -> list[SentOut]:
    """Send a campaign's mail to up to ten addresses, now; its recipients are not touched."""
    campaign = await campaigns.get(campaign_id)
    content = await content_of(campaign, templates.repository)
    letterhead = Letterhead(campaign.from_email, campaign.from_name, campaign.reply_to)
    sent = await proofs.send_test(content, letterhead, await _person(body, proofs), body.to, body.locale)
    trail.target(campaign_id, name=campaign.name, readers=len(sent))
    return SentOut.all_of(sent)


@router.post(
    "/campaigns/{campaign_id}/lint", tags=["campaigns"], dependencies=[audited("campaign.lint", target="campaign_id")]
)
async def lint_campaign(
    campaign_id: UUID, body: CampaignLint, proofs: Proofs, linter: Lint, templates: Templates, campaigns: Campaigns
) -> LintOut:
    """Look for what is wrong with a campaign before it starts: missing values of every recipient, and its mail."""
    campaign = await campaigns.get(campaign_id)
    found = await linter.lint(
        "email",
        await content_of(campaign, templates.repository),
        await proofs.recipients(campaign, _FIRST),
        letterhead=Letterhead(campaign.from_email, campaign.from_name, campaign.reply_to),
        check_links=body.check_links,
        campaign=campaign,
    )
    return LintOut.of(found)


async def _draft(body: UnsavedDraft, templates: TemplateService) -> Content:
    return await templates.draft_content(body.channel, body.default_locale, body.draft(body.default_locale))


async def _preview(
    channel: str, content: Content, body: PersonIn, proofs: ProofService, library: MediaLibrary
) -> ProofOut:
    try:
        proof = await proofs.preview(content, await _person(body, proofs), body.locale)
    except (TemplateSyntaxProblem, TemplateLimitError) as error:
        return ProofOut.refused(problems_of(error))
    return ProofOut.of(proof, channel, await image_urls(library, content.attachments))


async def _person(body: PersonIn, proofs: ProofService) -> Addressee:
    if body.contact_id is None:
        return sample_person(body.sample)
    [person] = await proofs.people([body.contact_id])
    return person


async def _people(contact_ids: list[UUID] | None, proofs: ProofService) -> list[Addressee]:
    if contact_ids is None:
        return await proofs.newest_people(_NEWEST)
    return await proofs.people(contact_ids)
