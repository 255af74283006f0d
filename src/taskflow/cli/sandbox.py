"""`taskflow sandbox`: the SMTP server that keeps what it gets."""

import asyncio
import logging
import signal

import click

from taskflow.base.logging import configure_logging, get_logger
from taskflow.cli.configuration import load_settings
from taskflow.settings import Settings

log = get_logger(__name__)


@click.command("sandbox")
@click.option("--host", help="Address to listen on. [default: TASKFLOW_SANDBOX_HOST]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port, 0: a free one. [default: TASKFLOW_SANDBOX_PORT]")
def sandbox(host: str | None, port: int | None) -> None:
    """Run the sandbox inbox until SIGTERM: mail to it is kept and shown, not delivered."""
    settings = load_settings()
    configure_logging(settings.log.level, settings.log.format)
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # aiosmtpd logs every command
    changes = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"sandbox": settings.sandbox.model_copy(update=changes)})
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or Ctrl-C.

    Raises:
        ConfigurationError: there is no database, or the port is taken.
    """
    from taskflow.base.errors import ConfigurationError
    from taskflow.db.pool import Database
    from taskflow.delivery.sandbox import SandboxServer

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with Database.open(settings.database, name="taskflow sandbox") as database:
        try:
            async with SandboxServer.running(database.pool, settings.sandbox) as server:
                log.info("sandbox_listening", host=settings.sandbox.host, port=server.port)
                await stop.wait()
        except OSError as error:
            raise ConfigurationError(
                f"The sandbox cannot listen on {settings.sandbox.host}:{settings.sandbox.port} ({error.strerror}); "
                "choose another TASKFLOW_SANDBOX_PORT."
            ) from error
