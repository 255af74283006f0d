"""DLT templates in PostgreSQL, and the texts that they make."""

from collections.abc import Sequence
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from taskflow.base.errors import ConflictError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.db.pool import Pool
from taskflow.db.queries import load
from taskflow.delivery.dlt import Facts, fill, match

sql = load(__file__)

Category = Literal["transactional", "service-explicit", "promotional"]


class SmsTemplateNotFoundError(NotFoundError):
    """There is no such SMS template."""

    code = "sms_template_not_found"


class SmsTemplateTakenError(ConflictError):
    """Another SMS template has this name, or is registered under this id and header."""

    code = "sms_template_taken"


class NewTemplate(NamedTuple):
    """A template as it was registered."""

    name: str
    template_id: str
    entity_id: str
    header: str
    category: Category
    body: str
    provider_template_id: str | None = None


class DltText(NamedTuple):
    """A text under its template, and all that `contract.Sms` wants to know of it."""

    text: str
    sender: str
    is_promotional: bool
    facts: Facts


class SmsTemplates:
    """Reads and writes templates; each call is one statement."""

    def __init__(self, pool: Pool) -> None:
        """Use the ordinary pool."""
        self._pool = pool

    async def add(
        self, template: NewTemplate, created_by: UUID | None = None, sms_template_id: UUID | None = None
    ) -> asyncpg.Record:
        """Keep a template; one that exists under `sms_template_id` is the answer: a repeated request.

        Raises:
            SmsTemplateTakenError: another one has its name, or its id and header.
        """
        if sms_template_id is not None and (known := await self._pool.fetchrow(sql.get_template, sms_template_id)):
            return known
        try:
            made = await self._pool.fetchrow(sql.insert_template, sms_template_id or uuid7(), *template, created_by)
        except asyncpg.UniqueViolationError as error:
            what = f"called '{template.name}'"
            if error.constraint_name == "sms_templates_registered":
                what = f"with the id {template.template_id} and the header {template.header}"
            raise SmsTemplateTakenError(f"There is a template {what} already.") from error
        return _found(made, template.name)

    async def get(self, which: UUID | str) -> asyncpg.Record:
        """Return a template by its id or name, or raise SmsTemplateNotFoundError."""
        statement = sql.get_template if isinstance(which, UUID) else sql.template_called
        return _found(await self._pool.fetchrow(statement, which), which)

    async def page(self, search: str | None, after: str | None, limit: int) -> list[asyncpg.Record]:
        """Return templates by name."""
        return await self._pool.fetch(sql.list_templates, search, after, limit)

    async def remove(self, sms_template_id: UUID) -> str:
        """Forget a template and return its name; texts that were sent keep what they need."""
        name = await self._pool.fetchval(sql.delete_template, sms_template_id)
        if name is None:
            raise SmsTemplateNotFoundError(f"There is no SMS template {sms_template_id}.")
        return str(name)


def id_or_name(text: str) -> UUID | str:
    """Return what a person calls a template by."""
    try:
        return UUID(text)
    except ValueError:
        return text


def filled(template: asyncpg.Record, values: Sequence[str]) -> DltText:
    """Return the text that a template makes of values.

    Raises:
        TemplateValuesError: they do not fit.
    """
    return _text(template, fill(template["body"], values), values)


def matched(template: asyncpg.Record, text: str) -> DltText:
    """Return a text that was written out already, with the values that a template finds in it.

    Raises:
        TemplateMismatchError: it is not that template.
    """
    return _text(template, text, match(template["body"], text))


def facts_of(template: asyncpg.Record, values: Sequence[str] = ()) -> Facts:
    """Return what operators want to know of a text under a template."""
    return Facts(template["template_id"], template["entity_id"], template["provider_template_id"] or "", tuple(values))


def _text(template: asyncpg.Record, text: str, values: Sequence[str]) -> DltText:
    return DltText(text, template["header"], template["category"] == "promotional", facts_of(template, values))


def _found(row: asyncpg.Record | None, which: UUID | str) -> asyncpg.Record:
    if row is None:
        raise SmsTemplateNotFoundError(f"There is no SMS template {which}.")
    return row
