"""`Idempotency-Key` on POST, as Stripe's API keeps it (docs.stripe.com/api/idempotent_requests).

- The first request under a key is carried out; its status and body are kept, success or failure, also a 500. A
  repetition gets the same answer with `Idempotency-Replayed: true`, and nothing is done again.
- The same key with another request is an error (422 `idempotency_key_reused`).
- Nothing is kept of a request that failed validation or was refused (400, 401, 403, 413, 415, 422, 429), nor of one
  that came while the first was under way (409 `idempotency_key_in_use`): try those again.
- Nobody can say whether a request that lost PostgreSQL on the way (503) was carried out: its repetition may begin at
  once, under the same `reserved_id`.
- A key is at most 255 characters, belongs to its user and route, and is forgotten after 24 hours. An API key for an
  application stands for itself: two of one owner do not meet each other's.

A process can die between the commit and the keeping of the answer. So the key's row is written first, with a
`reserved_id` that the route gives to what it makes; the lock on the row is renewed while the request runs and taken
over by a repetition once nobody renews it, which then makes the same thing under the same id: nothing twice.

A multipart upload is too long to keep, and its boundary differs each time: such a request is known by its length.
"""

import asyncio
import hashlib
from collections.abc import Collection
from contextlib import suppress
from typing import Any
from uuid import UUID

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.api.problems import MEDIA_TYPE, BadRequestError, fault_response, problem_response
from taskflow.base.errors import ConflictError, InvalidInputError, PayloadTooLargeError, TaskFlowError, UnavailableError
from taskflow.base.ids import uuid7
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY
from taskflow.db.pool import Database
from taskflow.db.queries import load
from taskflow.identity.access import Services
from taskflow.identity.models import Principal

log = get_logger(__name__)
sql = load(__file__, "idempotency.sql")

_MAX_KEY_CHARS = 255
_LIFE_SECONDS = 86_400.0
_LOCK_SECONDS = 10.0
_RENEW_SECONDS = 3.0
_NOT_KEPT = frozenset({400, 401, 403, 413, 415, 422, 429})
_UNKNOWN = 503
_FAULT = 500


class KeyReusedError(InvalidInputError):
    """This Idempotency-Key was used with another request."""

    code = "idempotency_key_reused"


class KeyInUseError(ConflictError):
    """The first request with this Idempotency-Key is still under way: try again shortly."""

    code = "idempotency_key_in_use"


class IdempotencyMiddleware:
    """Keeps the answers of POST requests to `paths` that carry a key."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        """Guard `paths`; they may have parameters."""
        self.app = app
        self._paths = [compile_path(path)[0] for path in paths]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry the request out once."""
        if scope["type"] != "http" or scope["method"] != "POST" or not self._guards(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        key = headers.get("idempotency-key")
        principal: Principal | None = scope["state"]["principal"]
        if key is None or principal is None:
            await self.app(scope, receive, send)
            return
        try:
            if not 0 < len(key) <= _MAX_KEY_CHARS or not (key.isascii() and key.isprintable()):
                raise BadRequestError(f"An Idempotency-Key has 1 to {_MAX_KEY_CHARS} printable ASCII characters.")
            digest, receive = await _fingerprint(headers, receive)
            services: Services = scope["app"].state.services
            owner = f"{principal.idempotency_owner} {scope['path']}"
            request = _KeptRequest(services.get(Database), owner, key, digest)
            answer = await request.begin()
        except TaskFlowError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        if answer is not None:
            await answer(scope, receive, send)
            return
        scope["state"]["reserved_id"] = request.reserved_id
        await request.run(self.app, scope, receive, send)

    def _guards(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self._paths)


class _KeptRequest:
    """One request under its key."""

    def __init__(self, database: Database, scope: str, key: str, digest: bytes) -> None:
        self._pool = database.pool
        self._scope = scope
        self._key = key
        self._digest = digest
        self.reserved_id: UUID = uuid7()

    async def begin(self) -> Response | None:
        """Take the key; return the kept answer when there is one.

        Raises:
            KeyReusedError, KeyInUseError, UnavailableError: as they say.
        """
        try:
            row = await self._pool.fetchrow(
                sql.take, self._scope, self._key, self._digest, self.reserved_id, _LOCK_SECONDS, _LIFE_SECONDS
            )
        except DATABASE_AWAY as error:
            raise UnavailableError(retry_after=1) from error
        if row is None:  # forgotten between the two halves of the statement
            raise KeyInUseError(retry_after=1)
        if row["request_hash"] != self._digest:
            raise KeyReusedError
        if row["taken"]:
            self.reserved_id = row["reserved_id"]
            return None
        if row["response_status"] is None:
            raise KeyInUseError(retry_after=1)
        status: int = row["response_status"]
        kind = MEDIA_TYPE if status >= 400 else "application/json"
        return Response(row["response_body"], status, {"Idempotency-Replayed": "true"}, kind)

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Carry the request out, and keep its answer before it leaves."""
        renewal = asyncio.create_task(self._renew(), name="idempotency-renewal")
        head: Message = {}
        body = bytearray()

        async def send_kept(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start":
                head = message
                return
            body.extend(message.get("body", b""))
            if not message.get("more_body"):
                await self._end(head["status"], bytes(body))
                await send(head)
                await send({"type": "http.response.body", "body": bytes(body)})

        try:
            await app(scope, receive, send_kept)
        except Exception:
            if not head:
                await self._end(_FAULT, bytes(fault_response(scope["state"]["request_id"]).body))
            raise  # the outermost layer logs it and answers
        finally:
            renewal.cancel()

    async def _end(self, status: int, body: bytes) -> None:
        try:
            if status == _UNKNOWN:  # perhaps it was committed: whoever repeats it goes on under the same id
                await self._pool.execute(sql.release, self._scope, self._key, self.reserved_id)
            elif status in _NOT_KEPT:
                await self._pool.execute(sql.forget, self._scope, self._key, self.reserved_id)
            else:
                await self._pool.execute(sql.keep, self._scope, self._key, self.reserved_id, status, body)
        except DATABASE_AWAY as error:  # a repetition takes the lock over and makes the same thing again
            log.warning("idempotent_answer_not_kept", why=type(error).__name__)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            with suppress(*DATABASE_AWAY):
                await self._pool.execute(sql.renew, self._scope, self._key, self.reserved_id, _LOCK_SECONDS)


async def _fingerprint(headers: Headers, receive: Receive) -> tuple[bytes, Receive]:
    """Return what tells this request from others, and a `receive` that gives its body (again)."""
    if headers.get("content-type", "").startswith("multipart/"):
        return hashlib.sha256(b"multipart " + headers.get("content-length", "").encode()).digest(), receive
    parts: list[bytes] = []
    more = True
    while more:
        try:
            message = await receive()
        except HTTPException as error:
            raise PayloadTooLargeError(error.detail) from error
        if message["type"] == "http.disconnect":
            raise BadRequestError("The body ended early.")
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Any:
        return unread.pop() if unread else await receive()

    return hashlib.sha256(body).digest(), receive_again
