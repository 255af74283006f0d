"""Which sites' pages may speak to this server: itself, and the exact origins of the settings."""

from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from taskflow.base.errors import ForbiddenError


class ForeignOriginError(ForbiddenError):
    """Another site's page may not do this."""

    code = "foreign_origin"


class Origins:
    """An allow-list. A request without `Origin` comes from no browser page, and passes."""

    def __init__(self, allowed: Iterable[str]) -> None:
        """Allow these origins besides the server's own host."""
        self._allowed = frozenset(allowed)

    def check(self, headers: Headers) -> None:
        """Raise ForeignOriginError for a page that is not on the list."""
        origin = headers.get("origin")
        if origin is None or origin in self._allowed:
            return
        try:
            authority = urlsplit(origin).netloc.lower()
        except ValueError as error:
            raise ForeignOriginError from error
        if not authority or authority != headers.get("host", "").lower():
            raise ForeignOriginError
