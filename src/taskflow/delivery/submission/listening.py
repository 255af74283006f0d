"""Where the relay listens: at a port that offers STARTTLS, and, where it is told to, at one that is TLS throughout."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from taskflow.base.errors import ConfigurationError
from taskflow.settings.submission import SubmissionSettings

_HANDSHAKE_SECONDS = 5.0  # short: only after it is a connection one of those that may be open

Offered = ssl.SSLContext | None
"""What STARTTLS is offered with; None: there is none to offer."""


@asynccontextmanager
async def listening(
    where: SubmissionSettings, protocol: Callable[[Offered], asyncio.BaseProtocol]
) -> AsyncIterator[tuple[int, int | None]]:
    """Listen, yield the port and that of implicit TLS (RFC 8314), and listen no more.

    Raises:
        ConfigurationError: the certificate cannot be used, or is missing.
        OSError: a port is taken.
    """
    context = _context(where)
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        server = await loop.create_server(partial(protocol, context), where.host, where.port)
        stack.callback(server.close)
        tls_port = None
        if where.tls_port is not None:
            if context is None:
                raise ConfigurationError("TASKFLOW_SUBMISSION_TLS_PORT needs TASKFLOW_SUBMISSION_CERT_FILE.")
            implicit = await loop.create_server(
                partial(protocol, None),
                where.host,
                where.tls_port,
                ssl=context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
            stack.callback(implicit.close)
            tls_port = _port_of(implicit)
        yield _port_of(server), tls_port


def _port_of(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port


def _context(where: SubmissionSettings) -> ssl.SSLContext | None:
    if where.cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(where.cert_file, where.key_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificate {where.cert_file} cannot be used ({error}): see TASKFLOW_SUBMISSION_CERT_FILE."
        ) from error
    return context
