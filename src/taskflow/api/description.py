"""Completes FastAPI's OpenAPI document with what only this application knows."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import compile_path

from taskflow.api import routes
from taskflow.api.problems import MEDIA_TYPE, Problem

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_KEY_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repetition under the same key gets the first answer; kept for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
}
_SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"apiKey": []}]


def install(app: FastAPI) -> None:
    """Make `app.openapi()` answer the completed document."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = _complete(
                get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            )
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas |= problem.pop("$defs", {})
    schemas["Problem"] = problem
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An access token or an API key."},
        "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    }
    known = {(compile_path(route.path)[1], method): route for route in routes.walk() for method in route.methods}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(path, method, operation, known[path, method.upper()])
    components["schemas"] = dict(sorted(schemas.items()))
    return document


def _complete_operation(path: str, method: str, operation: dict[str, Any], route: routes.RouteInfo) -> None:
    operation["responses"].pop("422", None)
    operation["responses"]["default"] = {
        "description": "What went wrong (RFC 9457).",
        "content": {MEDIA_TYPE: {"schema": _PROBLEM}},
    }
    if route.role is not None:
        operation["security"] = _SECURITY
        operation["x-role"] = route.role.value
    if path in routes.IDEMPOTENT_PATHS and method == "post":
        operation.setdefault("parameters", []).append(_KEY_HEADER)
