"""`taskflow submission`: the SMTP server that takes mail for sending."""

import asyncio
import logging
import signal

import click

from taskflow.base.logging import configure_logging, get_logger
from taskflow.cli.configuration import load_settings
from taskflow.settings import Settings

log = get_logger(__name__)


@click.command("submission")
@click.option("--host", help="Address to listen on. [default: TASKFLOW_SUBMISSION_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0: a free one. [default: TASKFLOW_SUBMISSION_PORT]")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics, /health and /ready there; 0: a free port."
)
def submission(host: str | None, port: int | None, metrics_port: int | None) -> None:
    """Run the SMTP relay until SIGTERM: programs send mail through it, with an API key as their password.

    It works at TASKFLOW_DATABASE_URL and TASKFLOW_REDIS_URL, or beside the `taskflow up` that runs here.
    """
    settings = load_settings(attach=True)
    configure_logging(settings.log.level, settings.log.format)
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd logs every command, and warns at each sign-in
    given = {"host": host, "port": port, "metrics_port": metrics_port}
    changes = {name: value for name, value in given.items() if value is not None}
    settings = settings.model_copy(update={"submission": settings.submission.model_copy(update=changes)})
    asyncio.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigurationError: there is no database, the port is taken, or the certificate cannot be used.
    """
    from taskflow.base.errors import ConfigurationError
    from taskflow.base.health import serve_health
    from taskflow.broker.redis.broker import RedisBroker
    from taskflow.db.pool import Database
    from taskflow.delivery.submission.server import SubmissionServer

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with (
        Database.open(settings.database, name="taskflow submission") as database,
        RedisBroker.open(settings.redis) as broker,
    ):
        where = settings.submission
        try:
            async with (
                SubmissionServer.running(database, broker, settings) as server,
                serve_health(where.metrics_port, server.report, host=where.metrics_host),
            ):
                log.info("submission_listening", host=where.host, port=server.port, tls_port=server.tls_port)
                await stop.wait()
        except OSError as error:
            raise ConfigurationError(
                f"The SMTP relay cannot listen on {where.host}:{where.port} ({error.strerror}); "
                "choose others for TASKFLOW_SUBMISSION_PORT, …_TLS_PORT and …_METRICS_PORT."
            ) from error
