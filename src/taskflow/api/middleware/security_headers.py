"""Headers that tell browsers what this site never does."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-src 'self' blob: data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'; "
    "object-src 'none'"
)
_ALWAYS: dict[bytes, bytes] = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}
_API = {b"cache-control": b"no-store"}
_TLS = {b"strict-transport-security": b"max-age=31536000"}


class SecurityHeadersMiddleware:
    """Adds the headers that a response has not set itself."""

    def __init__(self, app: ASGIApp, api_prefix: str) -> None:
        """Answers under `api_prefix` are not to be cached."""
        self.app = app
        self._prefix = api_prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on and complete the headers of its response."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        wanted = _ALWAYS
        if scope["path"].startswith(self._prefix):
            wanted = wanted | _API
        if scope["scheme"] == "https":
            wanted = wanted | _TLS

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                message["headers"] = headers + [item for item in wanted.items() if item[0] not in present]
            await send(message)

        await self.app(scope, receive, send_complete)
