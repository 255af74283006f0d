"""Reading the sandbox inbox, and telling it where to fail."""

import email
import email.policy
from collections.abc import Sequence
from email.message import EmailMessage
from uuid import UUID

from taskflow.base.errors import InvalidInputError, NotFoundError
from taskflow.base.pagination import Page, decode_cursor, encode_cursor
from taskflow.db.pool import Pool
from taskflow.delivery.sandbox.repository import InboxRepository
from taskflow.delivery.sandbox.schemas import InboxRule, Mail, MailDetail, MailHeader


class MailNotFoundError(NotFoundError):
    """There is no such message in the sandbox inbox."""

    code = "mail_not_found"


class DuplicateRuleError(InvalidInputError):
    """Two rules have the same pattern."""

    code = "duplicate_rule"


class Inbox:
    """The sandbox inbox as people see it."""

    def __init__(self, pool: Pool) -> None:
        """Read through an ordinary pool."""
        self._repository = InboxRepository(pool)

    async def list_mails(self, q: str | None, cursor: str | None, limit: int) -> Page[Mail]:
        """Return a page of messages, newest first."""
        before = decode_cursor(cursor, UUID)[0] if cursor else None
        rows = await self._repository.list_messages(q or None, before, limit + 1)
        more = len(rows) > limit
        items = [Mail(**dict(row)) for row in rows[:limit]]
        return Page(items=items, next_cursor=encode_cursor(items[-1].message_id) if more else None)

    async def mail(self, message_id: UUID) -> MailDetail:
        """Return a message, taken apart.

        Raises:
            MailNotFoundError: it never came, or is too old.
        """
        row = await self._repository.message(message_id)
        if row is None:
            raise MailNotFoundError
        fields = dict(row)
        raw: bytes = fields.pop("raw")
        headers, text, html = take_apart(raw)
        return MailDetail(**fields, headers=headers, text=text, html=html, raw_size=len(raw))

    async def raw(self, message_id: UUID) -> bytes:
        """Return a message byte for byte.

        Raises:
            MailNotFoundError: it never came, or is too old.
        """
        row = await self._repository.message(message_id)
        if row is None:
            raise MailNotFoundError
        return bytes(row["raw"])

    async def clear(self) -> None:
        """Delete every message."""
        await self._repository.clear()

    async def rules(self) -> list[InboxRule]:
        """Return every rule."""
        return [InboxRule.model_validate({name: row[name] for name in _RULE}) for row in await self._repository.rules()]

    async def replace_rules(self, rules: Sequence[InboxRule]) -> list[InboxRule]:
        """Make `rules` the only ones; the server follows within a quarter of a second.

        Raises:
            DuplicateRuleError: a pattern comes twice.
        """
        if len({rule.pattern for rule in rules}) < len(rules):
            raise DuplicateRuleError
        await self._repository.replace_rules([(rule.pattern, rule.action, rule.times) for rule in rules])
        return await self.rules()


_RULE = ("pattern", "action", "times")


def take_apart(raw: bytes) -> tuple[list[MailHeader], str | None, str | None]:
    """Return a message's headers, plain text and HTML; whatever it is, it is shown as well as it can be."""
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    headers = [MailHeader(name=name, value=_clean(str(value))) for name, value in parsed.items()]
    return headers, _content(parsed, "plain"), _content(parsed, "html")


def _content(message: EmailMessage, subtype: str) -> str | None:
    try:
        part = message.get_body((subtype,))
        return None if part is None else _clean(str(part.get_content()))
    except (LookupError, ValueError, AttributeError):  # an unknown charset, a part that is none
        return None


def _clean(text: str) -> str:
    """Return text that JSON can carry: no lone surrogates."""
    return text.encode("utf-8", "replace").decode()
