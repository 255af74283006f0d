"""Runs the application under uvicorn (uvloop, httptools) until SIGTERM or SIGINT.

Stopping: no new connections, requests under way are finished for at most ten seconds, event streams end and sockets are
closed with 1012 (service restart), which tells clients to reconnect and go on from their cursor.
"""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from taskflow.api.app import create_app
from taskflow.api.heads import BoundedHeads
from taskflow.base.logging import get_logger
from taskflow.settings import Settings

log = get_logger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
_GRACE_SECONDS = 10


def _is_loggable(record: logging.LogRecord) -> bool:
    """Keep uvicorn from writing a socket's URL, which holds a ticket, or (at DEBUG) every header of its handshake."""
    return record.levelno > logging.DEBUG and '"WebSocket ' not in str(record.msg)


class _Server(uvicorn.Server):
    """Says where it listens, which only the system knows when the port was 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            log.info("api_listening", url=f"http://{self.config.host}:{self.port}")

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on a signal, and exit with 0: uvicorn would raise the signal again after it has stopped."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    @property
    def port(self) -> int:
        return next((found.getsockname()[1] for server in self.servers for found in server.sockets), self.config.port)


def make_server(settings: Settings) -> _Server:
    """Return the server of one process; `await server.serve()` runs it.

    Raises:
        ConfigurationError: see `create_app`.
    """
    logging.getLogger("uvicorn.error").addFilter(_is_loggable)
    app = create_app(settings)
    server = _Server(
        uvicorn.Config(
            app,
            host=settings.http.host,
            port=settings.http.port,
            loop="uvloop",
            http=BoundedHeads,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_per_message_deflate=False,
            proxy_headers=False,  # `X-Forwarded-For` is ours to judge: see middleware/request_id.py
            server_header=False,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    app.state.is_stopping = lambda: server.should_exit
    return server


async def serve(settings: Settings, *, sockets: Sequence[socket.socket] | None = None) -> None:
    """Serve until a signal asks for the end."""
    await make_server(settings).serve(sockets=list(sockets) if sockets is not None else None)
