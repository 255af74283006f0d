"""Two limits on `/api/v1`: one an address, before anybody knows who calls, and one a user or API key, after. A third
guards the public forms.

A refusal is 429 with `Retry-After`; every answer carries `RateLimit-Limit`, `RateLimit-Remaining` and
`RateLimit-Reset` of the limit that is nearest (the user's, where there is one). An IPv6 address counts as its /64,
because that is what one subscriber holds.
"""

import math
from collections.abc import Callable, Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.api.problems import problem_response
from taskflow.base.errors import RateLimitedError
from taskflow.base.networks import subscriber
from taskflow.broker.redis.rate_limiter import RateLimiter, Verdict
from taskflow.identity.access import Services
from taskflow.identity.models import Principal

Identify = Callable[[Scope], tuple[str, int] | None]
Allowance = Callable[[Principal], tuple[str, int]]
"""Returns identity and limit per minute of somebody."""


class RateLimitMiddleware:
    """Counts the requests of whoever `identify` names."""

    def __init__(self, app: ASGIApp, api_prefix: str, identify: Identify) -> None:
        """`identify` returns identity and limit per minute, or None for no limit."""
        self.app = app
        self._prefix = api_prefix + "/"
        self._identify = identify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Admit the request, or answer 429."""
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith(self._prefix):
            await self.app(scope, receive, send)
            return
        named = self._identify(scope)
        if named is None:
            await self.app(scope, receive, send)
            return
        services: Services = scope["app"].state.services
        verdict = await services.get(RateLimiter).ask(*named)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                _tell(MutableHeaders(scope=message), verdict)
            await send(message)

        if verdict.admitted:
            await self.app(scope, receive, send_counted)
            return
        error = RateLimitedError(
            f"At most {verdict.limit} requests a minute.", retry_after=max(1, math.ceil(verdict.reset))
        )
        await problem_response(error, scope["state"]["request_id"])(scope, receive, send_counted)


def by_address(limit: int, kind: str = "ip") -> Identify:
    """Count per address; each `kind` by itself."""

    def identify(scope: Scope) -> tuple[str, int]:
        return f"{kind}:{subscriber(scope['state']['address'])}", limit

    return identify


def by_user(limit: int, own: Mapping[tuple[str, str], Allowance] | None = None) -> Identify:
    """Count per user; an API key with a limit of its own counts by itself.

    `own`: what counts otherwise, by method and path.
    """
    others = own or {}

    def identify(scope: Scope) -> tuple[str, int] | None:
        principal: Principal | None = scope["state"]["principal"]
        if principal is None:
            return None
        allowance = others.get((scope.get("method", ""), scope["path"]))
        if allowance is not None:
            return allowance(principal)
        return principal.rate_limit_identity, principal.rate_limit_per_minute or limit

    return identify


def _tell(headers: MutableHeaders, verdict: Verdict) -> None:
    if "ratelimit-limit" in headers:
        return  # the inner limit has spoken: it is the nearer one
    headers["RateLimit-Limit"] = str(verdict.limit)
    headers["RateLimit-Remaining"] = str(verdict.remaining)
    headers["RateLimit-Reset"] = str(max(0, math.ceil(verdict.reset)))
