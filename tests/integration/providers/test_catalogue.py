"""What senders get: enabled providers, open, in order, and up to date."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from support.mail_providers import NEW, mail, send, send_one
from support.scripted_smtp import ScriptedSmtp
from support.texts import text
from support.waiting import eventually
from taskflow.audience.channels import Channel
from taskflow.base.errors import ConfigurationError
from taskflow.db.pool import Database
from taskflow.delivery.outcome import Outcome, OutcomeKind
from taskflow.delivery.providers import catalogue as catalogue_module
from taskflow.delivery.providers.catalogue import ProviderCatalogue
from taskflow.delivery.providers.contract import Kind
from taskflow.delivery.providers.fields import Fields, Secret
from taskflow.delivery.providers.opening import FALLBACK_ID, Opener
from taskflow.delivery.providers.registry import KINDS, Registry
from taskflow.delivery.providers.service import LastProviderError, ProviderService
from taskflow.delivery.rotation import rotate
from taskflow.delivery.router.configured import configured_routes
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings


class Pigeon(Fields):
    """Fields of a plugin."""

    whistle: Secret


@pytest.fixture
async def service(database: Database, settings: Settings) -> AsyncIterator[ProviderService]:
    registry = Registry()
    async with Opener.open(settings, registry) as opener:
        yield ProviderService(database, registry, vault(settings), opener)


@pytest.fixture
async def catalogue(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ProviderCatalogue]:
    """A catalogue that asks PostgreSQL each time."""
    monkeypatch.setattr(catalogue_module, "REFRESH_SECONDS", 0.0)
    async with ProviderCatalogue.open(database, settings, Registry()) as opened:
        yield opened


async def made(service: ProviderService, name: str, **changes: Any) -> UUID:
    return (await service.create(NEW | {"name": name} | changes)).provider_id


async def names(catalogue: ProviderCatalogue) -> list[str]:
    return [row.name for row, _ in await catalogue.mail_providers()]


async def test_without_a_row_the_sandbox_or_the_servers_settings_stand_in(
    database: Database, settings: Settings
) -> None:
    async with ScriptedSmtp() as server:
        settings.sandbox.port = server.port
        async with ProviderCatalogue.open(database, settings) as catalogue:
            [(row, provider)] = await catalogue.mail_providers()
            assert (row.provider_id, row.name, row.kind) == (FALLBACK_ID, "sandbox", "sandbox")
            assert (await send_one(provider)).kind is OutcomeKind.ACCEPTED
            for requires_dlt in (False, True):
                [(row, texts)] = await catalogue.sms_providers(requires_dlt=requires_dlt)
                assert (row.provider_id, row.name, row.kind) == (FALLBACK_ID, "sms-sandbox", "sms-sandbox")
                [outcome] = await texts.send([text()], time.monotonic() + 60)
                assert outcome.kind is OutcomeKind.ACCEPTED
        settings.smtp.host, settings.smtp.port, settings.smtp.security = "127.0.0.1", server.port, "none"
        async with ProviderCatalogue.open(database, settings) as catalogue:
            [(row, provider)] = await catalogue.mail_providers()
            assert (row.name, row.kind) == ("smtp:127.0.0.1", "smtp")
            assert (await send_one(provider)).kind is OutcomeKind.ACCEPTED
        settings.smtp.host, settings.smtp.username, settings.smtp.password = "mail.example.org", "u", SecretStr("p")
        async with ProviderCatalogue.open(database, settings) as catalogue:
            with pytest.raises(ConfigurationError):
                await catalogue.mail_providers()


async def test_providers_come_in_the_order_in_which_they_are_asked(
    catalogue: ProviderCatalogue, service: ProviderService
) -> None:
    await made(service, "third", priority=2)
    await made(service, "second", priority=1)
    await made(service, "first", priority=1)
    assert await names(catalogue) == ["first", "second", "third"]


async def test_a_change_is_seen_and_only_what_depends_on_it_is_opened_anew(
    catalogue: ProviderCatalogue, service: ProviderService
) -> None:
    first = await made(service, "first", kind="smtp", settings={"host": "a.example.org"})
    await made(service, "second", kind="smtp", settings={"host": "b.example.org"})
    before = {row.name: provider for row, provider in await catalogue.mail_providers()}
    await service.update(first, {"priority": 50, "per_day": 10})
    [_, (row, same)] = await catalogue.mail_providers()
    assert (row.name, row.per_day) == ("first", 10)
    assert same is before["first"]
    await service.update(first, {"settings": {"port": 2525}})
    [(_, second), (_, other)] = await catalogue.mail_providers()
    assert second is before["second"]
    assert other is not before["first"]
    await service.update(first, {"enabled": False})
    assert await names(catalogue) == ["second"]


async def test_when_all_are_disabled_nobody_stands_in(catalogue: ProviderCatalogue, service: ProviderService) -> None:
    only = await made(service, "only")
    assert await names(catalogue) == ["only"]
    await service.update(only, {"enabled": False})
    assert await names(catalogue) == []
    with pytest.raises(LastProviderError):
        await service.delete(only)
    assert await names(catalogue) == []
    await service.delete(only, last=True)
    assert await names(catalogue) == ["sandbox"]


async def test_routes_know_what_is_a_sandbox_and_what_carries_texts(
    service: ProviderService, database: Database, settings: Settings
) -> None:
    read = configured_routes(database, settings, Registry())
    standing_in = [(route.name, route.channel, route.is_sandbox) for route in await read()]
    assert standing_in == [("sandbox", Channel.EMAIL, False), ("sms-sandbox", Channel.SMS, False)]
    await made(service, "relay", kind="smtp", settings={"host": "a.example.org"})
    await made(service, "inbox")
    await made(service, "texts", kind="sms-sandbox")
    found = {route.name: (route.channel, route.is_sandbox) for route in await read()}
    assert found == {"relay": (Channel.EMAIL, False), "inbox": (Channel.EMAIL, True), "texts": (Channel.SMS, True)}


async def test_of_two_that_are_deleted_at_once_one_stays(service: ProviderService, database: Database) -> None:
    both = [await made(service, name) for name in ("one", "other")]
    texts = await made(service, "texts", kind="sms-sandbox")
    ends = await asyncio.gather(*(service.delete(one) for one in both), return_exceptions=True)
    assert [type(end) for end in ends if not isinstance(end, str)] == [LastProviderError]
    assert await database.pool.fetchval("SELECT count(*) FROM providers WHERE channel = 'email'") == 1
    with pytest.raises(LastProviderError):
        await service.delete(texts)


async def test_one_that_cannot_be_opened_is_left_out_and_comes_back_when_mended(
    catalogue: ProviderCatalogue, service: ProviderService, database: Database
) -> None:
    good = {"host": "a.example.org", "username": "u"}
    one, other = [await made(service, name, kind="smtp", settings=good, secrets={"password": "p"}) for name in "ab"]
    swap = (
        "UPDATE providers SET secrets = (SELECT secrets FROM providers WHERE provider_id = $2) WHERE provider_id = $1"
    )
    await database.pool.execute(swap, one, other)
    await made(service, "c")
    await database.pool.execute("UPDATE providers SET kind = 'plugin-that-is-gone' WHERE name = 'c'")
    assert await names(catalogue) == ["b"]
    assert "sealed for something else" in (await service.test(one)).sentence
    await service.update(one, {"secrets": {"password": "new"}})
    await database.pool.execute("UPDATE providers SET kind = 'sandbox' WHERE name = 'c'")
    assert await names(catalogue) == ["a", "b", "c"]


async def test_a_plugin_that_cannot_open_its_provider_stops_nobody_and_tells_no_secret(
    database: Database, settings: Settings, service: ProviderService
) -> None:
    def explode(told: Any, _surroundings: Any) -> Any:
        raise RuntimeError(f"cannot use {told.whistle.get_secret_value()}")

    registry = Registry((*KINDS, Kind("pigeon", "Pigeon post", Channel.EMAIL, Pigeon, explode)))
    async with Opener.open(settings, registry) as opener:
        plugged = ProviderService(database, registry, vault(settings), opener)
        row = await plugged.create(NEW | {"name": "p", "kind": "pigeon", "secrets": {"whistle": "canary"}})
        await made(service, "s")
        assert await names(ProviderCatalogue(database, settings, opener, Registry())) == ["s"]
        assert (await plugged.test(row.provider_id))[:2] == (False, "p: its kind cannot open it: RuntimeError.")


async def test_a_plugin_whose_provider_lacks_a_part_stops_nobody_and_is_told_what_it_lacks(
    database: Database, settings: Settings, service: ProviderService
) -> None:
    class Halfway:
        async def send(self, *_: object) -> list[Outcome]:
            return []

        async def check(self) -> str:
            return "It answers."

        async def close(self) -> None:
            """Nothing is held."""

    registry = Registry((*KINDS, Kind("pigeon", "Pigeon post", Channel.EMAIL, Pigeon, lambda *_: Halfway())))  # type: ignore[arg-type,return-value]  # what is tested
    async with Opener.open(settings, registry) as opener:
        plugged = ProviderService(database, registry, vault(settings), opener)
        row = await plugged.create(NEW | {"name": "p", "kind": "pigeon", "secrets": {"whistle": "canary"}})
        await made(service, "s")
        catalogue = ProviderCatalogue(database, settings, opener, registry)
        assert await names(catalogue) == ["s"]
        assert await catalogue.longest_send_seconds() > 0
        sentence = "p: what its kind opens lacks longest_send_seconds."
        assert (await plugged.test(row.provider_id))[:2] == (False, sentence)


async def test_whoever_holds_a_replaced_provider_ends_its_window_in_peace(
    catalogue: ProviderCatalogue, service: ProviderService
) -> None:
    async with ScriptedSmtp() as server:
        there = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        one = await made(service, "one", kind="smtp", settings=there)
        [(_, held)] = await catalogue.mail_providers()
        assert (await send_one(held)).kind is OutcomeKind.ACCEPTED
        await service.update(one, {"settings": {"connections": 1}})
        [(_, fresh)] = await catalogue.mail_providers()
        await eventually(lambda: b"QUIT\r\n" in server.commands, what="the idle connection is given up")
        for provider in (held, fresh):
            assert [one.kind for one in await send(provider, mail(), mail())] == [OutcomeKind.ACCEPTED] * 2


async def test_while_postgresql_is_away_what_was_known_holds(
    catalogue: ProviderCatalogue, service: ProviderService, monkeypatch: pytest.MonkeyPatch
) -> None:
    await made(service, "one")
    assert await names(catalogue) == ["one"]

    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(catalogue._reader, "all", away)
    assert await names(catalogue) == ["one"]


async def test_postgresql_is_asked_at_most_once_a_second(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ProviderCatalogue.open(database, settings) as catalogue:
        asked, ask = [], catalogue._reader.all

        async def count(*arguments: Any) -> Any:
            asked.append(1)
            return await ask(*arguments)

        monkeypatch.setattr(catalogue._reader, "all", count)
        monkeypatch.setattr(catalogue_module.time, "monotonic", lambda: 100.0)
        for _ in range(5):
            await catalogue.mail_providers()
        assert len(asked) == 1
        monkeypatch.setattr(catalogue_module.time, "monotonic", lambda: 100.0 + catalogue_module.REFRESH_SECONDS)
        await catalogue.mail_providers()
        assert len(asked) == 2


async def test_after_a_change_of_the_secret_key_secrets_open_and_rotation_lets_the_old_one_go(
    database: Database, settings: Settings, service: ProviderService
) -> None:
    there = {"host": "a.example.org", "username": "u"}
    row = await service.create(
        NEW | {"name": "one", "kind": "smtp", "settings": there, "secrets": {"password": "pw-1"}}
    )
    old = settings.secret_key
    settings.secret_key = SecretStr("another secret key, as long as it has to be")
    registry = Registry()
    async with Opener.open(settings, registry) as lost:
        assert "TASKFLOW_SECRET_KEY_PREVIOUS" in str(await _failure(lost, row))
    settings.secret_key_previous = old
    async with Opener.open(settings, registry) as both:
        assert both.secrets(row) == {"password": "pw-1"}
        assert (await rotate(database.pool, vault(settings)))[1:] == (1, 0)
        assert (await rotate(database.pool, vault(settings)))[1:] == (0, 1)
    settings.secret_key_previous = None
    async with Opener.open(settings, registry) as fresh:
        assert fresh.secrets(await service.reader.get(row.provider_id)) == {"password": "pw-1"}


async def _failure(opener: Opener, row: Any) -> Exception:
    with pytest.raises(Exception, match="is not here") as caught:
        opener.provider(row)
    return caught.value
