"""Tries content on people with the composer that campaigns send with, so that what is shown is what would be sent.

A proof's unsubscribe link is signed and leads to a page that says that it belongs to no message: nobody can be
unsubscribed by a preview that was passed on.
"""

import time
from collections.abc import Mapping, Sequence
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
from taskflow.campaigns.freezing import missing_variables, some_people
from taskflow.campaigns.models import Campaign, MissingVariable
from taskflow.campaigns.needs import needs_of
from taskflow.campaigns.proofs.samples import SAMPLE_ADDRESS, samples
from taskflow.campaigns.repository import NIL, CampaignRepository
from taskflow.content.errors import TemplateLimitError, TemplateSyntaxProblem
from taskflow.content.lint.findings import Finding, Severity
from taskflow.content.lint.links import LinkChecker
from taskflow.content.lint.messages import Message, lint_message
from taskflow.content.lint.variables import Suggestions, lint_variables
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

_SAMPLE_SENDER = Letterhead("sender@example.com")
_LINK_SECONDS = 5.0
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
    """Preview, test send and lint."""

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
        return await self._proof(words, self._composer(words, _SAMPLE_SENDER), person)

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

    async def lint(
        self,
        channel: str,
        content: Content,
        people: Sequence[Addressee],
        *,
        letterhead: Letterhead | None = None,
        check_links: bool = False,
        campaign: Campaign | None = None,
    ) -> list[Finding]:
        """Return everything that is wrong with content for these people, or for all recipients of a campaign."""
        try:
            words = await Words.of(self._rendering, content)
        except (TemplateSyntaxProblem, TemplateLimitError) as error:
            return [_finding(problem) for problem in error.context["problems"]]
        found = await self._lint_variables(words, people, campaign)
        try:
            composer = self._composer(words, letterhead or _SAMPLE_SENDER)
        except InvalidInputError as error:
            return [*found, Finding(error.code, Severity.ERROR, str(error))]
        shown: set[str] = set()
        addresses: list[str] = []
        for person in [*people, *samples(words)]:
            chosen = content.choose(person.values.get("locale"))
            if chosen in shown:
                continue
            proof = await self._proof(words, composer, person)
            if isinstance(proof.result, RenderProblem):
                if person.email != SAMPLE_ADDRESS and not _is_said(proof.result, found):
                    found.append(replace(_finding(_problem(proof.result)), locale=chosen or None))
                continue
            shown.add(chosen)
            found += await self._lint_message(channel, words, chosen, proof, letterhead, addresses)
        for locale in words.compiled.keys() - shown:
            found.append(
                Finding(
                    "not_rendered", Severity.NOTICE, "No one at hand has all its values: it was not looked at as a"
                    " message.", locale=locale or None,
                )
            )  # fmt: skip
        if check_links:
            found += await LinkChecker((), _LINK_SECONDS).check(addresses)
        return list(dict.fromkeys(found))

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

    # -- inside

    def _composer(self, words: Words, letterhead: Letterhead) -> Composer:
        return open_composer(self._settings, words, letterhead, NIL, eight_bit=True)

    @staticmethod
    async def _proof(words: Words, composer: Composer, person: Addressee) -> Proof:
        context = composer.context(person)
        [result] = await words.render([context])
        body = composer.build(person, context["unsubscribe_url"], result)
        refusal = body if isinstance(body, str) and isinstance(result, Rendered) else None
        locale = words.content.choose(person.values.get("locale"))
        return Proof(locale, context["unsubscribe_url"], result, refusal)

    async def _lint_variables(
        self, words: Words, people: Sequence[Addressee], campaign: Campaign | None
    ) -> list[Finding]:
        rows = await self._pool.fetch(sql.field_names)
        known = frozenset(row["name"] for row in rows).union(*(person.values for person in people))
        given = frozenset(name for one in words.compiled.values() for name in one.source.variables)
        meant = Suggestions(known | given)
        found: list[Finding] = []
        for locale, compiled in words.compiled.items():
            readers = [
                (person.email, {**person.values, "email": person.email, **compiled.source.variables})
                for person in people
                if words.content.choose(person.values.get("locale")) == locale
            ]
            found += lint_variables(locale, compiled, readers, meant)
        if campaign is None:
            return found
        # Of a campaign, all recipients are asked, not only those at hand.
        missing = await self._missing(words, campaign)
        places = {finding.variable: finding for finding in found if finding.code == "missing_variable"}
        return [finding for finding in found if finding.code != "missing_variable"] + [
            replace(
                places.get(item.variable, Finding("missing_variable", Severity.ERROR, "", variable=item.variable)),
                message=f"{item.count:,} recipients lack '{item.variable}', first {item.email or 'one'}.",
                count=item.count,
            )
            for item in missing
        ]

    async def _missing(self, words: Words, campaign: Campaign) -> list[MissingVariable]:
        """Ask as the start does: all rows, or everybody who is in the audience now."""
        if not campaign.is_open:
            return await self._campaigns.missing_variables(campaign.campaign_id, needs_of(words))
        audience = Audience.model_validate(campaign.audience)
        async with self._pool.acquire() as connection, connection.transaction():
            return await missing_variables(connection, audience, needs_of(words))

    async def _lint_message(
        self,
        channel: str,
        words: Words,
        locale: str,
        proof: Proof,
        letterhead: Letterhead | None,
        addresses: list[str],
    ) -> list[Finding]:
        """Look at one finished message; its links are added to `addresses`."""
        if not isinstance(proof.result, Rendered):
            return []
        html, source = proof.result.html_bytes, words.compiled[locale].source
        inspection = await self._rendering.inspect(html) if html else None
        message = Message(
            channel,
            proof.result,
            inspection,
            proof.url,
            has_preheader=bool(source.preheader) or "<mj-preview" in source.html,
            from_email=letterhead.from_email if letterhead else None,
            inline_ids=frozenset(file.content_id for file in words.content.attachments if file.inline),
        )
        found = lint_message(message)
        if html and inspection is None:
            found.append(
                Finding("html_unreadable", Severity.WARNING, "Its HTML is too entangled to be read.", part="html")
            )
        if proof.refusal is not None:
            found.append(Finding("header", Severity.ERROR, f"The message cannot be built: {proof.refusal}."))
        if inspection is not None:
            links = (link for link, _ in inspection.links if link and link != proof.url)
            addresses += [link for link in links if link.startswith(("http://", "https://"))]
        return [replace(finding, locale=locale or None) for finding in found]


def _is_said(problem: RenderProblem, found: Sequence[Finding]) -> bool:
    """Tell whether a missing value has been found before it was rendered; inside loops only rendering finds it."""
    paths = [one.variable.split(".") for one in found if one.code == "missing_variable" and one.variable]
    return any(problem.variable in path for path in paths)


def _in(person: Addressee, locale: str | None) -> Addressee:
    return replace(person, values={**person.values, "locale": locale}) if locale else person


def _problem(problem: RenderProblem) -> dict[str, Any]:
    names = ("code", "message", "part", "line", "variable", "snippet")
    return {name: getattr(problem, name) for name in names}


def _finding(problem: Mapping[str, Any]) -> Finding:
    known = {name: problem.get(name) for name in ("locale", "part", "line", "snippet", "variable")}
    return Finding(str(problem["code"]), Severity.ERROR, str(problem["message"]), **known)


def problems_of(error: TaskFlowError) -> list[dict[str, Any]]:
    """Return the problems that a refused template carries."""
    return list(error.context.get("problems") or [{"code": error.code, "message": str(error)}])
