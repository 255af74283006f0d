"""One action on many contacts: on those that are named, at once; on those that a filter means, in a task.

The task goes through the contacts by id in batches, each a transaction of its own, and says how far it is. Contacts
that came after it was asked for are left out. Every action may be done twice: a task whose worker died begins again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from taskflow.audience.consent.models import Evidence
from taskflow.audience.consent.service import ConsentService
from taskflow.audience.contacts.columns import checked
from taskflow.audience.contacts.filters import ContactFilter
from taskflow.audience.contacts.models import ContactStatus
from taskflow.audience.contacts.repository import sql
from taskflow.audience.contacts.values import normalise_tags
from taskflow.audience.lists.repository import found as found_list
from taskflow.audience.lists.repository import sql as lists_sql
from taskflow.base.errors import InvalidInputError
from taskflow.base.ids import uuid7
from taskflow.db.deadlocks import repeat_when_deadlocked
from taskflow.db.pool import Database
from taskflow.engine.handles import TaskHandle
from taskflow.engine.requests import Request

BULK_TASK = "change_contacts"
BULK_QUEUE = "contacts"
BATCH = 1_000


class BulkAction(StrEnum):
    """What is done."""

    ADD_TAGS = "add_tags"
    REMOVE_TAGS = "remove_tags"
    ADD_TO_LIST = "add_to_list"
    REMOVE_FROM_LIST = "remove_from_list"
    SET_STATUS = "set_status"
    DELETE = "delete"


class InvalidBulkActionError(InvalidInputError):
    """The action lacks what it needs."""

    code = "invalid_bulk_action"


@dataclass(frozen=True, slots=True)
class Change:
    """An action with what it needs, and who asked for it."""

    action: BulkAction
    tags: tuple[str, ...] = ()
    list_id: UUID | None = None
    status: ContactStatus | None = None
    actor: str | None = None
    address: str | None = None

    def check(self) -> Self:
        """Return it with its tags as they are stored.

        Raises:
            InvalidBulkActionError, InvalidContactError: something is missing or does not fit.
        """
        needs = {
            BulkAction.ADD_TAGS: ("tags", self.tags),
            BulkAction.REMOVE_TAGS: ("tags", self.tags),
            BulkAction.ADD_TO_LIST: ("list_id", self.list_id),
            BulkAction.REMOVE_FROM_LIST: ("list_id", self.list_id),
            BulkAction.SET_STATUS: ("status", self.status),
        }
        name, value = needs.get(self.action, ("", True))
        if not value:
            raise InvalidBulkActionError(f"The action {self.action} needs {name}.", field=name)
        tags = tuple(checked("tags", normalise_tags, self.tags))
        return type(self)(self.action, tags, self.list_id, self.status, self.actor, self.address)

    def to_json(self) -> dict[str, Any]:
        """Return it for the arguments of a task."""
        return {
            "action": self.action.value,
            "tags": list(self.tags),
            "list_id": str(self.list_id) if self.list_id else None,
            "status": self.status.value if self.status else None,
            "actor": self.actor,
            "address": self.address,
        }

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        """Read what `to_json` wrote."""
        return cls(
            BulkAction(given["action"]),
            tuple(given["tags"]),
            UUID(given["list_id"]) if given["list_id"] else None,
            ContactStatus(given["status"]) if given["status"] else None,
            given["actor"],
            given["address"],
        )


def bulk_request(wanted: ContactFilter, change: Change, task_id: UUID | None, created_by: UUID) -> Request:
    """Return the task that changes the contacts which a filter means and which are there now."""
    arguments = {"wanted": wanted.to_json(), "change": change.to_json(), "until": str(uuid7())}
    return Request(BULK_TASK, kwargs=arguments, queue=BULK_QUEUE, task_id=task_id, created_by=created_by)


class BulkService:
    """Bulk actions for code that shares the database."""

    def __init__(self, database: Database, consents: ConsentService) -> None:
        """Take the services of this process."""
        self._pool = database.pool
        self._consents = consents

    async def check(self, change: Change) -> Change:
        """Return the change, ready to be applied.

        Raises:
            InvalidBulkActionError, InvalidContactError, ListNotFoundError: as they say.
        """
        change = change.check()
        if change.list_id is not None:
            found_list(await self._pool.fetchrow(lists_sql.get_list, change.list_id), change.list_id)
        return change

    async def apply(self, change: Change, contact_ids: Sequence[UUID]) -> int:
        """Do it to some contacts; return how many it changed.

        Raises:
            ListNotFoundError, ListArchivedError: as they say.
        """
        ids = sorted(set(contact_ids))
        changed, handles = await repeat_when_deadlocked(lambda: self._apply(change, ids))
        await self._consents.dispatch(handles)
        return changed

    async def _apply(self, change: Change, ids: Sequence[UUID]) -> tuple[int, list[TaskHandle[None]]]:
        handles: list[TaskHandle[None]] = []
        async with self._pool.acquire() as connection, connection.transaction():
            if change.action is BulkAction.ADD_TO_LIST and change.list_id is not None:
                evidence = Evidence("api", address=change.address, actor=change.actor)
                added, handles = await self._consents.add_in(connection, change.list_id, ids, evidence)
                changed = added.confirmed + added.pending
            elif change.action is BulkAction.REMOVE_FROM_LIST and change.list_id is not None:
                evidence = Evidence("api", address=change.address, actor=change.actor)
                changed = await self._consents.remove_in(connection, change.list_id, ids, evidence)
            else:
                statement, values = self._statement(change)
                changed = int((await connection.execute(statement, ids, *values)).rpartition(" ")[2])
        return changed, handles

    def _statement(self, change: Change) -> tuple[str, list[Any]]:
        """Return what changes the contacts of $1, and its further binds."""
        match change.action:
            case BulkAction.ADD_TAGS:
                return sql.add_tags, [list(change.tags)]
            case BulkAction.REMOVE_TAGS:
                return sql.remove_tags, [list(change.tags)]
            case BulkAction.SET_STATUS:
                return sql.set_status, [change.status]
            case BulkAction.DELETE:
                return sql.delete_contacts, []
        raise InvalidBulkActionError(f"{change.action} is no change of contacts alone.")

    async def batch(self, wanted: ContactFilter, after: UUID | None, until: UUID) -> list[UUID]:
        """Return the next contacts that a filter means, in the order of their ids."""
        where, binds = wanted.where(after=after, until=until)
        statement = f"{sql.select_contact_ids} WHERE {where} ORDER BY c.contact_id LIMIT {BATCH}"
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            await connection.execute(sql.plan_for_these_values)
            return [row["contact_id"] for row in await connection.fetch(statement, *binds)]
