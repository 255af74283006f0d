"""Problems: every error that leaves over HTTP is `application/problem+json` (RFC 9457).

A problem has `type`, `title`, `status`, `detail`, a stable `code`, and the `request_id` that the logs carry. A failed
validation lists `errors`, each with the place (`pointer` into the body, RFC 6901, or the `parameter`). Faults of ours
say nothing about themselves: the log has the rest, under the request id.
"""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from taskflow.base.errors import NotFoundError, TaskFlowError, UnavailableError
from taskflow.base.logging import get_logger
from taskflow.db.outages import DATABASE_AWAY

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_SERVER_FAULT = 500
_MOST_ERRORS = 100  # a body can be wrong in a hundred thousand places
_OWN_MEMBERS = frozenset({"type", "title", "status", "detail", "code", "request_id", "retry_after", "allow"})
_CODES = {413: "payload_too_large", 422: "invalid_input"}


class FieldProblem(BaseModel):
    """One thing that is wrong with the input."""

    pointer: str | None = Field(None, description="Where in the body (RFC 6901).", examples=["#/args/0"])
    parameter: str | None = Field(None, description="Or which query, path or header parameter.")
    code: str
    detail: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:taskflow:problem:not_found"])
    title: str
    status: int
    detail: str | None = None
    code: str = Field(description="Stable: programs may rely on it.", examples=["not_found"])
    request_id: str | None = None
    errors: list[FieldProblem] | None = None


class BadRequestError(TaskFlowError):
    """The request cannot be read."""

    code = "bad_request"
    status = 400


class MediaTypeError(TaskFlowError):
    """Bodies are application/json here."""

    code = "unsupported_media_type"
    status = 415


class MethodNotAllowedError(TaskFlowError):
    """This path does not have this method."""

    code = "method_not_allowed"
    status = 405


def problem_response(error: TaskFlowError, request_id: str | None) -> Response:
    """Return the response that tells a domain error."""
    headers: dict[str, str] = {}
    if "retry_after" in error.context:
        headers["Retry-After"] = str(error.context["retry_after"])
    if "allow" in error.context:
        headers["Allow"] = error.context["allow"]
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == _SERVER_FAULT:
        return _respond(_SERVER_FAULT, "internal_error", TaskFlowError.title(), None, request_id)
    extra = {key: value for key, value in error.context.items() if key not in _OWN_MEMBERS}
    return _respond(error.status, error.code, type(error).title(), error.detail, request_id, extra, headers)


def fault_response(request_id: str | None) -> Response:
    """Return the response to an exception that nobody expected."""
    return _respond(_SERVER_FAULT, "internal_error", TaskFlowError.title(), None, request_id)


def install(app: FastAPI) -> None:
    """Make the application answer domain errors, validation errors and its own 404s and 405s as problems."""

    async def on_domain_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, TaskFlowError)  # noqa: S101 - registered for it below
        if error.status >= _SERVER_FAULT:
            log.error("request_failed", code=error.code, detail=error.detail, exc_info=error)
        return problem_response(error, _request_id(request))

    async def on_validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it below
        found = [_field_problem(item, error.body) for item in error.errors()[:_MOST_ERRORS]]
        return _respond(
            422, "invalid_input", "The input is not valid.", _sentence(found), _request_id(request), {"errors": found}
        )

    async def on_http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - registered for it below
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            allowed = request.app.state.methods_of(request.scope["path"])
            known = MethodNotAllowedError(allow=", ".join(sorted(allowed))) if allowed else NotFoundError()
            return problem_response(known, _request_id(request))
        code = _CODES.get(error.status_code, HTTPStatus(error.status_code).name.lower())
        title = HTTPStatus(error.status_code).phrase
        headers = dict(error.headers or {})
        detail = None if error.detail == title else error.detail
        return _respond(error.status_code, code, title, detail, _request_id(request), headers=headers)

    async def on_outage(request: Request, error: Exception) -> Response:
        log.warning("request_found_a_server_away", error=f"{type(error).__name__}: {error}")
        return problem_response(UnavailableError(retry_after=1), _request_id(request))

    for outage in (*DATABASE_AWAY, RedisError):
        app.add_exception_handler(outage, on_outage)
    app.add_exception_handler(TaskFlowError, on_domain_error)
    app.add_exception_handler(RequestValidationError, on_validation_error)
    app.add_exception_handler(HTTPException, on_http_error)


def _respond(
    status: int,
    code: str,
    title: str,
    detail: str | None,
    request_id: str | None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body: dict[str, Any] = {"type": f"urn:taskflow:problem:{code}", "title": title, "status": status, "code": code}
    if detail and detail != title:
        body["detail"] = detail
    if request_id:
        body["request_id"] = request_id
    body |= extra or {}
    return Response(orjson.dumps(body, default=str), status, dict(headers or {}), MEDIA_TYPE)


def _request_id(request: Request) -> str | None:
    found = request.scope.get("state", {}).get("request_id")
    return str(found) if found else None


def _field_problem(item: Mapping[str, Any], body: Any) -> dict[str, str]:
    """Turn one of Pydantic's errors into ours; the input itself is not repeated, it may be a password."""
    place, *path = item["loc"]
    told = {"code": str(item["type"]), "detail": str(item["msg"]).removeprefix("Value error, ")}
    if place == "body":
        if item["type"] == "json_invalid":
            return {"pointer": "#", **told, "detail": f"This is no JSON: {item['ctx']['error']}."}
        return {"pointer": _pointer(_in_body(path, body, missing=item["type"] == "missing")), **told}
    return {"parameter": ".".join(str(part) for part in path) or str(place), **told}


def _in_body(path: Sequence[Any], body: Any, *, missing: bool) -> list[Any]:
    """Return the parts of Pydantic's path that lead through the body: it names the members of unions in between."""
    if body is None:
        return list(path)
    found: list[Any] = []
    for part in path[: len(path) - missing]:
        if (isinstance(body, dict) and part in body) or (isinstance(body, list) and part in range(len(body))):
            body = body[part]
            found.append(part)
    return [*found, *path[len(path) - missing :]]


def _pointer(path: Sequence[Any]) -> str:
    return "#" + "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path)


def _sentence(found: Sequence[Mapping[str, str]]) -> str:
    first = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"{first.get('pointer') or first.get('parameter')}: {first['detail']}{more}"
