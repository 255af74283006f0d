"""Looks at requests that change something before anybody reads them: their size, their type, where they come from.

Under `/api/v1` a body is `application/json`, or `multipart/form-data` for uploads: a form on another site can send
neither with a credential. A foreign `Origin` is refused besides. Compressed bodies are refused: nobody needs them,
and a small one may unpack to a large one. Forms are UTF-8: a form may name any of Python's codecs for its fields, and
some take seconds for a few hundred kilobytes (punycode is quadratic), others fail on everything (undefined).

Who has shown no credential (sign-in, the unsubscribe button) has little to say: a body of theirs is small.
"""

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskflow.api.origins import Origins
from taskflow.api.problems import BadRequestError, MediaTypeError, problem_response
from taskflow.base.errors import PayloadTooLargeError, TaskFlowError

_ANONYMOUS_BYTES = 64 * 1024
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class BodyGuardMiddleware:
    """Refuses bodies that are too large or of another type, and requests from other sites' pages."""

    def __init__(self, app: ASGIApp, *, api_prefix: str, origins: Origins, json_bytes: int, upload_bytes: int) -> None:
        """Allow `origins` besides the site itself; limit JSON and multipart bodies."""
        self.app = app
        self._prefix = api_prefix + "/"
        self._origins = origins
        self._json_bytes = json_bytes
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the head, and count the body as it is read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            limit = self._check(scope, headers)
        except TaskFlowError as error:
            await problem_response(error, scope["state"]["request_id"])(scope, receive, send)
            return
        read = 0

        async def receive_counted() -> Message:
            nonlocal read
            message = await receive()
            if message["type"] == "http.request":
                read += len(message.get("body", b""))
                if read > limit:
                    raise HTTPException(413, f"At most {limit:,} bytes.")  # the one kind that body readers let through
            return message

        await self.app(scope, receive_counted, send)

    def _check(self, scope: Scope, headers: Headers) -> int:
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        api = scope["path"].startswith(self._prefix)
        limit = self._upload_bytes if api and kind == "multipart/form-data" else self._json_bytes
        if scope["state"]["principal"] is None:
            limit = min(limit, _ANONYMOUS_BYTES)
        declared = headers.get("content-length", "0")
        if not (declared.isascii() and declared.isdecimal()):
            raise BadRequestError("Content-Length is no number.")
        if int(declared) > limit:
            raise _too_large(limit)
        if not api or scope["method"] not in _CHANGING:
            return limit
        self._origins.check(headers)
        has_body = int(declared) > 0 or "transfer-encoding" in headers
        if has_body and headers.get("content-encoding", "identity").lower() != "identity":
            raise MediaTypeError("Compressed bodies are not accepted.")
        if has_body and kind not in ("application/json", "multipart/form-data"):
            raise MediaTypeError(f"Send application/json, not {kind or 'a body without a type'}.")
        if kind == "multipart/form-data" and not _is_utf8(headers["content-type"]):
            raise MediaTypeError("Forms are read as UTF-8; leave the charset out.")
        return limit


def _is_utf8(content_type: str) -> bool:
    """Read the header as the form's parser will."""
    charset = parse_options_header(content_type)[1].get(b"charset", b"utf-8")
    return charset.lower() in (b"utf-8", b"utf8")


def _too_large(limit: int) -> PayloadTooLargeError:
    return PayloadTooLargeError(f"At most {limit:,} bytes.", limit_bytes=limit)
