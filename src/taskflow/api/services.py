"""What an API process opens at start, in order, and closes at its end in the other."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from taskflow.api.metrics import HttpMetrics
from taskflow.api.stats import StatsCounter
from taskflow.api.websocket.hub import EventHub
from taskflow.audience.segments.evaluator import Evaluator
from taskflow.broker.redis.broker import RedisBroker
from taskflow.broker.redis.rate_limiter import RateLimiter
from taskflow.content.media.library import MediaLibrary
from taskflow.content.media.storage import open_storage
from taskflow.content.rendering import RenderPool
from taskflow.db.pool import Database
from taskflow.delivery.messages.composer import KeptWords
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import Registry
from taskflow.delivery.router.board import RouteBoard
from taskflow.delivery.router.configured import configured_routes, unopenable
from taskflow.delivery.router.recipient_domains import RecipientDomains
from taskflow.engine.autoscaling.durations import DurationMeter
from taskflow.engine.queues.terms import QueueBook
from taskflow.identity.access import Services
from taskflow.identity.audit import AuditLog
from taskflow.identity.authenticator import Authenticator
from taskflow.identity.secret_key import signing_key, vault
from taskflow.identity.tokens import TokenSigner
from taskflow.settings import Settings


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open pools and clients and hand out the services."""
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database.open(settings.database, name="taskflow api"))
        broker = await stack.enter_async_context(RedisBroker.open(settings.redis))
        signer = TokenSigner(signing_key(settings), access_seconds=settings.security.access_token_seconds)
        services = Services()
        services.add(settings, database, broker, signer)
        services.add(AuditLog(database.pool), Authenticator(database, signer), RateLimiter(broker))
        services.add(StatsCounter(database), DurationMeter(database), HttpMetrics(), QueueBook())
        services.add(Evaluator(database.pool))
        services.add(await stack.enter_async_context(EventHub.running(broker)))
        services.add(await stack.enter_async_context(RenderPool(settings.campaign)))
        storage = await stack.enter_async_context(open_storage(settings))
        registry = Registry.installed()
        routes = configured_routes(database, settings, registry)
        opener = await stack.enter_async_context(Opener.open(settings, registry))
        board = RouteBoard(database, broker, settings.router, routes, unopenable(database, opener))
        services.add(board, RecipientDomains(database, broker, board))
        services.add(registry, vault(settings), opener)
        services.add(MediaLibrary(database, storage, settings), KeptWords())
        yield services
