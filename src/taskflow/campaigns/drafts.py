"""What a campaign is made of, before there is one."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from taskflow.audience.segments.audiences import Audience
from taskflow.campaigns.contents import pin
from taskflow.campaigns.needs import Needs
from taskflow.content.rendering import Template
from taskflow.content.templates.models import Content
from taskflow.content.templates.repository import TemplateRepository
from taskflow.delivery import addresses

_MAX_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """What a campaign is made of. `rate_limit_per_minute` None: unlimited. `audience`: contacts, not recipients."""

    name: str
    template_subject: str
    template_body: str
    from_email: str
    template_id: UUID | None = None  # then there are no own words
    template_version: int | None = None  # the newest
    template_text: str | None = None
    template_variables: dict[str, Any] = field(default_factory=dict)
    from_name: str | None = None
    reply_to: str | None = None
    rate_limit_per_minute: int | None = 100
    uncertain_policy: str = "hold"
    scheduled_at: datetime | None = None
    audience: Audience | None = None

    @property
    def template(self) -> Template:
        """What it says, when it brings its own words."""
        return Template(self.template_subject, self.template_body, self.template_text, self.template_variables)

    def columns(self, needs: Needs, created_by: UUID | None) -> tuple[Any, ...]:
        """Return what `CampaignRepository.insert` takes."""
        return (
            self.name,
            self.template_subject,
            self.template_body,
            self.template_text,
            self.template_variables,
            str(addresses.parse(self.from_email)),  # as keys, providers and routes know its domain
            self.from_name,
            self.reply_to,
            self.rate_limit_per_minute,
            self.uncertain_policy,
            self.scheduled_at,
            self.audience.model_dump(mode="json") if self.audience else None,
            created_by,
            self.template_id,
            self.template_version,
            needs.as_json() if self.audience else None,
        )


async def pinned(templates: TemplateRepository, new: NewCampaign) -> tuple[NewCampaign, Content]:
    """Return a new campaign and what it says; one with a template keeps the version that it finds now.

    Raises:
        TemplateNotFoundError, TemplateVersionNotFoundError, TemplateArchivedError, TemplateShapeError: as `pin`.
    """
    if new.template_id is None:
        return new, Content.plain(new.template)
    version, content = await pin(templates, new.template_id, new.template_version)
    shown = content.sources[content.default_locale]
    new = replace(
        new,
        template_version=version,
        template_subject=shown.subject[:_MAX_SUBJECT],
        template_body=shown.html or shown.text or "",
        template_text=shown.text if shown.html else None,
    )
    return new, content.with_variables(new.template_variables)
