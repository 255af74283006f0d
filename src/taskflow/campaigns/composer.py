"""From ledger rows to finished messages: one campaign, compiled once, poured out once per recipient."""

from collections.abc import Sequence

from taskflow.base.errors import InvalidInputError
from taskflow.campaigns.models import Campaign
from taskflow.content.rendering import CompiledTemplate, Rendered, RenderPool, RenderProblem
from taskflow.delivery import addresses
from taskflow.delivery.ledger import Row
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.mime import Skeleton
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings
from taskflow.tracking.links import UnsubscribeLinks, base_url


class Composer:
    """A campaign's template and MIME skeleton."""

    def __init__(
        self,
        campaign: Campaign,
        rendering: RenderPool,
        template: CompiledTemplate,
        skeleton: Skeleton,
        links: UnsubscribeLinks,
        message_ids: MessageIds,
    ) -> None:
        """Use `open_composer`."""
        self.campaign = campaign
        self._rendering = rendering
        self._template = template
        self._skeleton = skeleton
        self._links = links
        self._message_ids = message_ids

    async def compose(self, rows: Sequence[Row]) -> list[bytes | str]:
        """Return one finished message for each row, or the sentence that says why there is none.

        Raises:
            RenderingUnavailableError: no rendering process can be started.
        """
        campaign_id = self.campaign.campaign_id
        urls = [self._links.of(campaign_id, row.recipient_id) for row in rows]
        contexts = [
            {**row.personalization, "email": row.email, "unsubscribe_url": url}
            for row, url in zip(rows, urls, strict=True)
        ]
        rendered = await self._rendering.render(self._template, contexts)
        return [self._build(row, url, result) for row, url, result in zip(rows, urls, rendered, strict=True)]

    def _build(self, row: Row, url: str, result: Rendered | RenderProblem) -> bytes | str:
        if isinstance(result, RenderProblem):
            return f"{result.code}: {result.message}"
        try:
            return self._skeleton.build(
                to=row.email,
                subject=result.subject,
                html=result.html_bytes,
                text=result.text_bytes,
                message_id=self._message_ids.of(row.recipient_id),
                unsubscribe_url=url,
            )
        except InvalidInputError as error:  # a value that must not stand in a header
            return f"{error.code}: {error}"


async def open_composer(settings: Settings, rendering: RenderPool, campaign: Campaign, *, eight_bit: bool) -> Composer:
    """Compile a campaign for this process. `eight_bit`: the mail server takes more than ASCII (8BITMIME).

    Raises:
        TemplateSyntaxProblem, TemplateLimitError: the template is not usable, though it was when the campaign began.
    """
    secret = signing_key(settings).get_secret_value().encode()
    sender = addresses.parse(campaign.from_email)
    return Composer(
        campaign,
        rendering,
        await rendering.compile(campaign.template),
        Skeleton(
            from_email=str(sender),
            from_name=campaign.from_name,
            reply_to=campaign.reply_to,
            eight_bit=eight_bit,
        ),
        UnsubscribeLinks(secret, base_url(settings.http)),
        MessageIds(secret, str(sender)),
    )
