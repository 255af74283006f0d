"""The application: middleware in the spec's order, every router, the dashboard's files."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from taskflow import __version__
from taskflow.api import dashboard_files, description, problems, routes
from taskflow.api.middleware.access_log import AccessLogMiddleware
from taskflow.api.middleware.authentication import AuthenticationMiddleware
from taskflow.api.middleware.body_guard import BodyGuardMiddleware
from taskflow.api.middleware.idempotency import IdempotencyMiddleware
from taskflow.api.middleware.methods import MethodsMiddleware
from taskflow.api.middleware.rate_limit import RateLimitMiddleware, by_address, by_user
from taskflow.api.middleware.request_id import RequestIdMiddleware
from taskflow.api.middleware.security_headers import SecurityHeadersMiddleware
from taskflow.api.origins import Origins
from taskflow.api.services import open_services
from taskflow.delivery.messages.allowance import allowance
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """Build the application of one process.

    Raises:
        ConfigurationError: the secret key is missing, short, or a known sample.
    """
    signing_key(settings)
    app = FastAPI(
        title="TaskFlow",
        version=__version__,
        description="A distributed task engine and the messaging platform built on it.",
        openapi_url=f"{routes.API_PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
        middleware=_middleware(settings),
        lifespan=_lifespan(settings),
        redirect_slashes=False,
        routes=[*routes.included()],
    )
    app.state.methods_of = routes.methods_of
    app.state.is_stopping = lambda: False  # until a server says otherwise
    problems.install(app)
    description.install(app)
    dashboard_files.install(app)
    return app


def _middleware(settings: Settings) -> list[Middleware]:
    """Outermost first: CORS, request id, log, headers, limit by address, who calls, limit by user, bodies, keys."""
    http = settings.http
    origins = Origins([*http.cors_origins, *([http.public_url.rstrip("/")] if http.public_url else [])])
    cors = Middleware(
        CORSMiddleware,
        allow_origins=http.cors_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "X-API-Key", "X-Request-ID"],
        expose_headers=["X-Request-ID", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"],
        allow_credentials=True,
        max_age=600,
    )
    return [
        *([cors] if http.cors_origins else []),
        Middleware(RequestIdMiddleware, trusted_proxies=http.trusted_proxies),
        Middleware(AccessLogMiddleware),
        Middleware(SecurityHeadersMiddleware, api_prefix=routes.API_PREFIX),
        Middleware(
            RateLimitMiddleware, api_prefix=routes.API_PREFIX, identify=by_address(http.rate_limit_ip_per_minute)
        ),
        Middleware(
            RateLimitMiddleware,
            api_prefix="/subscribe",
            identify=by_address(settings.audience.form_per_minute, "form"),
        ),
        Middleware(AuthenticationMiddleware, api_prefix=routes.API_PREFIX, public=routes.PUBLIC_PATHS, origins=origins),
        Middleware(
            RateLimitMiddleware,
            api_prefix=routes.API_PREFIX,
            identify=by_user(
                http.rate_limit_user_per_minute,
                {("POST", f"{routes.API_PREFIX}/messages"): partial(allowance, settings=settings)},
            ),
        ),
        Middleware(
            BodyGuardMiddleware,
            api_prefix=routes.API_PREFIX,
            origins=origins,
            json_bytes=http.max_body_bytes,
            upload_bytes=http.max_upload_bytes,
        ),
        Middleware(MethodsMiddleware, methods_of_literal=routes.methods_of_literal),
        Middleware(IdempotencyMiddleware, paths=routes.IDEMPOTENT_PATHS),
    ]


def _lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(settings) as services:
            app.state.services = services
            yield

    return lifespan
