"""Where `taskflow top` gets its figures: three reads of the API, and the event stream."""

from collections.abc import AsyncIterator
from typing import Any, Self

import httpx

from taskflow.engine.remote.calls import answer_of, http_options, silence
from taskflow.engine.remote.live import LiveEvent, follow
from taskflow.settings import ApiAccess

_SECONDS = 10.0
_NEWEST = 50
_MOST_WORKERS = 500


class Source:
    """The API, as `taskflow top` asks it."""

    def __init__(self, access: ApiAccess, http: httpx.AsyncClient | None = None) -> None:
        """Ask at an address with a key."""
        self.access = access
        self._http = http or httpx.AsyncClient(**http_options(access, _SECONDS), trust_env=False)

    async def __aenter__(self) -> Self:
        """Do nothing: it connects when it asks."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def stats(self) -> dict[str, Any]:
        """Return the figures of the overview.

        Raises:
            UnavailableError: the API does not answer.
            TaskFlowError: it refuses.
        """
        found: dict[str, Any] = await self._get("/stats")
        return found

    async def workers(self) -> list[dict[str, Any]]:
        """Return the nodes that have not stopped in good order; raises as `stats`."""
        found = await self._get("/workers", limit=_MOST_WORKERS)
        return [worker for worker in found["items"] if worker["stopped_at"] is None]

    async def failures(self) -> list[dict[str, Any]]:
        """Return the newest tasks that failed or took too long; raises as `stats`."""
        found = await self._get("/tasks", status=["FAILED", "TIMEOUT"], limit=_NEWEST)
        return list(found["items"])

    def ends(self) -> AsyncIterator[LiveEvent]:
        """Iterate over what happens to tasks."""
        return follow(self.access, ["tasks"])

    async def _get(self, path: str, **query: Any) -> Any:
        try:
            return answer_of(await self._http.get(path, params=query))
        except httpx.TransportError as error:
            raise silence(self.access.url, error) from error
