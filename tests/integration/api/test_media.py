"""Media over HTTP: kept by their bytes, locally and in a bucket; served so that nothing in them can act."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest
from PIL import Image
from pydantic import SecretStr

from support.api import Api, running
from support.bucket import KEY, REGION, SECRET, bucket
from support.waiting import eventually
from taskflow.base.errors import ConfigurationError
from taskflow.base.ids import uuid7
from taskflow.content.media.library import MediaLibrary, MediaNotFoundError
from taskflow.content.templates.models import Attachment, Draft, Version
from taskflow.content.templates.repository import TemplateRepository
from taskflow.identity.models import Role
from taskflow.settings import Settings


def picture(color: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), color).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
async def marketer(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


@asynccontextmanager
async def marketing(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with await api.as_role(Role.MARKETER) as client:
        yield client


async def upload(client: httpx.AsyncClient, data: bytes, name: str = "logo.png") -> httpx.Response:
    return await client.post("/api/v1/media", files={"file": (name, data, "text/html")})


async def test_a_picture_is_kept_once_and_served_as_a_picture_only(
    marketer: httpx.AsyncClient, api: Api, settings: Settings
) -> None:
    made = (await upload(marketer, picture(), "../../etc/<logo>.html")).json()
    assert (made["filename"], made["content_type"], made["width"], made["height"]) == (
        "<logo>.html", "image/png", 30, 20,
    )  # fmt: skip
    again = (await upload(marketer, picture(), "<logo>.html")).json()
    assert again["media_id"] == made["media_id"]
    [file] = [path for path in (settings.home / "media").rglob("*") if path.is_file()]
    assert (file.name, file.read_bytes()) == (made["media_id"].replace("-", ""), picture())
    served = await api.anonymous.get(urlsplit(made["url"]).path)
    assert (served.status_code, served.content) == (200, picture())
    assert served.headers["content-type"] == "image/png"
    assert served.headers["content-security-policy"].endswith("sandbox")
    assert served.headers["x-content-type-options"] == "nosniff"
    assert served.headers["cross-origin-resource-policy"] == "cross-origin"
    assert served.headers["content-disposition"] == "inline"
    listed = (await marketer.get("/api/v1/media", params={"content_type": "image/", "search": "LOGO"})).json()["items"]
    assert [one["media_id"] for one in listed] == [made["media_id"]]
    assert (await marketer.delete(f"/api/v1/media/{made['media_id']}")).status_code == 204
    assert (await api.anonymous.get(urlsplit(made["url"]).path)).status_code == 404
    assert not file.exists()


async def test_what_is_no_picture_is_downloaded(marketer: httpx.AsyncClient, api: Api) -> None:
    made = (await upload(marketer, b"%PDF-1.7 x", "logo.png")).json()
    assert made["content_type"] == "application/pdf"
    served = await api.anonymous.get(urlsplit(made["url"]).path)
    assert (served.headers["content-type"], served.headers["content-disposition"]) == ("application/pdf", "attachment")


@pytest.mark.parametrize("data", [b"<svg onload=alert(1)>", b"<html>", b"MZ\x90", b"", b"\x89PNG\r\n\x1a\n"])
async def test_what_is_not_kept_is_refused_whatever_its_name(marketer: httpx.AsyncClient, data: bytes) -> None:
    refused = await upload(marketer, data, "logo.png")
    assert (refused.status_code, refused.json()["code"]) == (422, "unsupported_media")


async def test_limits_hold(marketer: httpx.AsyncClient, settings: Settings) -> None:
    settings.media.max_bytes = 1000
    large = await upload(marketer, b"x" * 1001)
    assert (large.status_code, large.json()["code"]) == (413, "payload_too_large")
    settings.media.max_pixels = 599
    assert (await upload(marketer, picture())).json()["code"] == "image_too_large"
    assert (await marketer.post("/api/v1/media", files={"other": b"x"})).json()["code"] == "no_file"


@pytest.mark.parametrize("token", ["x", "AAAA", "ä", "a" * 500])
async def test_an_address_that_was_not_given_out_finds_nothing(api: Api, token: str) -> None:
    assert (await api.anonymous.get(f"/media/{token}")).status_code == 404


async def test_a_file_that_a_template_carries_stays(marketer: httpx.AsyncClient, settings: Settings) -> None:
    made = (await upload(marketer, picture())).json()
    file = {"media_id": made["media_id"], "filename": "logo.png", "inline": True}
    body = {"name": "T", "variants": [{"subject": "s", "body": "<img src='cid:logo.png'>"}], "attachments": [file]}
    assert (await marketer.post("/api/v1/templates", json=body)).status_code == 201
    refused = await marketer.delete(f"/api/v1/media/{made['media_id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "media_in_use")
    pdf = (await upload(marketer, b"%PDF-1.7 x", "terms.pdf")).json()
    inline = {"name": "U", "attachments": [{"media_id": pdf["media_id"], "filename": "t.pdf", "inline": True}]}
    assert (await marketer.post("/api/v1/templates", json=body | inline)).json()["code"] == "attachment_limit"
    settings.media.max_attachment_bytes = 10
    assert (await marketer.post("/api/v1/templates", json=body | {"name": "V"})).json()["code"] == "attachment_limit"


def in_bucket(settings: Settings, url: str, secret: str = SECRET) -> Settings:
    media = settings.media.model_copy(
        update={
            "storage": "s3",
            "s3_endpoint": url,
            "s3_bucket": "mails",
            "s3_region": REGION,
            "s3_access_key": KEY,
            "s3_secret_key": SecretStr(secret),
        }
    )
    return settings.model_copy(update={"media": media})


async def test_a_bucket_keeps_what_is_signed_for(settings: Settings) -> None:
    async with bucket() as there, running(in_bucket(settings, there.url)) as api, marketing(api) as marketer:
        made = (await upload(marketer, picture())).json()
        name = f"/mails/media/{made['media_id']}"
        assert (there.objects, there.types) == ({name: picture()}, {name: "image/png"})
        assert (made["storage"], (settings.home / "media").exists()) == ("s3", False)
        path = urlsplit(made["url"]).path
        assert (await api.anonymous.get(path)).content == picture()
        there.status = 503
        away = await api.anonymous.get(path)
        assert (away.status_code, away.json()["code"]) == (503, "media_storage")
        assert "SlowDown" in away.json()["detail"]
        there.status = None
        there.objects.clear()
        assert (await api.anonymous.get(path)).json()["code"] == "media_missing"
        assert (await marketer.delete(f"/api/v1/media/{made['media_id']}")).status_code == 204


async def test_a_bucket_that_refuses_keeps_no_row(settings: Settings) -> None:
    async with bucket() as there, running(in_bucket(settings, there.url, "wrong")) as api, marketing(api) as marketer:
        refused = await upload(marketer, picture())
        assert (refused.status_code, refused.json()["code"]) == (503, "media_storage")
        assert "SignatureDoesNotMatch" in refused.json()["detail"]
        assert "wrong" not in refused.text
        assert (await marketer.get("/api/v1/media")).json()["items"] == []


async def test_a_bucket_without_a_key_does_not_start(settings: Settings) -> None:
    settings.media.storage = "s3"
    with pytest.raises(ConfigurationError):
        async with running(settings):
            pass


async def test_a_file_whose_bytes_were_lost_is_mended_by_uploading_it_again(settings: Settings) -> None:
    async with bucket() as there, running(in_bucket(settings, there.url)) as api, marketing(api) as marketer:
        made = (await upload(marketer, picture())).json()
        there.objects.clear()
        again = (await upload(marketer, picture())).json()
        assert again["media_id"] == made["media_id"]
        assert (await api.anonymous.get(urlsplit(made["url"]).path)).content == picture()


async def test_a_file_that_the_bucket_does_not_give_up_can_be_deleted_again(settings: Settings) -> None:
    async with bucket() as there, running(in_bucket(settings, there.url)) as api, marketing(api) as marketer:
        made = (await upload(marketer, picture())).json()
        there.status = 503
        refused = await marketer.delete(f"/api/v1/media/{made['media_id']}")
        assert (refused.status_code, refused.json()["code"]) == (503, "media_storage")
        there.status = None
        assert (await marketer.delete(f"/api/v1/media/{made['media_id']}")).status_code == 204
        assert there.objects == {}


async def test_a_file_cannot_be_deleted_under_a_template_that_is_being_saved(
    marketer: httpx.AsyncClient, api: Api, settings: Settings
) -> None:
    made = (await upload(marketer, picture())).json()
    file = Attachment(UUID(made["media_id"]), "logo.png", inline=True)
    pool = api.database.pool
    async with pool.acquire() as connection, connection.transaction():
        await MediaLibrary.hold(connection, [file])
        deleting = asyncio.create_task(marketer.delete(f"/api/v1/media/{made['media_id']}"))
        waits = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'DELETE FROM media%'"
        )
        await eventually(lambda: pool.fetchval(waits), what="the deletion to wait")
        template_id = uuid7()
        await connection.execute(
            "INSERT INTO templates (template_id, name, channel, default_locale, version)"
            " VALUES ($1, 'T', 'email', 'en', 1)", template_id,
        )  # fmt: skip
        version = Version(template_id, 1, None, Draft((), attachments=(file,)), {}, datetime.now(UTC), None)
        await TemplateRepository(pool).insert_version(connection, version)
    refused = await deleting
    assert (refused.status_code, refused.json()["code"]) == (409, "media_in_use")
    async with pool.acquire() as connection, connection.transaction():
        with pytest.raises(MediaNotFoundError):
            await MediaLibrary.hold(connection, [Attachment(uuid7(), "gone.pdf")])


@pytest.mark.parametrize("name", ["a\x85b.pdf", "a\u2028b.pdf", "a\x9fb.pdf", "a\nb.pdf", "../a.pdf"])
async def test_a_name_that_cannot_stand_in_a_header_is_refused_when_it_is_saved(
    marketer: httpx.AsyncClient, name: str
) -> None:
    made = (await upload(marketer, b"%PDF-1.7 x", "terms.pdf")).json()
    file = {"media_id": made["media_id"], "filename": name}
    body = {"name": "T", "variants": [{"subject": "s", "body": "b"}], "attachments": [file]}
    assert (await marketer.post("/api/v1/templates", json=body)).status_code == 422
    body = {"name": "C", "template_subject": "s", "template_body": "b", "from_email": "a@b.example"}
    refused = await marketer.post("/api/v1/campaigns", json=body | {"from_name": name.replace("../", "\x00")})
    assert refused.status_code == 422
