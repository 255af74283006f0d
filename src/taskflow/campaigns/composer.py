"""From content and people to finished messages: compiled once, poured out once per recipient.

Campaigns, test sends and previews all come through here, so what a preview shows is what is sent. A campaign's
composer also knows its ledger: which link and which Message-ID a row has.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from taskflow.base.errors import InvalidInputError
from taskflow.campaigns.ledger import Row
from taskflow.campaigns.models import Campaign
from taskflow.content.rendering import Rendered, RenderProblem
from taskflow.content.templates.words import Words
from taskflow.delivery import addresses
from taskflow.delivery.domains.senders import NOBODY, Sender
from taskflow.delivery.letterhead import Letterhead
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.mime import File, Skeleton
from taskflow.delivery.purposes import feedback_id
from taskflow.delivery.unsubscribe_links import UnsubscribeLinks
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

_TURN = 10  # messages that are built without a pause


@dataclass(frozen=True, slots=True)
class Addressee:
    """One person: where the message goes, the id that it is known by, and the person's values."""

    recipient_id: UUID
    email: str
    values: Mapping[str, Any]
    shown_as: str | None = None
    """The address that the template sees, where a test goes to another one."""


class Composer:
    """Words on a letterhead, for the recipients of one campaign."""

    def __init__(
        self, campaign_id: UUID, words: Words, skeleton: Skeleton, links: UnsubscribeLinks, message_ids: MessageIds
    ) -> None:
        """Use `open_composer`."""
        self._campaign_id = campaign_id
        self._words = words
        self._skeleton = skeleton
        self._links = links
        self._message_ids = message_ids
        self._sender = NOBODY

    def send_as(self, sender: Sender) -> None:
        """Sign with a sender's keys from now on, and let bounces come back there."""
        if sender is not self._sender:
            self._skeleton.sign_with(sender.signer)
            self._sender = sender

    def context(self, person: Addressee) -> dict[str, Any]:
        """Return what a template sees of a person, with what the sender adds."""
        url = self._links.of(self._campaign_id, person.recipient_id)
        return {**person.values, "email": person.shown_as or person.email, "unsubscribe_url": url}

    def message_id(self, person: Addressee) -> str:
        """Return the Message-ID of a person's message."""
        return self._message_ids.of(person.recipient_id)

    def return_path(self, recipient_id: UUID) -> str | None:
        """Return where bounces of a recipient's message go; None: to the sender's own address."""
        paths = self._sender.return_paths
        return paths.of(recipient_id, self._campaign_id) if paths is not None else None

    async def compose(self, people: Sequence[Addressee]) -> list[bytes | str]:
        """Return one finished message for each person, or the sentence that says why there is none.

        Raises:
            RenderingUnavailableError: no rendering process can be started.
        """
        contexts = [self.context(person) for person in people]
        rendered = await self._words.render(contexts)
        built: list[bytes | str] = []
        for person, context, result in zip(people, contexts, rendered, strict=True):
            built.append(self.build(person, context["unsubscribe_url"], result))
            if len(built) % _TURN == 0:  # a signature takes up to a millisecond: the wire has its turn too
                await asyncio.sleep(0)
        return built

    def build(self, person: Addressee, url: str, result: Rendered | RenderProblem) -> bytes | str:
        """Return the message of what was rendered, or why there is none."""
        if isinstance(result, RenderProblem):
            return f"{result.code}: {result.message}"
        try:
            return self._skeleton.build(
                to=person.email,
                subject=result.subject,
                html=result.html_bytes or None,
                text=result.text_bytes,
                message_id=self.message_id(person),
                unsubscribe_url=url,
            )
        except InvalidInputError as error:  # a value that must not stand in a header
            return f"{error.code}: {error}"


class CampaignComposer:
    """A campaign's composer."""

    def __init__(self, campaign: Campaign, composer: Composer, attached_bytes: int) -> None:
        """`attached_bytes`: what every message carries besides its words."""
        self.campaign = campaign
        self.attached_bytes = attached_bytes
        self._composer = composer
        self.send_as = composer.send_as
        self.return_path = composer.return_path

    async def compose(self, rows: Sequence[Row]) -> list[bytes | str]:
        """Return one finished message for each row; see `Composer.compose`."""
        return await self._composer.compose(
            [Addressee(row.recipient_id, row.email, row.personalization) for row in rows]
        )


def open_composer(
    settings: Settings,
    words: Words,
    letterhead: Letterhead,
    campaign_id: UUID,
    files: Sequence[File] = (),
    *,
    eight_bit: bool,
) -> Composer:
    """Put words on a letterhead. `eight_bit`: the mail server takes more than ASCII (8BITMIME).

    Raises:
        UnsafeAddressError, HeaderInjectionError: a value of the letterhead must not stand in a header.
    """
    secret = signing_key(settings).get_secret_value().encode()
    sender = addresses.parse(letterhead.from_email)
    skeleton = Skeleton(
        from_email=str(sender),
        from_name=letterhead.from_name,
        reply_to=letterhead.reply_to,
        feedback_id=feedback_id("campaign", sender.domain, campaign_id),
        eight_bit=eight_bit,
        files=files,
    )
    links = UnsubscribeLinks(secret, settings.http.base_url)
    return Composer(campaign_id, words, skeleton, links, MessageIds(secret, str(sender)))
