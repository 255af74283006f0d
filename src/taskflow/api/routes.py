"""Every router of the API in one flat list, and the paths that anybody may call."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from fastapi import APIRouter
from fastapi.routing import APIRoute, APIWebSocketRoute
from starlette.routing import BaseRoute, compile_path

from taskflow.api import autoscaling, health, metrics, stats
from taskflow.api.websocket import endpoint as websocket
from taskflow.audience.consent import endpoints as consent
from taskflow.audience.contacts import endpoints as contacts
from taskflow.audience.imports.jobs import endpoints as contact_imports
from taskflow.audience.lists import endpoints as lists
from taskflow.audience.segments import endpoints as segments
from taskflow.audience.suppression import endpoints as suppression
from taskflow.campaigns import endpoints as campaigns
from taskflow.campaigns.proofs import endpoints as proofs
from taskflow.content.media import endpoints as media
from taskflow.content.snippets import endpoints as snippets
from taskflow.content.templates import endpoints as templates
from taskflow.delivery.domains import endpoints as domains
from taskflow.delivery.messages import endpoints as messages
from taskflow.delivery.providers import endpoints as providers
from taskflow.delivery.router import endpoints as delivery_routes
from taskflow.delivery.sandbox import endpoints as inbox
from taskflow.delivery.sms.inbound import endpoints as sms_inbound
from taskflow.delivery.sms.preview import endpoints as sms_preview
from taskflow.delivery.sms.templates import endpoints as sms_templates
from taskflow.engine import endpoints as engine
from taskflow.engine.dead_letters import endpoints as dead_letters
from taskflow.engine.dependencies import endpoints as dependencies
from taskflow.engine.limits import endpoints as limits
from taskflow.engine.queues import endpoints as queues
from taskflow.engine.schedules import endpoints as schedules
from taskflow.engine.webhooks import endpoints as webhooks
from taskflow.identity import endpoints as identity
from taskflow.identity.access import AuditMark, PublicMark, RoleGuard
from taskflow.identity.models import Role
from taskflow.privacy import endpoints as privacy
from taskflow.tracking import endpoints as tracking
from taskflow.tracking.opt_in import endpoints as opt_in

API_PREFIX = "/api/v1"

API_ROUTERS: tuple[APIRouter, ...] = (
    identity.auth,
    identity.users,
    identity.api_keys,
    identity.audit_log,
    dependencies.router,
    engine.tasks,
    engine.workers,
    dead_letters.router,
    queues.router,
    limits.router,
    schedules.router,
    webhooks.router,
    contact_imports.router,
    contacts.router,
    contacts.fields,
    contacts.tags,
    consent.router,
    lists.router,
    segments.router,
    segments.audiences,
    suppression.router,
    campaigns.router,
    messages.router,
    privacy.router,
    proofs.router,
    templates.router,
    snippets.router,
    media.router,
    providers.router,
    providers.kinds,
    domains.router,
    domains.return_paths,
    delivery_routes.router,
    inbox.router,
    sms_templates.router,
    sms_preview.router,
    sms_inbound.router,
    stats.router,
    autoscaling.router,
    websocket.router,
)
ROOT_ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    metrics.router,
    tracking.root_router,
    opt_in.root_router,
    media.root_router,
    sms_inbound.root_router,
)

# Under /api/v1 everything else is refused without a credential before a route is even looked for.
PUBLIC_PATHS = frozenset(
    {
        f"{API_PREFIX}/auth/login",  # makes the credential
        f"{API_PREFIX}/auth/refresh",  # the refresh token is the credential
        f"{API_PREFIX}/auth/logout",  # likewise
    }
)
# Outside it: probes, the links in mails, forms of public lists, and where providers post (their signature, or a secret
# in the path, is the credential). The dashboard's files are public too; they hold no data.
PUBLIC_ROOT_PATHS = frozenset(
    {
        "/health",
        "/ready",
        "/unsubscribe/{token}",
        "/confirm/{token}",
        "/subscribe/{list_id}",
        "/media/{token}",
        "/hooks/sms/{provider}",
    }
)

# POSTs whose repetition would do something twice, count anew, or be refused because it was done. Left out are those
# that only set a state, and those whose answer holds a secret, which nobody may keep.
IDEMPOTENT_PATHS = frozenset(
    {
        f"{API_PREFIX}/tasks",
        f"{API_PREFIX}/tasks/bulk",
        f"{API_PREFIX}/tasks/graph",
        f"{API_PREFIX}/tasks/cancel",
        f"{API_PREFIX}/tasks/retry",
        f"{API_PREFIX}/tasks/{{task_id}}/retry",
        f"{API_PREFIX}/tasks/{{task_id}}/graph/cancel",
        f"{API_PREFIX}/tasks/{{task_id}}/graph/retry",
        f"{API_PREFIX}/queues/{{name}}/purge",
        f"{API_PREFIX}/dead-letters/requeue",
        f"{API_PREFIX}/dead-letters/purge",
        f"{API_PREFIX}/dead-letters/{{dlq_id}}/requeue",
        f"{API_PREFIX}/webhooks/{{webhook_id}}/test",
        f"{API_PREFIX}/webhooks/{{webhook_id}}/deliveries/{{delivery_id}}/replay",
        f"{API_PREFIX}/campaigns",
        f"{API_PREFIX}/messages",
        f"{API_PREFIX}/messages/{{message_id}}/resend",
        f"{API_PREFIX}/privacy/erasures",
        f"{API_PREFIX}/contacts/imports",
        f"{API_PREFIX}/contacts",
        f"{API_PREFIX}/contacts/bulk",
        f"{API_PREFIX}/contact-fields",
        f"{API_PREFIX}/contacts/{{contact_id}}/consents",
        f"{API_PREFIX}/contacts/{{contact_id}}/events",
        f"{API_PREFIX}/lists",
        f"{API_PREFIX}/segments",
        f"{API_PREFIX}/suppressions",
        f"{API_PREFIX}/templates",
        f"{API_PREFIX}/snippets",
        f"{API_PREFIX}/sms/templates",
        f"{API_PREFIX}/media",
        f"{API_PREFIX}/schedules",
        f"{API_PREFIX}/schedules/{{schedule_id}}/run",
        f"{API_PREFIX}/schedules/{{schedule_id}}/backfill",
    }
)


class RouteInfo(NamedTuple):
    """One route: its full path, its methods (`WEBSOCKET` for a socket), and what it declares."""

    path: str
    methods: frozenset[str]
    role: Role | None
    is_public: bool
    guards: tuple[type, ...]
    audit: str | None


@cache
def included() -> tuple[BaseRoute, ...]:
    """Return every router under its prefix.

    FastAPI works out an included route at its first request, which takes a tenth of a second for all of them, and keeps
    that in the object it includes; so the applications of a process share these.
    """
    together = APIRouter(generate_unique_id_function=lambda route: route.name)
    for router in API_ROUTERS:
        together.include_router(router, prefix=API_PREFIX)
    for router in ROOT_ROUTERS:
        together.include_router(router)
    return tuple(together.routes)


@cache
def walk() -> tuple[RouteInfo, ...]:
    """Return every route of the lists above."""
    return tuple(
        _info(prefix, route)
        for prefix, routers in ((API_PREFIX, API_ROUTERS), ("", ROOT_ROUTERS))
        for router in routers
        for route in router.routes
    )


def methods_of(path: str) -> frozenset[str]:
    """Return every method that some route has for this path; a path without parameters hides those with."""
    literal = methods_of_literal(path)
    if literal is not None:
        return literal
    return frozenset[str]().union(*(methods for pattern, methods in _patterns() if pattern.match(path)))


def methods_of_literal(path: str) -> frozenset[str] | None:
    """Return the methods of a path without parameters, or None for any other path."""
    return _literals().get(path)


@cache
def _literals() -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for route in walk():
        if "{" not in route.path and "WEBSOCKET" not in route.methods:
            found[route.path] = found.get(route.path, frozenset()) | route.methods
    return found


@cache
def _patterns() -> tuple[tuple[re.Pattern[str], frozenset[str]], ...]:
    return tuple((compile_path(route.path)[0], route.methods) for route in walk() if "{" in route.path)


def _info(prefix: str, route: Any) -> RouteInfo:
    calls = list(_calls(route))
    roles = [call.role for call in calls if isinstance(call, RoleGuard)]
    return RouteInfo(
        path=prefix + route.path,
        methods=frozenset({"WEBSOCKET"} if isinstance(route, APIWebSocketRoute) else route.methods),
        role=max(roles, key=lambda role: role.rank, default=None),
        is_public=any(isinstance(call, PublicMark) for call in calls),
        guards=tuple(type(call) for call in calls),
        audit=next((call.action for call in calls if isinstance(call, AuditMark)), None),
    )


def _calls(route: APIRoute | APIWebSocketRoute) -> Iterator[Any]:
    for dependency in route.dependencies:
        yield dependency.dependency
