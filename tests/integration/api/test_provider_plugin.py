"""The example of a plugin, installed: its kind sends texts, and hears reports and STOP."""

import subprocess
import sys
from collections.abc import AsyncIterator
from ipaddress import ip_network
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from support.api import Api, running_without_limits
from support.receiver import receiving
from support.texts import says, text
from taskflow.delivery.outcome import Cause, OutcomeKind
from taskflow.delivery.providers.contract import SmsProvider
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.identity.models import Role
from taskflow.settings import Settings

EXAMPLE = Path(__file__).parents[3] / "examples" / "provider-plugin"
INSTALL = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target")
ANN = "+491711234567"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin, built and installed where this process finds it."""
    subprocess.run([sys.executable, *INSTALL, tmp_path / "site", EXAMPLE], check=True)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


@pytest.fixture
async def api(settings: Settings, installed: None) -> AsyncIterator[Api]:
    """The application that finds it."""
    settings.provider.allow_networks = [ip_network("127.0.0.0/8")]
    async with running_without_limits(settings) as found:
        yield found


async def test_a_plugin_sends_texts_and_hears_what_becomes_of_them(api: Api) -> None:
    lost = says(422, {"why": "wants-no-pigeons"})
    async with (
        await api.as_role(Role.ADMIN) as admin,
        receiving(says(200, {"pigeons": 3}), says(201, {"flight": "f-7"}), lost) as receiver,
    ):
        kinds = (await admin.get("/api/v1/provider-kinds")).json()
        assert kinds["broken_plugins"] == []
        [pigeon] = [kind for kind in kinds["items"] if kind["name"] == "pigeon"]
        assert [field["name"] for field in pigeon["fields"] if field["is_secret"]] == ["whistle"]
        settings = {"loft": "north", "api_url": receiver.url}
        body = {"name": "pigeons", "kind": "pigeon", "settings": settings, "secrets": {"whistle": "a shrill one"}}
        made = (await admin.post("/api/v1/providers", json=body)).json()
        tested = (await admin.post(f"/api/v1/providers/{made['provider_id']}/test")).json()
        assert tested == {"works": True, "found": "The loft north has 3 pigeons.", "suggested_budgets": {}}

        row = await ProviderReader(api.database.pool).get(UUID(made["provider_id"]))
        provider = cast("SmsProvider", api.services.get(Opener).provider(row))
        sent, refused = await provider.send([text(ANN), text("+491711234568")], float("inf"))
        assert (sent.kind, sent.provider_id) == (OutcomeKind.ACCEPTED, "f-7")
        assert (refused.kind, refused.cause) == (OutcomeKind.REJECTED, Cause.OPTED_OUT)
        assert receiver.messages[1].headers["x-whistle"] == "a shrill one"

        [hook] = [one for one in (await admin.get("/api/v1/sms/hooks")).json() if one["provider"] == "pigeons"]
        told = [{"flight": "f-7", "state": "landed"}, {"note": "n-1", "from": ANN, "to": "+4930", "text": "STOP"}]
        assert (await api.anonymous.post(urlsplit(hook["url"]).path, json=told)).status_code == 204
        standing = (await admin.get("/api/v1/sms/standings/pigeon/f-7")).json()
        assert standing["status"] == "delivered"
        check = await admin.get("/api/v1/suppressions/check", params={"channel": "sms", "address": ANN})
        assert check.json()["suppressed"]
