"""A path of its own is not an id: `GET /tasks/bulk` is 405, not a task called "bulk"."""

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from taskflow.api.problems import MethodNotAllowedError, problem_response


class MethodsMiddleware:
    """Refuses methods that a path without parameters does not have, before a route with parameters takes it."""

    def __init__(self, app: ASGIApp, methods_of_literal: Callable[[str], frozenset[str] | None]) -> None:
        """`methods_of_literal` returns the methods of a path without parameters, or None for any other path."""
        self.app = app
        self._methods_of = methods_of_literal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer 405."""
        if scope["type"] == "http":
            methods = self._methods_of(scope["path"])
            if methods is not None and scope["method"] not in methods:
                error = MethodNotAllowedError(allow=", ".join(sorted(methods)))
                await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
                return
        await self.app(scope, receive, send)
