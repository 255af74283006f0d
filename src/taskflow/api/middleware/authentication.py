"""Finds out who calls, and refuses anonymous callers of `/api/v1` before a route is looked for: HTTP and WebSocket.

A credential is `Authorization: Bearer <access token or API key>` or `X-API-Key: <API key>`; a browser's WebSocket,
which can send no header, brings a one-use ticket in its URL instead. There are no cookies, so a browser never adds a
credential by itself; still, a WebSocket from another site's page is refused by its `Origin`. Public paths ignore
whatever credential comes along.
"""

from collections.abc import Collection
from urllib.parse import parse_qs

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from taskflow.api.origins import Origins
from taskflow.api.problems import problem_response
from taskflow.base.errors import TaskFlowError, UnauthenticatedError, UnavailableError
from taskflow.broker.redis.broker import RedisBroker
from taskflow.db.outages import DATABASE_AWAY
from taskflow.identity.access import Services
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.models import Principal
from taskflow.identity.tickets import TicketBooth

_OPTIONAL = frozenset({"/metrics"})


class AuthenticationMiddleware:
    """Sets `state.principal`."""

    def __init__(self, app: ASGIApp, api_prefix: str, public: Collection[str], origins: Origins) -> None:
        """Demand a credential under `api_prefix`, but for the `public` paths; sockets come from `origins` only."""
        self.app = app
        self._prefix = api_prefix + "/"
        self._public = frozenset(public)
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Authenticate, or answer 401."""
        if scope["type"] not in ("http", "websocket") or not self._concerns(scope["path"]):
            await self.app(scope, receive, send)
            return
        try:
            principal = await self._identify(scope)
            if principal is None and scope["path"] not in _OPTIONAL:
                raise UnauthenticatedError
        except TaskFlowError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        scope["state"]["principal"] = principal
        if principal is not None:
            structlog.contextvars.bind_contextvars(user_id=str(principal.user_id))
        await self.app(scope, receive, send)

    def _concerns(self, path: str) -> bool:
        return path in _OPTIONAL or (path.startswith(self._prefix) and path not in self._public)

    async def _identify(self, scope: Scope) -> Principal | None:
        headers = Headers(scope=scope)
        services: Services = scope["app"].state.services
        if scope["type"] == "websocket":
            self._origins.check(headers)
        try:
            credential = _credential(headers)
            if credential is not None:
                return await services.get(Authenticator).authenticate(credential)
            if scope["type"] == "websocket" and (ticket := _ticket(scope)) is not None:
                principal = await TicketBooth(services.get(RedisBroker)).redeem(ticket)
                await services.get(Authenticator).confirm(principal)
                return principal
        except DATABASE_AWAY as error:
            raise UnavailableError(retry_after=1) from error  # not the caller's fault
        return None


def _credential(headers: Headers) -> str | None:
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    scheme, _, credential = authorization.partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise UnauthenticatedError("Use `Authorization: Bearer …`.")
    return credential.strip()


def _ticket(scope: Scope) -> str | None:
    found = parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=10).get("ticket")
    return found[0] if found else None
