"""Tries content on people with the composer that campaigns send with, so that what is shown is what would be sent.

A proof's unsubscribe link is signed and leads to a page that says that it belongs to no message: nobody can be
unsubscribed by a preview that was passed on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from taskflow.audience.contacts.models import unknown
from taskflow.audience.segments.audiences import Audience
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.errors import ConflictError, InvalidInputError, TaskFlowError
from taskflow.base.ids import uuid7
from taskflow.broker.redis.broker import RedisBroker
from taskflow.campaigns.composer import Addressee, Composer, open_composer
from taskflow.campaigns.freezing import some_people
from taskflow.campaigns.models import Campaign
from taskflow.campaigns.proofs.samples import SAMPLE_ADDRESS
from taskflow.campaigns.repository import NIL, CampaignRepository
from taskflow.content.media.library import MediaLibrary
from taskflow.content.rendering import Rendered, RenderPool, RenderProblem
from taskflow.content.templates.models import Content
from taskflow.content.templates.words import Words
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.delivery.domains.senders import Senders
from taskflow.delivery.letterhead import Letterhead, files_of
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Mail, MessageClass
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.router.carrier import Carried, RoutedCarrier
from taskflow.delivery.router.configured import configured_routes
from taskflow.delivery.router.models import Ask
from taskflow.delivery.router.service import Router
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

sql = load(__file__)

SAMPLE_SENDER = Letterhead("sender@example.com")
_TEST_SECONDS = 60.0  # after which no further test message is begun


class SuppressedAddressError(ConflictError):
    """This address must not be written to."""

    code = "address_suppressed"


class NoMessageError(InvalidInputError):
    """There is no message for this person."""

    code = "no_message"


class NoTestChannelError(InvalidInputError):
    """A test send is a mail: preview a text, or send it as a message."""

    code = "no_provider"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one person would get: the message, or why there is none."""

    locale: str
    url: str
    result: Rendered | RenderProblem
    refusal: str | None  # of the MIME builder: a value that must not stand in a header


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one test message."""

    address: str
    outcome: str
    reply: str
    message_id: str
    provider: str | None  # who had it last; None: nobody


class ProofService:
    """Preview and test send."""

    def __init__(
        self,
        database: Database,
        broker: RedisBroker,
        rendering: RenderPool,
        media: MediaLibrary,
        settings: Settings,
    ) -> None:
        """Take what composers need, and what routes test messages."""
        self._database = database
        self._broker = broker
        self._pool = database.pool
        self._rendering = rendering
        self._media = media
        self._settings = settings
        self._erasure = ErasureKey(signing_key(settings))
        self._campaigns = CampaignRepository(database.pool)
        self._senders = Senders(database.pool, settings)

    async def people(self, contact_ids: Sequence[UUID]) -> list[Addressee]:
        """Return contacts as a campaign would address them.

        Raises:
            ContactNotFoundError: one is not there.
        """
        rows = await self._pool.fetch(sql.contacts, list(contact_ids))
        known = {row["contact_id"] for row in rows}
        for contact_id in contact_ids:
            if contact_id not in known:
                raise unknown(contact_id)
        return [Addressee(row["contact_id"], row["email"] or SAMPLE_ADDRESS, row["personalization"]) for row in rows]

    async def preview(self, content: Content, person: Addressee, locale: str | None = None) -> Proof:
        """Return what a person would get; `locale` shows another variant than theirs.

        Raises:
            TemplateSyntaxProblem, TemplateLimitError: a variant cannot be compiled.
        """
        return await self.proof(await self.words(content), _in(person, locale))

    async def words(self, content: Content) -> Words:
        """Return content compiled; raises like `preview`."""
        return await Words.of(self._rendering, content)

    async def proof(self, words: Words, person: Addressee) -> Proof:
        """Return what a person would get of words that are compiled."""
        return await self.compose(words, self.composer(words), person)

    async def send_test(
        self, content: Content, letterhead: Letterhead, person: Addressee, to: Sequence[str], locale: str | None = None
    ) -> list[Sent]:
        """Send what a person would get to other addresses, now, as the router says; nothing is kept of it.

        Raises:
            SuppressedAddressError: one of them must not be written to.
            NoMessageError: there is no message for this person, or for one of the addresses; the sentence says why.
            SealBrokenError: the key that should sign cannot be opened.
            ConfigurationError: `TASKFLOW_SMTP_*` stands in for providers, and cannot be used.
        """
        erased = [self._erasure.of(address) for address in to]
        if suppressed := await self._pool.fetch(sql.suppressed, list(to), erased):
            raise SuppressedAddressError(f"{suppressed[0]['address']} must not be written to: it is suppressed.")
        words, files = await Words.of(self._rendering, content), await files_of(self._media, content.attachments)
        person = _in(person, locale)
        readers = [Addressee(uuid7(), address, person.values, shown_as=person.email) for address in to]
        composer = open_composer(self._settings, words, letterhead, NIL, files, eight_bit=False)
        composer.send_as(await self._senders.of(letterhead.from_email))
        mails: list[Mail] = []
        for reader, body in zip(readers, await composer.compose(readers), strict=True):
            if isinstance(body, str):  # before the first one leaves
                raise NoMessageError(f"There is no message for {reader.email}: {body}.")
            mails.append(Mail(reader.recipient_id, letterhead.from_email, reader.email, body))
        carried = await self._carried(mails, letterhead.from_email.rpartition("@")[2].lower())
        return [
            Sent(reader.email, outcome.kind.value, outcome.text, composer.message_id(reader), provider or None)
            for reader, (outcome, provider) in zip(readers, carried, strict=True)
        ]

    async def _carried(self, mails: Sequence[Mail], sending_domain: str) -> list[Carried]:
        """Hand mails to the providers that carry transactional mail, with connections of their own."""
        registry = Registry.installed()
        routes = configured_routes(self._database, self._settings, registry)
        terms = Ask(MessageClass.TRANSACTIONAL, sending_domain=sending_domain)
        async with (
            ProviderCatalogue.open(self._database, self._settings, registry) as catalogue,
            Router(self._database, self._broker, self._settings.router, routes) as router,
        ):
            providers = {row.name: provider for row, provider in await catalogue.mail_providers()}
            return await RoutedCarrier(router, providers, terms).send(mails, time.monotonic() + _TEST_SECONDS)

    async def newest_people(self, count: int) -> list[Addressee]:
        """Return the newest contacts."""
        return await self.people([row["contact_id"] for row in await self._pool.fetch(sql.newest_contacts, count)])

    async def recipients(self, campaign: Campaign, count: int) -> list[Addressee]:
        """Return the first recipients of a campaign, and some of each locale; before the start, of its audience.

        Raises:
            UnknownAudienceError: a list or a segment of its audience is not there.
        """
        if not campaign.is_open:
            return [Addressee(*row) for row in await self._pool.fetch(sql.recipients, campaign.campaign_id, count)]
        async with self._pool.acquire() as connection, connection.transaction():
            found = await some_people(connection, Audience.model_validate(campaign.audience), count)
        return [Addressee(*person) for person in found]

    def composer(self, words: Words, letterhead: Letterhead = SAMPLE_SENDER) -> Composer:
        """Return what composes proofs."""
        return open_composer(self._settings, words, letterhead, NIL, eight_bit=True)

    @staticmethod
    async def compose(words: Words, composer: Composer, person: Addressee) -> Proof:
        """Return what a person would get of a composer that is open."""
        context = composer.context(person)
        [result] = await words.render([context])
        body = composer.build(person, context["unsubscribe_url"], result)
        refusal = body if isinstance(body, str) and isinstance(result, Rendered) else None
        locale = words.content.choose(person.values.get("locale"))
        return Proof(locale, context["unsubscribe_url"], result, refusal)


def _in(person: Addressee, locale: str | None) -> Addressee:
    return replace(person, values={**person.values, "locale": locale}) if locale else person


def problems_of(error: TaskFlowError) -> list[dict[str, Any]]:
    """Return the problems that a refused template carries."""
    return list(error.context.get("problems") or [{"code": error.code, "message": str(error)}])
