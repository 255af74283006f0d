"""One log line and one count a request, also of a 401 or 429 that never reaches a route. No query strings.

A WebSocket has two lines: when it is opened or refused, and when it has ended.
"""

import re
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.api.metrics import HttpMetrics
from taskflow.api.problems import fault_response
from taskflow.base.logging import get_logger
from taskflow.identity.access import Services
from taskflow.identity.models import Principal

log = get_logger("taskflow.api.access")

_QUIET = frozenset({"/health", "/ready", "/metrics"})
_LINK_TOKEN = re.compile(r"^(/unsubscribe/|/hooks/sms/).+")
_FAULT = 500


class AccessLogMiddleware:
    """Logs method, path, status, duration and user; turns an exception that nobody expected into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and log how it ended."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        except Exception:
            log.exception("request_crashed", method=scope["method"], path=_path(scope))
            if status:
                raise  # the response had begun: the connection has to break
            status = _FAULT
            await fault_response(scope["state"]["request_id"])(scope, receive, send)
        finally:
            self._write(scope, status, started)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        opened: float | None = None

        async def note_opening(message: Message) -> None:
            nonlocal opened
            if message["type"] == "websocket.accept":
                opened = time.perf_counter()
                log.info("socket_opened", **_caller(scope))
            elif message["type"] == "websocket.http.response.start":
                log.info("socket_refused", status=message["status"], **_caller(scope))
            await send(message)

        try:
            await self.app(scope, receive, note_opening)
        finally:
            if opened is not None:
                log.info("socket_closed", duration_ms=round((time.perf_counter() - opened) * 1000), **_caller(scope))

    def _write(self, scope: Scope, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        operation = getattr(scope.get("endpoint"), "__name__", "none")
        services: Services = scope["app"].state.services
        services.get(HttpMetrics).observe(operation, scope["method"], status, seconds)
        write = log.debug if scope["path"] in _QUIET else log.info
        write(
            "request",
            method=scope["method"],
            status=status,
            duration_ms=round(seconds * 1000, 2),
            **_caller(scope),
        )


def _caller(scope: Scope) -> dict[str, str | None]:
    principal: Principal | None = scope["state"]["principal"]
    return {
        "path": _path(scope),
        "user_id": str(principal.user_id) if principal else None,
        "address": scope["state"]["address"],
    }


def _path(scope: Scope) -> str:
    """Return the path; the token of a link in a mail is somebody's right and stays out of logs."""
    return _LINK_TOKEN.sub(r"\1…", scope["path"])
