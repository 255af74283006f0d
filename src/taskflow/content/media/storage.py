"""Where the bytes of media are: a folder of this machine, or a bucket. An object's name is the file's id."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from uuid import UUID

import httpx

from taskflow.base.errors import ConfigurationError, NotFoundError, UnavailableError
from taskflow.base.sigv4 import Credentials, path_of, signed_headers
from taskflow.settings import Settings
from taskflow.settings.media import MediaSettings


class MediaMissingError(NotFoundError):
    """The file's bytes are not where they were stored."""

    code = "media_missing"


class MediaStorageError(UnavailableError):
    """The storage of media does not do what it is asked."""

    code = "media_storage"


class Storage(Protocol):
    """What keeps bytes under an id."""

    async def put(self, media_id: UUID, data: bytes, content_type: str) -> None:
        """Keep a file."""

    async def get(self, media_id: UUID) -> bytes:
        """Return a file, or raise MediaMissingError."""

    async def delete(self, media_id: UUID) -> None:
        """Forget a file; one that is not there is no error."""


class LocalStorage:
    """Files under a folder, in 256 sub-folders; written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        """Use this folder; it is made with the first file."""
        self._folder = folder

    async def put(self, media_id: UUID, data: bytes, content_type: str) -> None:  # noqa: ARG002 - the row knows it
        """Keep a file."""
        await asyncio.to_thread(self._write, media_id, data)

    async def get(self, media_id: UUID) -> bytes:
        """Return a file."""
        try:
            return await asyncio.to_thread(self._path(media_id).read_bytes)
        except OSError as error:
            raise MediaMissingError(f"The file {media_id} is not in this machine's media folder.") from error

    async def delete(self, media_id: UUID) -> None:
        """Forget a file."""
        await asyncio.to_thread(self._path(media_id).unlink, missing_ok=True)

    def _path(self, media_id: UUID) -> Path:
        return self._folder / media_id.hex[-2:] / media_id.hex

    def _write(self, media_id: UUID, data: bytes) -> None:
        path = self._path(media_id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_suffix(f".{os.getpid()}.new")
        try:
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise MediaStorageError(f"The media folder takes no files: {error.strerror}.") from error


class S3Storage:
    """Objects of a bucket, over path-style addresses. Redirects are not followed: a signature is for one host."""

    def __init__(self, settings: MediaSettings, http: httpx.AsyncClient) -> None:
        """Use the bucket of the settings.

        Raises:
            ConfigurationError: they do not name one with a key.
        """
        secret = settings.s3_secret_key
        if not (settings.s3_endpoint and settings.s3_bucket and settings.s3_access_key and secret):
            raise ConfigurationError(
                "TASKFLOW_MEDIA_STORAGE is s3: set TASKFLOW_MEDIA_S3_ENDPOINT, _S3_BUCKET, _S3_ACCESS_KEY and"
                " _S3_SECRET_KEY too."
            )
        self._endpoint = settings.s3_endpoint.rstrip("/")
        self._bucket, self._prefix = settings.s3_bucket, settings.s3_prefix
        self._credentials = Credentials(settings.s3_access_key, secret.get_secret_value(), settings.s3_region)
        self._http = http

    async def put(self, media_id: UUID, data: bytes, content_type: str) -> None:
        """Keep a file."""
        answer = await self._send("PUT", media_id, data, {"content-type": content_type})
        if not answer.is_success:
            raise _refused(answer)

    async def get(self, media_id: UUID) -> bytes:
        """Return a file."""
        answer = await self._send("GET", media_id)
        if answer.status_code == httpx.codes.NOT_FOUND:
            raise MediaMissingError(f"The file {media_id} is not in the bucket.")
        if not answer.is_success:
            raise _refused(answer)
        return answer.content

    async def delete(self, media_id: UUID) -> None:
        """Forget a file."""
        answer = await self._send("DELETE", media_id)
        if not answer.is_success and answer.status_code != httpx.codes.NOT_FOUND:
            raise _refused(answer)

    async def _send(
        self, method: str, media_id: UUID, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        url = self._endpoint + path_of(self._bucket, f"{self._prefix}{media_id}")
        signed = signed_headers(self._credentials, method, url, headers or {}, body, datetime.now(UTC))
        try:
            return await self._http.request(method, url, headers=signed, content=body)
        except httpx.HTTPError as error:
            raise MediaStorageError(f"The bucket does not answer: {type(error).__name__}.") from error


def _refused(answer: httpx.Response) -> MediaStorageError:
    code = answer.text.partition("<Code>")[2].partition("</Code>")[0][:60]
    return MediaStorageError(f"The bucket answered {answer.status_code} {code}".rstrip() + ".")


@asynccontextmanager
async def open_storage(settings: Settings) -> AsyncIterator[Storage]:
    """Open the storage that the settings name; raises ConfigurationError when they do not name it wholly."""
    media = settings.media
    if media.storage == "local":
        yield LocalStorage(settings.home / "media")
        return
    async with httpx.AsyncClient(timeout=media.s3_seconds, trust_env=False, follow_redirects=False) as http:
        yield S3Storage(media, http)
