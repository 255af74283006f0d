"""A small port for machines: `/metrics` (Prometheus), `/health` and `/ready` (JSON), for processes without an API.

`/health` says whether a restart would help: 200 unless the report's status is `failed`. `/ready` says whether the
process can do its work: 200 only when the status is `ok`. It speaks just enough HTTP/1.1 for a scraper or a probe.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from taskflow.base.logging import get_logger

log = get_logger(__name__)

Report = Callable[[], Mapping[str, Any]]
"""Returns JSON-safe members; `status` is `ok`, `degraded` or `failed`."""

_REQUEST_SECONDS = 5.0
_REQUEST_BYTES = 8192
_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@asynccontextmanager
async def serve_health(
    port: int | None, report: Report, *, host: str = "127.0.0.1", collect: Callable[[], bytes] = generate_latest
) -> AsyncIterator[int | None]:
    """Serve while the block runs; yield the port (0 takes a free one; None serves nothing and yields None)."""
    if port is None:
        yield None
        return

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head, report, collect))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            log.debug("health_request_dropped")
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, port, limit=_REQUEST_BYTES)
    try:
        bound: int = server.sockets[0].getsockname()[1]
        log.info("health_port_open", host=host, port=bound)
        yield bound
    finally:
        server.close()
        await server.wait_closed()


def _answer(head: bytes, report: Report, collect: Callable[[], bytes]) -> bytes:
    method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    if method not in {"GET", "HEAD"}:
        status, kind, body = 405, "text/plain", b"Only GET and HEAD.\n"
    elif path == "/metrics":
        status, kind, body = 200, CONTENT_TYPE_LATEST, collect()
    elif path in {"/health", "/ready"}:
        found = report()
        well = found["status"] == "ok" or (path == "/health" and found["status"] != "failed")
        status, kind, body = (200 if well else 503), "application/json", orjson.dumps(found)
    else:
        status, kind, body = 404, "text/plain", b"There are /metrics, /health and /ready.\n"
    lines = (
        f"HTTP/1.1 {status} {_REASONS[status]}",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + (b"" if method == "HEAD" else body)
