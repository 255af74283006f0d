"""The media library: what is kept, what may be attached, and the public address of a file.

Workers read it, so it loads nothing that looks into files: that is `intake`.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from taskflow.base.errors import ConflictError, InvalidInputError, NotFoundError
from taskflow.base.ids import uuid7
from taskflow.base.signing import InvalidSignatureError, sign, verify
from taskflow.content.media.storage import Storage
from taskflow.content.templates.models import Attachment
from taskflow.db.pool import Connection, Database
from taskflow.db.queries import load
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings

sql = load(__file__)

_PURPOSE = "media"
_ID_BYTES = 16


class MediaNotFoundError(NotFoundError):
    """There is no such file."""

    code = "media_not_found"


class MediaInUseError(ConflictError):
    """A template carries this file."""

    code = "media_in_use"


class AttachmentLimitError(InvalidInputError):
    """The attachments are too large together, or one cannot be shown in a mail."""

    code = "attachment_limit"


class Kind(NamedTuple):
    """What a file is; an image with its size in pixels."""

    content_type: str
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A row of the library."""

    media_id: UUID
    filename: str
    content_type: str
    size: int
    sha256: bytes
    width: int | None
    height: int | None
    storage: str
    created_at: datetime
    created_by: UUID | None

    @property
    def is_image(self) -> bool:
        """Whether a mail may show it."""
        return self.content_type.startswith("image/")  # of which only those are kept that clients show


class MediaLibrary:
    """The files of this installation."""

    def __init__(self, database: Database, storage: Storage, settings: Settings) -> None:
        """Take the pools and the storage."""
        self._pool = database.pool
        self._storage = storage
        self._settings = settings

    async def keep(
        self, filename: str, data: bytes, kind: Kind, *, created_by: UUID | None = None, media_id: UUID | None = None
    ) -> Media:
        """Keep a file that `intake` has looked at; the same bytes under the same name are kept once.

        The bytes come first, so that a row never promises what is not there; of a file that is here already they are
        written once more, in case the storage has lost them.

        Raises:
            MediaStorageError: the storage does not take it.
        """
        storage = self._settings.media.storage
        digest = hashlib.sha256(data).digest()
        if known := await self._pool.fetchrow(sql.same_media, digest, filename, storage):
            found = Media(*known)
            await self._storage.put(found.media_id, data, found.content_type)
            return found
        media_id = media_id or uuid7()
        await self._storage.put(media_id, data, kind.content_type)
        row = await self._pool.fetchrow(
            sql.insert_media,
            media_id,
            filename,
            kind.content_type,
            len(data),
            digest,
            kind.width,
            kind.height,
            storage,
            created_by,
        )
        return Media(*row)  # type: ignore[misc]  # INSERT … RETURNING answers with a row

    async def get(self, media_id: UUID) -> Media:
        """Return a file's row, or raise MediaNotFoundError."""
        row = await self._pool.fetchrow(sql.get_media, media_id)
        if row is None:
            raise MediaNotFoundError(f"There is no file {media_id}.")
        return Media(*row)

    async def page(self, search: str | None, kind: str | None, before: UUID | None, limit: int) -> list[Media]:
        """Return files, newest first."""
        return [Media(*row) for row in await self._pool.fetch(sql.list_media, search, kind, before, limit)]

    async def read(self, media: Media) -> bytes:
        """Return a file's bytes, as they were taken in.

        Raises:
            MediaMissingError, MediaStorageError: the storage does not have them.
        """
        data = await self._storage.get(media.media_id)
        if hashlib.sha256(data).digest() != media.sha256:
            raise InvalidInputError(f"The file {media.media_id} is no longer what was uploaded.")
        return data

    async def delete(self, media_id: UUID) -> str:
        """Forget a file and return its name.

        Raises:
            MediaInUseError: a version of a template carries it, and campaigns may still send that.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            # Whoever saves a version that carries it waits for this row, or we for them: see `hold`.
            filename = await connection.fetchval(sql.delete_media, media_id)
            if filename is None:
                raise MediaNotFoundError(f"There is no file {media_id}.")
            if first := await connection.fetchrow(sql.user_of_media, str(media_id)):
                raise MediaInUseError(
                    f"Version {first['version']} of the template '{first['name']}' carries this file."
                )
            await self._storage.delete(media_id)  # before the commit: what fails, or is cut off, can be asked for again
        return str(filename)

    @staticmethod
    async def hold(connection: Connection, attachments: Sequence[Attachment]) -> None:
        """Keep attached files from being deleted until the transaction that saves them has ended.

        Raises:
            MediaNotFoundError: one is not there any more.
        """
        wanted = sorted({file.media_id for file in attachments})
        held = {row[0] for row in await connection.fetch(sql.hold_media, wanted)} if wanted else set()
        for media_id in wanted:
            if media_id not in held:
                raise MediaNotFoundError(f"There is no file {media_id} to attach.")

    async def check_attachments(self, attachments: Sequence[Attachment], *, beside: int = 0) -> list[Media]:
        """Return the files of attachments, in order. `beside`: bytes of files that go along from elsewhere.

        Raises:
            MediaNotFoundError: one is not there.
            AttachmentLimitError: together they are too large, or one that shall be shown is no image.
        """
        rows = await self._pool.fetch(sql.media_by_ids, [file.media_id for file in attachments]) if attachments else []
        known = {row["media_id"]: Media(*row) for row in rows}
        found: list[Media] = []
        for file in attachments:
            if file.media_id not in known:
                raise MediaNotFoundError(f"There is no file {file.media_id} to attach.")
            if file.inline and not known[file.media_id].is_image:
                raise AttachmentLimitError(f"'{file.filename}' is no image: it can be attached, not shown in the mail.")
            found.append(known[file.media_id])
        most = self._settings.media.max_attachment_bytes
        if (size := beside + sum(media.size for media in found)) > most:
            raise AttachmentLimitError(
                f"The attachments of a mail may have {most:,} bytes together: these have {size:,}."
            )
        return found

    # -- public addresses

    def url(self, media: Media) -> str:
        """Return the address under which mails show a file: signed, so that ids cannot be tried."""
        token = sign(self._secret, _PURPOSE, media.media_id.bytes)
        return f"{self._settings.http.base_url}/media/{token}"

    def id_of(self, token: str) -> UUID:
        """Return the id in an address, or raise MediaNotFoundError."""
        try:
            payload = verify(self._secret, _PURPOSE, token)
        except InvalidSignatureError as error:
            raise MediaNotFoundError("There is no such file.") from error
        if len(payload) != _ID_BYTES:
            raise MediaNotFoundError("There is no such file.")
        return UUID(bytes=payload)

    @property
    def _secret(self) -> bytes:
        return signing_key(self._settings).get_secret_value().encode()
