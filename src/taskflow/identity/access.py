"""What every `endpoints.py` needs from the edge: who calls, what a route demands, the audit trail, the services.

This is the one module below `api/` that knows FastAPI without being an `endpoints.py`; domains import it instead of
`taskflow.api`, so that the arrows keep running one way.

- `require(role)` or `public()` stands in the `dependencies` of every route: a test walks the routes and fails on one
  that declares neither.
- `audited(action)` stands on every route that changes something. Its row is written after the handler has succeeded
  and before the response leaves. A refusal leaves none, unless it changed something itself (`Trail.changed`). Of a
  handler that broke off, nobody can say what it has changed: its row says `"outcome": "unknown"`.
- `ReservedId` is the id that a route under an Idempotency-Key must give to what it makes: the request may be a
  repetition of one whose process died, and what is there under that id already is then the answer.
- `content_type`, `misfits`, `csv_download` and `download` are for routes that read their body, or write their answer,
  by hand.
- `service(Kind)` hands out what the process opened at start (`Database`, `RedisBroker`, `Settings`, …).

The authentication middleware has put the `Principal` into the request's state before any of this runs.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.requests import HTTPConnection
from fastapi.responses import StreamingResponse
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from taskflow.base.errors import ForbiddenError, TaskFlowError, UnauthenticatedError
from taskflow.base.pagination import DEFAULT_LIMIT, MAX_LIMIT
from taskflow.identity.audit import AuditEntry, AuditLog
from taskflow.identity.models import SEND, Principal, Role, Scope

Kind = TypeVar("Kind")

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="Most items of the page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]
DEFAULT_PAGE = DEFAULT_LIMIT


class Services:
    """What the process opened at start, by type. Lives in `app.state.services`."""

    def __init__(self) -> None:
        """Start empty; the application's lifespan fills it."""
        self._instances: dict[type[Any], Any] = {}

    def add(self, *instances: object) -> None:
        """Keep instances under their types."""
        for instance in instances:
            self._instances[type(instance)] = instance

    def get(self, kind: type[Kind]) -> Kind:
        """Return the instance of a type; a missing one is a programming error."""
        return cast("Kind", self._instances[kind])


class _Service:
    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind

    async def __call__(self, connection: HTTPConnection) -> Any:
        return services(connection).get(self.kind)


class RoleGuard:
    """Refuses callers below a role, and keys that are limited to something else."""

    def __init__(self, role: Role, scope: Scope | None = None) -> None:
        """Demand `role` or more; a key that may do nothing but send passes only where `scope` says so."""
        self.role = role
        self.scope = scope

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return the caller.

        Raises:
            UnauthenticatedError: nobody is signed in.
            ForbiddenError: the caller's role is lower, or its key is for something else.
        """
        caller = caller_of(connection)
        if caller.is_narrow and self.scope not in caller.scopes:
            raise ForbiddenError(f"This key has the scope {SEND}: it sends messages and sees its own, nothing else.")
        if not caller.role.allows(self.role):
            raise ForbiddenError(f"This needs the role {self.role.value}; yours is {caller.role.value}.")
        return caller


class PublicMark:
    """Marks a route that anybody may call."""

    async def __call__(self) -> None:
        """Demand nothing."""


class AuditTrail:
    """What the audit row of this request will say; handlers fill in what only they know."""

    def __init__(self, entry: AuditEntry) -> None:
        """Start with what the request tells by itself."""
        self.entry = entry
        self.has_changed: bool | None = None  # None: what the handler's end tells

    def target(self, target_id: UUID | str, **detail: Any) -> None:
        """Name the thing that was changed; `detail` must hold no secret."""
        self.entry.target_id = str(target_id)
        self.entry.detail.update(detail)

    def actor(self, user_id: UUID, name: str) -> None:
        """Name the actor of a public route, who is known only after it ran."""
        self.entry.actor_id, self.entry.actor = user_id, name

    def changed(self, action: str) -> None:
        """Say that something has changed although the request is about to be refused, and what."""
        self.entry.action, self.has_changed = action, True

    def nothing_changed(self) -> None:
        """Say that the request succeeded because everything was so already: it leaves no row."""
        self.has_changed = False


class AuditMark:
    """Writes the audit row of a route."""

    def __init__(self, action: str, target: str | None) -> None:
        """Fix the action ("campaign.start") and the path parameter that holds the target's id."""
        self.action = action
        self.target = target

    async def __call__(self, request: Request) -> AsyncIterator[None]:
        """Prepare the entry, let the handler run, write it when something has changed, or may have."""
        principal: Principal | None = request.state.principal
        trail = AuditTrail(
            AuditEntry(
                action=self.action,
                actor=principal.actor if principal else "anonymous",
                actor_id=principal.user_id if principal else None,
                target_type=self.action.partition(".")[0],
                target_id=_one_spelling(request.path_params.get(self.target)) if self.target else None,
                request_id=request.state.request_id,
                address=request.state.address,
            )
        )
        request.state.trail = trail
        log = services(request).get(AuditLog)
        try:
            yield
        except (TaskFlowError, RequestValidationError, HTTPException):
            if trail.has_changed:
                await log.write(trail.entry)
            raise
        except Exception:
            trail.entry.detail["outcome"] = "unknown"
            await log.write(trail.entry)
            raise
        if trail.has_changed is not False:
            await log.write(trail.entry)


def _one_spelling(text: str | None) -> str | None:
    """Return an id as everybody writes it: a path may hold `{01A2…}`, which would hide a row from a search."""
    try:
        return str(UUID(text)) if text else text
    except ValueError:
        return text


def services(connection: HTTPConnection) -> Services:
    """Return the services of the application that serves this connection."""
    return cast("Services", connection.app.state.services)


def service(kind: type[Any]) -> Any:
    """Return the dependency for a service of the process: `Annotated[Database, service(Database)]`."""
    return Depends(_Service(kind))


def require(role: Role, *, scope: Scope | None = None) -> Any:
    """Return the dependency that demands a role; for `dependencies=[…]` of a route or router.

    `scope`: also keys that are limited to it may come, with that role.
    """
    return Depends(RoleGuard(role, scope))


def public() -> Any:
    """Return the mark of a route that anybody may call; for `dependencies=[…]`."""
    return Depends(PublicMark())


def audited(action: str, *, target: str | None = None) -> Any:
    """Return the dependency that leaves an audit row; for `dependencies=[…]` of a route that changes something."""
    return Depends(AuditMark(action, target), scope="function")


def caller_of(connection: HTTPConnection) -> Principal:
    """Return the authenticated caller, or raise UnauthenticatedError."""
    principal: Principal | None = connection.state.principal
    if principal is None:
        raise UnauthenticatedError
    return principal


def content_type(request: Request) -> str:
    """Return what a body says it is, without parameters and in lower case; empty when it says nothing."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


@contextmanager
def misfits() -> Iterator[None]:
    """Tell what does not fit in a body that was read by hand as FastAPI tells it of others."""
    try:
        yield
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise RequestValidationError([{**item, "loc": ("body", *item["loc"])} for item in found]) from error


def csv_download(chunks: AsyncIterator[bytes], filename: str) -> StreamingResponse:
    """Return the answer that is a CSV file of this name."""
    return download(chunks, "text/csv; charset=utf-8", filename)


def download(chunks: AsyncIterator[bytes], media_type: str, filename: str) -> StreamingResponse:
    """Return the answer that is a file of this name, sent while it is made."""
    headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
    return StreamingResponse(chunks, media_type=media_type, headers=headers)


async def _caller(connection: HTTPConnection) -> Principal:
    return caller_of(connection)


async def _reserved_id(request: Request) -> UUID | None:
    return cast("UUID | None", getattr(request.state, "reserved_id", None))


async def _trail(request: Request) -> AuditTrail:
    return cast("AuditTrail", request.state.trail)


Caller = Annotated[Principal, Depends(_caller)]
Trail = Annotated[AuditTrail, Depends(_trail)]
ReservedId = Annotated[UUID | None, Depends(_reserved_id)]
