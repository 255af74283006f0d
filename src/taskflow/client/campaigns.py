"""Campaigns: one mail to many, and how far it is."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any, Literal, Unpack
from uuid import UUID

from taskflow.audience.segments.schemas import AudienceCountOut
from taskflow.campaigns.proofs.schemas import LintOut, ProofOut, SentOut
from taskflow.campaigns.schemas import CampaignOut, RecipientOut, Resolved
from taskflow.campaigns.states import TERMINAL
from taskflow.client.fields import AudienceFields, CampaignFields
from taskflow.client.link import Link
from taskflow.client.wire import LONG_SECONDS, given


class Campaigns:
    """One mail to many."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def count(self, **audience: Unpack[AudienceFields]) -> AudienceCountOut:
        """Count who a campaign with this audience would write to if it began now."""
        return await self._link.ask(AudienceCountOut, "POST", "/audiences/count", audience)

    async def create(self, **campaign: Unpack[CampaignFields]) -> CampaignOut:
        """Make a campaign: a template or own words, to an `audience` or to `recipients`. It waits for `start`."""
        return await self._link.ask(CampaignOut, "POST", "/campaigns", campaign)

    async def get(self, campaign_id: UUID) -> CampaignOut:
        """Return a campaign and how far it is."""
        return await self._link.look(CampaignOut, f"/campaigns/{campaign_id}")

    def find(self, status: str | None = None) -> AsyncIterator[CampaignOut]:
        """Iterate over campaigns, newest first."""
        return self._link.pages(CampaignOut, "/campaigns", status=status)

    async def start(self, campaign_id: UUID) -> CampaignOut:
        """Start sending; who is in the audience is decided now.

        Raises:
            ConflictError: somebody lacks a variable of the template (`missing_variables`), or it has started already.
        """
        return await self._step(campaign_id, "start", seconds=LONG_SECONDS)

    async def pause(self, campaign_id: UUID) -> CampaignOut:
        """Stop sending until it is resumed."""
        return await self._step(campaign_id, "pause")

    async def resume(self, campaign_id: UUID) -> CampaignOut:
        """Go on sending."""
        return await self._step(campaign_id, "resume")

    async def cancel(self, campaign_id: UUID) -> CampaignOut:
        """End it for good; who has not been written to by now will not be."""
        return await self._step(campaign_id, "cancel")

    async def wait(
        self,
        campaign_id: UUID,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - what callers expect to write
        on_progress: Callable[[CampaignOut], object] | None = None,
    ) -> CampaignOut:
        """Wait for the end of a campaign, at most `timeout` seconds; its `outcome` is `clean` or `partial`.

        Args:
            on_progress: is called with the campaign whenever there is news; `progress` has the sums.

        Raises:
            WaitTimeoutError: it has not ended in time; it goes on.
        """
        return await self._link.watch(
            CampaignOut,
            f"/campaigns/{campaign_id}",
            f"campaign:{campaign_id}",
            lambda campaign: campaign.status in TERMINAL,
            timeout=timeout,
            on_progress=on_progress,
        )

    async def lint(self, campaign_id: UUID, *, check_links: bool = False) -> LintOut:
        """Say what is wrong with a campaign before it starts."""
        return await self._link.ask(LintOut, "POST", f"/campaigns/{campaign_id}/lint", {"check_links": check_links})

    async def preview(
        self,
        campaign_id: UUID,
        *,
        contact_id: UUID | None = None,
        sample: Mapping[str, Any] | None = None,
        locale: str | None = None,
    ) -> ProofOut:
        """Show what a contact, or somebody made up, would get; what is wrong with it comes as `problems`."""
        person = given(contact_id=contact_id, sample=sample, locale=locale)
        return await self._link.ask(ProofOut, "POST", f"/campaigns/{campaign_id}/preview", person)

    async def test(
        self,
        campaign_id: UUID,
        to: list[str],
        *,
        contact_id: UUID | None = None,
        sample: Mapping[str, Any] | None = None,
        locale: str | None = None,
    ) -> list[SentOut]:
        """Send what one person would get to at most ten addresses, now; recipients are not touched."""
        body = {"to": to, **given(contact_id=contact_id, sample=sample, locale=locale)}
        return await self._link.ask(list[SentOut], "POST", f"/campaigns/{campaign_id}/test", body, repeatable=False)

    async def resolve(
        self,
        campaign_id: UUID,
        resolution: Literal["sent", "failed", "resend"],
        recipient_ids: list[UUID] | None = None,
    ) -> int:
        """Decide about uncertain messages, of these recipients or of all; return how many. `resend`: perhaps twice."""
        body = {"as": resolution, **given(recipient_ids=recipient_ids)}
        path = f"/campaigns/{campaign_id}/recipients/resolve"
        return (await self._link.ask(Resolved, "POST", path, body, repeatable=False)).resolved

    def recipients(self, campaign_id: UUID, status: str | None = None) -> AsyncIterator[RecipientOut]:
        """Iterate over recipients and what became of their messages."""
        return self._link.pages(RecipientOut, f"/campaigns/{campaign_id}/recipients", status=status)

    def export(self, campaign_id: UUID, status: str | None = None) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of a CSV file with recipients and what became of their messages."""
        return self._link.stream(f"/campaigns/{campaign_id}/recipients.csv", status=status)

    async def _step(self, campaign_id: UUID, verb: str, seconds: float | None = None) -> CampaignOut:
        path = f"/campaigns/{campaign_id}/{verb}"
        return await self._link.ask(CampaignOut, "POST", path, repeatable=False, seconds=seconds)
