"""Imports: contacts out of files."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Unpack
from uuid import UUID

from taskflow.audience.imports.jobs.models import ENDED
from taskflow.audience.imports.jobs.schemas import ImportReportOut, InspectionOut
from taskflow.client.fields import ImportFields
from taskflow.client.link import Link
from taskflow.client.wire import File


class Imports:
    """Contacts out of CSV files, or ZIP archives of one. A worker does it."""

    def __init__(self, link: Link) -> None:
        """Speak over `link`."""
        self._link = link

    async def inspect(self, file: File) -> InspectionOut:
        """Say what a file holds and what its columns would become; nothing is kept."""
        return await self._link.upload(InspectionOut, "/contacts/imports/inspect", file, {})

    async def start(self, file: File, **how: Unpack[ImportFields]) -> ImportReportOut:
        """Hand a file over; `wait` says how it ends.

        Raises:
            InvalidInputError: the file as a whole, or its mapping, cannot be used.
        """
        return await self._link.upload(ImportReportOut, "/contacts/imports", file, how)

    async def wait(
        self,
        import_id: UUID,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - what callers expect to write
        on_progress: Callable[[ImportReportOut], object] | None = None,
    ) -> ImportReportOut:
        """Wait for the end of an import, at most `timeout` seconds, and return its report.

        Args:
            on_progress: is called with the report whenever there is news; `percent` and `phase` say how far it is.

        Raises:
            WaitTimeoutError: it has not ended in time; it goes on.
        """
        return await self._link.watch(
            ImportReportOut,
            f"/contacts/imports/{import_id}",
            f"task:{import_id}",
            lambda report: report.status in ENDED,
            timeout=timeout,
            on_progress=on_progress,
        )

    async def get(self, import_id: UUID) -> ImportReportOut:
        """Return an import and how far it is."""
        return await self._link.look(ImportReportOut, f"/contacts/imports/{import_id}")

    def find(self, status: str | None = None) -> AsyncIterator[ImportReportOut]:
        """Iterate over imports, newest first."""
        return self._link.pages(ImportReportOut, "/contacts/imports", status=status)

    async def cancel(self, import_id: UUID) -> ImportReportOut:
        """End an import; who is merged by now stays."""
        return await self._link.ask(ImportReportOut, "POST", f"/contacts/imports/{import_id}/cancel")

    def rejected(self, import_id: UUID) -> AsyncGenerator[bytes]:
        """Iterate over the bytes of a CSV file with the rows that were not imported, and why."""
        return self._link.stream(f"/contacts/imports/{import_id}/rejected.csv")
