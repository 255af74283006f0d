"""Keys from their making to their end: nobody signs with one that DNS does not show, and two at once rotate once."""

import asyncio

import pytest
from pydantic import SecretStr

from support.dns_server import DnsServer
from taskflow.base.envelope import SealBrokenError
from taskflow.db.pool import Database
from taskflow.delivery.domains.models import (
    DomainExistsError,
    DomainNotFoundError,
    KeyState,
    NotPublishedError,
    SendingDomain,
)
from taskflow.delivery.domains.senders import NOBODY, Senders
from taskflow.delivery.domains.service import DomainService
from taskflow.delivery.domains.zone import dkim_records
from taskflow.delivery.rotation import rotate
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings

DOMAIN = "example.org"
ANOTHER_KEY = SecretStr("another secret of forty characters or so")


def publish(zone: DnsServer, domain: SendingDomain) -> None:
    for record in dkim_records(domain, 7):
        zone.clear(record.name, "TXT")
        zone.add_line(record.line)


def states(domain: SendingDomain) -> dict[str, str]:
    return {key.selector: key.state.value for key in domain.keys}


def senders(database: Database, settings: Settings) -> Senders:
    return Senders(database.pool, settings)


async def selectors(database: Database, settings: Settings, address: str = "news@example.org") -> set[str]:
    """Return the selectors that a new process would sign mail from an address with."""
    signer = (await senders(database, settings).of(address)).signer
    return {key.selector for key in signer.keys} if signer is not None else set()


async def test_keys_wait_until_dns_shows_them_then_sign_and_give_way_to_the_next(
    domains: DomainService, zone: DnsServer, database: Database, settings: Settings
) -> None:
    added = await domains.add(DOMAIN)
    assert sorted(key.algorithm for key in added.keys) == ["ed25519-sha256", "rsa-sha256"]
    assert set(states(added).values()) == {"next"}
    assert await selectors(database, settings) == set()
    with pytest.raises(NotPublishedError):
        await domains.rotate(DOMAIN)
    publish(zone, added)
    first = await domains.rotate(DOMAIN)
    assert set(states(first).values()) == {"active"}
    old = await selectors(database, settings)
    assert old == set(states(first))

    rotating = await domains.rotate(DOMAIN)
    assert sorted(states(rotating).values()) == ["active", "active", "next", "next"]
    assert await selectors(database, settings) == old
    publish(zone, rotating)
    rotated = await domains.check(DOMAIN)
    assert sorted(states(rotated).values()) == ["active", "active", "retired", "retired"]
    assert (await selectors(database, settings)).isdisjoint(old)
    assert len(dkim_records(rotated, 7)) == 4  # mail that the retired ones signed is still under way
    private = "SELECT count(*) FROM dkim_keys WHERE state = 'retired' AND private_key IS NOT NULL"
    assert await database.pool.fetchval(private) == 0


async def test_one_key_that_is_published_does_not_wait_for_the_other(
    domains: DomainService, zone: DnsServer, database: Database, settings: Settings
) -> None:
    added = await domains.add(DOMAIN)
    rsa = next(key for key in added.keys if key.algorithm == "rsa-sha256")
    zone.add_line(next(record.line for record in dkim_records(added, 7) if record.name == rsa.name))
    await domains.check(DOMAIN)
    assert await selectors(database, settings) == {rsa.selector}


async def test_force_does_not_ask_dns(domains: DomainService, database: Database, settings: Settings) -> None:
    await domains.add(DOMAIN)
    await domains.rotate(DOMAIN, force=True)
    assert len(await selectors(database, settings)) == 2


async def test_retired_keys_are_forgotten_when_they_need_not_stay_any_more(
    domains: DomainService, database: Database
) -> None:
    await domains.add(DOMAIN)
    for _ in range(3):
        await domains.rotate(DOMAIN, force=True)
    assert sum(key.state is KeyState.RETIRED for key in (await domains.get(DOMAIN)).keys) == 2
    await database.pool.execute(
        "UPDATE dkim_keys SET retired_at = retired_at - interval '8 days' WHERE state = 'retired'"
    )
    await domains.rotate(DOMAIN)
    assert sorted(states(await domains.get(DOMAIN)).values()) == ["active", "active", "next", "next"]


async def test_several_who_rotate_at_once_rotate_once(domains: DomainService) -> None:
    await domains.add(DOMAIN)
    await asyncio.gather(*(domains.rotate(DOMAIN, force=True) for _ in range(2)))
    await domains.rotate(DOMAIN, force=True)
    domain = await domains.get(DOMAIN)
    assert sum(key.state is KeyState.ACTIVE for key in domain.keys) == 2
    await asyncio.gather(*(domains._make_next(domain) for _ in range(5)))
    assert sum(key.state is KeyState.NEXT for key in (await domains.get(DOMAIN)).keys) == 2


async def test_a_domain_is_there_once(domains: DomainService) -> None:
    await domains.add("Example.org")
    with pytest.raises(DomainExistsError):
        await domains.add("EXAMPLE.ORG.")
    await domains.remove("example.ORG")
    with pytest.raises(DomainNotFoundError):
        await domains.get(DOMAIN)


async def test_a_subdomain_is_signed_by_the_nearest_domain_that_can(
    domains: DomainService, database: Database, settings: Settings
) -> None:
    await domains.add(DOMAIN)
    await domains.rotate(DOMAIN, force=True)
    known = senders(database, settings)
    parent = await known.of("a@mail.Example.org")
    assert parent.signer is not None
    assert parent.signer.domain == DOMAIN
    await domains.add("mail.example.org")
    assert await selectors(database, settings, "a@mail.example.org") == {key.selector for key in parent.signer.keys}
    await domains.rotate("mail.example.org", force=True)
    nearest = (await senders(database, settings).of("a@mail.example.org")).signer
    assert nearest is not None
    assert nearest.domain == "mail.example.org"
    assert await known.of("a@example.net") is NOBODY
    assert await known.of("a@org") is NOBODY


async def test_what_is_known_is_asked_once_and_stays_the_same_object(
    domains: DomainService, database: Database, settings: Settings
) -> None:
    await domains.add(DOMAIN)
    await domains.rotate(DOMAIN, force=True)
    known = senders(database, settings)
    first = await known.of("a@example.org")
    known._known = {domain: (since - 100, sender) for domain, (since, sender) in known._known.items()}
    assert await known.of("b@example.org") is first
    known._known = {domain: (since - 100, sender) for domain, (since, sender) in known._known.items()}
    await domains.rotate(DOMAIN)
    await domains.rotate(DOMAIN, force=True)
    assert await known.of("b@example.org") is not first


async def test_a_key_opens_for_its_own_domain_and_selector_only(
    domains: DomainService, database: Database, settings: Settings
) -> None:
    await domains.add(DOMAIN)
    await domains.rotate(DOMAIN, force=True)
    await database.pool.execute("UPDATE dkim_keys SET selector = 'x' || selector")
    with pytest.raises(SealBrokenError, match=f"the DKIM key xtf.* of {DOMAIN} was changed"):
        await senders(database, settings).of("a@example.org")
    await domains.add("example.net")
    await database.pool.execute(
        "UPDATE dkim_keys SET domain = 'example.net', selector = substr(selector, 2) WHERE domain = 'example.org'"
    )
    with pytest.raises(SealBrokenError, match=r"of example\.net was changed"):
        await senders(database, settings).of("a@example.net")


async def test_keys_open_after_a_change_of_the_secret_key_and_a_rotation_of_secrets_lets_the_old_one_go(
    domains: DomainService, database: Database, settings: Settings
) -> None:
    await domains.add(DOMAIN)
    await domains.rotate(DOMAIN, force=True)
    await domains.rotate(DOMAIN)
    signing = await selectors(database, settings)
    old, settings.secret_key = settings.secret_key, ANOTHER_KEY
    with pytest.raises(SealBrokenError, match="TASKFLOW_SECRET_KEY_PREVIOUS"):
        await senders(database, settings).of("a@example.org")
    with pytest.raises(SealBrokenError, match="TASKFLOW_SECRET_KEY_PREVIOUS"):
        await rotate(database.pool, vault(settings))
    settings.secret_key_previous = old
    assert await selectors(database, settings) == signing
    assert (await rotate(database.pool, vault(settings)))[1:] == (4, 0)
    assert (await rotate(database.pool, vault(settings)))[1:] == (0, 4)
    settings.secret_key_previous = None
    assert await selectors(database, settings) == signing
    await domains.rotate(DOMAIN, force=True)
    assert (await selectors(database, settings)).isdisjoint(signing)


async def test_no_private_key_stands_in_the_clear(domains: DomainService, database: Database) -> None:
    await domains.add(DOMAIN)
    for row in await database.pool.fetch("SELECT private_key FROM dkim_keys"):
        assert row["private_key"][:1] == b"\x01"
        assert b"\x30\x2e\x02\x01" not in row["private_key"]  # as PKCS #8 of an Ed25519 key begins
        assert b"\x2a\x86\x48\x86\xf7" not in row["private_key"]  # RSA's object identifier
