"""Texts submitted, for code that shares the database.

A text is made when it is taken, for every recipient: then each number, each value and each character of a DLT template
has been looked at, and how many parts it falls into is known, before anything is written or costs money. Sending only
hands over what stands in the row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from taskflow.audience.channels import Channel
from taskflow.audience.contacts.phones import normalise_phone
from taskflow.audience.contacts.values import InvalidValueError
from taskflow.content.rendering import Format, RenderPool, RenderProblem
from taskflow.content.sms import plainer, sms_length
from taskflow.content.templates.models import Draft, Variant
from taskflow.content.templates.repository import TemplateRepository
from taskflow.content.templates.words import Words
from taskflow.db.pool import Database
from taskflow.delivery.dlt import (
    HeaderNotRegisteredError,
    TemplateMismatchError,
    TemplateValuesError,
    is_indian,
    not_before,
    window_opens,
)
from taskflow.delivery.messages.composer import KeptWords, context_of
from taskflow.delivery.messages.errors import (
    ExpiresBeforeHoursError,
    InvalidRecipientError,
    NoCarrierError,
    UnrenderableError,
)
from taskflow.delivery.messages.models import LOCALE, Archive, Policy, Recipient, Submission, TextTerms, TextWords
from taskflow.delivery.messages.service import Submitted, keep
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.delivery.sms.templates.repository import SmsTemplates, facts_of, filled, matched
from taskflow.engine.client import Engine

MAX_PARTS = 10


@dataclass(frozen=True, slots=True)
class TextRecipient:
    """Whom one text is for. `values`: of its DLT template; None: those of the call."""

    address: str
    name: str | None = None
    locale: str | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    values: Sequence[str] | None = None


@dataclass(frozen=True, slots=True)
class TextCall:
    """One call for texts, as it was asked for.

    It says own words (`text`), those of a template of the library, or fills `dlt_template` with `values`; own words or
    a template together with `dlt_template` are compared with it.
    """

    recipients: Sequence[TextRecipient]
    text: str | None = None
    template_id: UUID | None = None
    template_version: int | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)
    dlt_template: UUID | str | None = None
    values: Sequence[str] = ()
    sender: str | None = None
    promotional: bool = False
    plain: bool = False
    tags: tuple[str, ...] = ()
    scheduled_at: datetime | None = None
    expires_at: datetime | None = None
    priority: int = 8
    uncertain_policy: Policy = "resend"
    archive: Archive = "full"


class TextService:
    """Makes and keeps texts."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        rendering: RenderPool,
        words: KeptWords,
        registry: Registry,
        region: str | None,
    ) -> None:
        """Take the pools, the engine that runs the tasks, what renders, and the kinds of providers.

        `region`: the country of numbers without a country code.
        """
        self._database = database
        self._engine = engine
        self._rendering = rendering
        self._template_words = words
        self._registry = registry
        self._region = region

    async def submit(
        self,
        call: TextCall,
        *,
        created_by: UUID | None = None,
        key_id: UUID | None = None,
        submission_id: UUID | None = None,
    ) -> Submitted:
        """Make the texts of a call, write them and put them in line; a repeated id is what it became.

        `key_id`: the key it comes with, if that is to see its own messages only.

        Raises:
            InvalidRecipientError: a number cannot be written to, or is there twice.
            UnrenderableError, TemplateSyntaxProblem, TemplateLimitError: a text cannot be made.
            TemplateNotFoundError, TemplateVersionNotFoundError, TemplateArchivedError, TemplateShapeError,
            SmsTemplateNotFoundError: its template cannot be used.
            TemplateValuesError, TemplateMismatchError, HeaderNotRegisteredError: it is not its DLT template.
            ExpiresBeforeHoursError: it is promotional under DLT, and too late when it may go out.
            NoCarrierError: no provider here carries it.
        """
        template = None
        if call.dlt_template is not None:
            template = await SmsTemplates(self._database.pool).get(call.dlt_template)
        await self._check_carriers(requires_dlt=template is not None)
        recipients = self._numbered(call.recipients, is_dlt=template is not None)
        terms = _terms(call, template)
        scheduled_at, waits = _hours(call, terms)
        version, texts = await self._rendered(call, recipients)
        made = [
            _made(place, one, _words(template, place, one, text, call.values))
            for place, (one, text) in enumerate(zip(recipients, texts, strict=True))
        ]
        submission = Submission(
            terms,
            made,
            template_id=call.template_id,
            template_version=version,
            tags=call.tags,
            scheduled_at=scheduled_at,
            expires_at=call.expires_at,
            priority=call.priority,
            uncertain_policy=call.uncertain_policy,
            archive=call.archive,
            waits=waits,
        )
        return await keep(self._database, self._engine, submission, "api", created_by, submission_id, key_id)

    async def _check_carriers(self, *, requires_dlt: bool) -> None:
        """Demand a provider that may carry such texts, enabled or not; without any, the sandbox does."""
        rows = await ProviderReader(self._database.pool).all(Channel.SMS)
        known = {kind.name: kind for kind in self._registry.kinds}
        kinds = [known[row.kind] for row in rows if row.kind in known]
        if not rows or any(kind.may_carry_texts(requires_dlt=requires_dlt) for kind in kinds):
            return
        names = ", ".join(row.name for row in rows)
        if requires_dlt:
            raise NoCarrierError(
                f"A text under a DLT template goes over a provider with DLT only, and {names} has none: add one of the"
                " kind fast2sms."
            )
        raise NoCarrierError(
            f"{names} carries texts under a DLT template only: name one (dlt_template), or add a provider of another"
            " kind."
        )

    def _numbered(self, recipients: Sequence[TextRecipient], *, is_dlt: bool) -> list[TextRecipient]:
        """Return recipients whose numbers are in E.164, each once."""
        found: list[TextRecipient] = []
        seen: set[str] = set()
        for place, one in enumerate(recipients):
            try:
                number = normalise_phone(one.address, self._region)
            except InvalidValueError as error:
                raise InvalidRecipientError(f"to[{place}]: {error}", index=place) from error
            if is_dlt and not is_indian(number):
                raise InvalidRecipientError(
                    f"to[{place}]: {number} is not in India: a text under a DLT template reaches +91 and ten digits"
                    " only.",
                    index=place,
                )
            if number in seen:
                raise InvalidRecipientError(f"to[{place}]: {number} is there twice.", index=place)
            seen.add(number)
            found.append(replace(one, address=number))
        return found

    async def _rendered(
        self, call: TextCall, recipients: Sequence[TextRecipient]
    ) -> tuple[int | None, Sequence[str | None]]:
        """Return the version of the template, and what each recipient reads; None: what a DLT template makes."""
        version = None
        if call.template_id is not None:
            templates = TemplateRepository(self._database.pool)
            version, words = await self._template_words.chosen(
                self._rendering, templates, call.template_id, call.template_version, Channel.SMS
            )
        elif call.text is not None:
            variant = Variant(LOCALE, Format.TEXT, call.text)
            words = await Words.of(self._rendering, Draft((variant,)).content("sms", LOCALE, {}))
        else:
            return None, [None] * len(recipients)
        results = await words.render([context_of(call.variables, one, one.variables, "phone") for one in recipients])
        texts: list[str] = []
        for place, (one, result) in enumerate(zip(recipients, results, strict=True)):
            if isinstance(result, RenderProblem):
                raise UnrenderableError(
                    f"to[{place}] ({one.address}): {result.message}",
                    index=place,
                    problems=[{"code": result.code, "message": result.message, "part": "text", "line": result.line}],
                )
            texts.append(plainer(result.text) if call.plain else result.text)
        return version, texts


def _terms(call: TextCall, template: asyncpg.Record | None) -> TextTerms:
    if template is None:
        return TextTerms(call.sender, call.promotional)
    header = template["header"]
    if call.sender not in (None, header):
        raise HeaderNotRegisteredError(
            f"The template '{template['name']}' is registered for the header {header}, not for {call.sender!r}: leave"
            " `sender` out, or keep the template under that header, too.",
            header=header,
        )
    is_promotional = call.promotional or template["category"] == "promotional"
    return TextTerms(header, is_promotional, facts_of(template).as_mapping())


def _hours(call: TextCall, terms: TextTerms) -> tuple[datetime | None, str | None]:
    """Return when texts may go out, and why not before, where nobody asked for that.

    Raises:
        ExpiresBeforeHoursError: they would be too late by then.
    """
    if not terms.promotional or terms.dlt is None:
        return call.scheduled_at, None
    now = datetime.now(UTC)
    opens = window_opens(max(call.scheduled_at or now, now))
    if opens is None:
        return call.scheduled_at, None
    if call.expires_at is not None and call.expires_at <= opens:
        raise ExpiresBeforeHoursError(
            f"{not_before(opens)} expires_at is {call.expires_at.isoformat()}: leave it out, or let it be later.",
            opens_at=opens.isoformat(),
        )
    return opens, not_before(opens)


def _words(
    template: asyncpg.Record | None, place: int, one: TextRecipient, text: str | None, values: Sequence[str]
) -> TextWords:
    """Return what a recipient reads: as it is, or as a DLT template takes it or makes it."""
    if template is None:
        return TextWords(text or "")
    try:
        if text is None:
            made = filled(template, values if one.values is None else one.values)
        else:
            made = matched(template, text)
    except (TemplateValuesError, TemplateMismatchError) as error:
        raise type(error)(f"to[{place}] ({one.address}): {error}", index=place, **error.context) from error
    return TextWords(made.text, made.facts.values)


def _made(place: int, one: TextRecipient, words: TextWords) -> Recipient:
    """Return a recipient as it is kept, with the words and what they take."""
    length = sms_length(words.text)
    if not words.text.strip() or "\x00" in words.text:
        raise UnrenderableError(f"to[{place}] ({one.address}): the text is empty, or holds a NUL.", index=place)
    if length.segments > MAX_PARTS:
        raise UnrenderableError(
            f"to[{place}] ({one.address}): the text takes {length.segments} parts; {MAX_PARTS} are the most.",
            index=place,
        )
    return Recipient(one.address, one.name, one.locale, words._asdict(), length)
