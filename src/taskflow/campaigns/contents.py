"""What a campaign says: its own words, or a version of a template that was pinned when the campaign was saved."""

from uuid import UUID

from taskflow.campaigns.models import Campaign
from taskflow.content.templates.errors import TemplateArchivedError, TemplateShapeError
from taskflow.content.templates.models import Content
from taskflow.content.templates.repository import TemplateRepository


async def content_of(campaign: Campaign, templates: TemplateRepository) -> Content:
    """Return what a campaign says; its own variables win over those of its template.

    Raises:
        TemplateNotFoundError, TemplateVersionNotFoundError: its template is gone.
    """
    if campaign.template_id is None:
        return Content.plain(campaign.template)
    _, _, content = await templates.content(campaign.template_id, campaign.template_version)
    return content.with_variables(campaign.template_variables)


async def pin(templates: TemplateRepository, template_id: UUID, version: int | None) -> tuple[int, Content]:
    """Return the version that a new campaign shall keep, the newest by default, and what it says.

    Raises:
        TemplateNotFoundError, TemplateVersionNotFoundError: there is none.
        TemplateArchivedError, TemplateShapeError: no mail can be made of it.
    """
    found, chosen, content = await templates.content(template_id, version)
    if found.archived_at is not None:
        raise TemplateArchivedError(f"The template '{found.name}' is archived.")
    if found.channel != "email":
        raise TemplateShapeError(f"'{found.name}' is a template for SMS: a campaign sends mail.")
    return chosen.version, content
