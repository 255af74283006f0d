"""The routes that settings name: the mail server of `TASKFLOW_SMTP_*`, or the sandbox inbox."""

from collections.abc import Sequence

from taskflow.delivery.providers.email.smtp import smtp_name
from taskflow.delivery.router.models import Route
from taskflow.delivery.router.service import ReadRoutes
from taskflow.settings import Settings


def configured_routes(settings: Settings) -> ReadRoutes:
    """Return what reads them."""
    routes = (Route(smtp_name(settings)),)

    async def read() -> Sequence[Route]:
        return routes

    return read
