"""The doctor against a name server of our own: what is well, what is not, and what lies."""

from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from support.dns_server import DnsServer, circle, failure, garbage, silence
from support.scripted_smtp import ScriptedSmtp
from taskflow.base.errors import ConfigurationError
from taskflow.db.pool import Database
from taskflow.delivery.domains.checks import dkim, servers, spf
from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.models import SendingDomain
from taskflow.delivery.domains.outlets import Outlets
from taskflow.delivery.domains.resolver import LookupFailedError, Resolver
from taskflow.delivery.domains.service import DomainService
from taskflow.delivery.domains.zone import spf_mechanisms
from taskflow.delivery.providers.fields import secret_names
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.providers.registry import KINDS, Registry
from taskflow.delivery.providers.service import ProviderService
from taskflow.identity.secret_key import vault
from taskflow.settings import Settings

DOMAIN = "news.example.org"
OUTGOING = "8.8.4.4"


@pytest.fixture
async def smtp() -> AsyncIterator[ScriptedSmtp]:
    async with ScriptedSmtp() as server:
        yield server


@pytest.fixture
async def added(domains: DomainService) -> SendingDomain:
    return await domains.add(DOMAIN)


@pytest.fixture
def healthy(added: SendingDomain, zone: DnsServer, settings: Settings) -> DnsServer:
    """A zone in which everything is as it should be."""
    settings.domain.outgoing_addresses = [ip_address(OUTGOING)]  # type: ignore[list-item]
    settings.http.public_url = "https://mail.example.org"
    for key in added.keys:
        publish(zone, key.name, key.record)
    zone.add(DOMAIN, "TXT", f'"v=spf1 ip4:{OUTGOING} -all"', '"something-else=1"')
    zone.add("_dmarc.example.org", "TXT", '"v=DMARC1; p=quarantine"')
    zone.add(DOMAIN, "MX", "10 mx.example.org.")
    zone.add("mx.example.org", "A", "127.0.0.9")  # where nobody is asked: tests stay on this machine
    zone.add("4.4.8.8.in-addr.arpa", "PTR", "out.example.org.")
    zone.add("out.example.org", "A", OUTGOING)
    zone.add("mail.example.org", "A", "9.9.9.10")
    return zone


def publish(zone: DnsServer, name: str, value: str) -> None:
    strings = " ".join(f'"{value[place : place + 255]}"' for place in range(0, len(value), 255))
    zone.add(name, "TXT", strings)


async def findings(domains: DomainService, check: str, name: str = DOMAIN) -> list[dict[str, Any]]:
    report = (await domains.check(name)).report
    assert report is not None
    return [finding for finding in report if finding["check"] == check]


async def worst(domains: DomainService, check: str) -> tuple[str, str]:
    """Return the worst status of a check with its sentence."""
    found = await findings(domains, check)
    return max(
        ((one["status"], one["sentence"]) for one in found), key=lambda one: ["ok", "warn", "fail"].index(one[0])
    )


async def test_a_domain_that_is_ready_passes_every_check_that_can_be_made_from_here(
    domains: DomainService, healthy: DnsServer
) -> None:
    report = (await domains.check(DOMAIN)).report or []
    statuses = {finding["check"]: finding["status"] for finding in report if finding["check"] not in ("tls", "mx_tls")}
    assert statuses == dict.fromkeys(("dkim", "spf", "dmarc", "mx", "return_path", "ptr", "one_click", "gmail"), "ok")
    assert healthy.asked["tcp"] >= 1  # the RSA key does not fit a plain UDP answer


async def test_an_empty_zone_is_told_exactly_what_to_hold_and_then_is_well(
    domains: DomainService, added: SendingDomain, zone: DnsServer, settings: Settings
) -> None:
    settings.domain.outgoing_addresses = [ip_address(OUTGOING)]  # type: ignore[list-item]
    zone.add("example.org", "NS", "ns.example.org.")
    report = (await domains.check(DOMAIN)).report or []
    lines = {record["line"] for finding in report for record in finding["records"]}
    assert {f"{key.name}." for key in added.keys} < {line.split()[0] for line in lines}
    assert {finding["check"] for finding in report if finding["status"] == "fail"} >= {"dkim", "spf", "dmarc", "mx"}
    for line in lines:
        zone.add_line(line)
    report = (await domains.check(DOMAIN)).report or []
    assert {one["status"] for one in report if one["check"] in ("dkim", "spf", "dmarc")} == {"ok"}


# ── DKIM


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda record: record.replace("p=", "p=AAAA"), "another key"),
        (lambda _: "v=DKIM1; k=rsa; p=", "revoked"),
        (lambda _: "hello", "no DKIM key"),
        (lambda record: record + "; h=sha1", "forbids SHA-256"),
        (lambda record: record + "; t=y", "t=y"),
        (lambda record: record.replace("k=rsa", "k=ed25519"), "another key"),
    ],
    ids=["another key", "revoked", "no key", "sha1", "testing", "another kind"],
)
async def test_a_record_that_is_not_ours_is_told(
    domains: DomainService, healthy: DnsServer, added: SendingDomain, change: Any, says: str
) -> None:
    key = next(key for key in added.keys if key.algorithm == "rsa-sha256")
    healthy.clear(key.name, "TXT")
    publish(healthy, key.name, change(key.record))
    status, sentence = await worst(domains, "dkim")
    assert status in ("warn", "fail")
    assert says in sentence


async def test_two_records_under_one_selector_are_told(
    domains: DomainService, healthy: DnsServer, added: SendingDomain
) -> None:
    publish(healthy, added.keys[0].name, "v=DKIM1; p=AAAA")
    assert "2 TXT records" in (await worst(domains, "dkim"))[1]


# ── SPF


@pytest.mark.parametrize(
    ("record", "status", "says"),
    [
        ("v=spf1 ip4:8.8.0.0/16 ~all", "ok", "pass"),
        ("v=spf1 a:out.example.org -all", "ok", "pass"),
        ("v=spf1 mx -all", "fail", "says fail"),
        ("v=spf1 include:partner.example ~all", "ok", "pass"),
        ("v=spf1 include:nobody.example ~all", "fail", "no SPF record"),
        ("v=spf1 redirect=partner.example", "ok", "pass"),
        ("v=spf1 ?all", "fail", "says neutral"),
        ("v=spf1 +all", "fail", "everybody"),
        ("v=spf1 include:loop.example ~all", "fail", "perhaps in a circle"),
        ("v=spf1 exists:%{i}.example.net ip4:8.8.4.4 -all", "warn", "macros"),
        ("v=spf1 a:v1.example.org a:v2.example.org a:v3.example.org ip4:8.8.4.4 -all", "fail", "find nothing"),
        ("v=spf1 nonsense:x -all", "fail", "is no term"),
        (" ".join(["v=spf1", *["a:out.example.org"] * 11, "-all"]), "fail", "takes 11 lookups"),
    ],
)  # fmt: skip
async def test_spf_is_judged_as_receivers_do(
    domains: DomainService, healthy: DnsServer, record: str, status: str, says: str
) -> None:
    healthy.clear(DOMAIN, "TXT")
    publish(healthy, DOMAIN, record)
    healthy.add("partner.example", "TXT", '"v=spf1 a:out.example.org ip4:8.8.4.0/24 -all"')
    healthy.add("loop.example", "TXT", '"v=spf1 include:pool.example -all"')
    healthy.add("pool.example", "TXT", '"v=spf1 include:loop.example -all"')
    found, sentence = await worst(domains, "spf")
    assert (found, says in sentence) == (status, True), sentence


async def test_several_spf_records_count_as_none(domains: DomainService, healthy: DnsServer) -> None:
    publish(healthy, DOMAIN, "v=spf1 mx -all")
    assert "receivers use none" in (await worst(domains, "spf"))[1]


async def test_spf_counts_for_the_domain_of_the_return_path(domains: DomainService, healthy: DnsServer) -> None:
    await domains.set_return_path(DOMAIN, "bounces.example.org")
    assert "bounces.example.org has no SPF record" in (await worst(domains, "spf"))[1]
    status, sentence = await worst(domains, "return_path")
    assert (status, "no MX record" in sentence) == ("fail", True)
    healthy.add("bounces.example.org", "MX", "10 mx.example.org.")
    assert (await worst(domains, "return_path"))[0] == "ok"


async def test_a_return_path_of_somebody_else_is_not_aligned(domains: DomainService, healthy: DnsServer) -> None:
    await domains.set_return_path(DOMAIN, "bounces.example.net")
    assert "not aligned" in (await worst(domains, "dmarc"))[1]


# ── names and addresses


async def test_a_null_mx_and_no_mx_at_all_are_told(domains: DomainService, healthy: DnsServer) -> None:
    healthy.clear(DOMAIN, "MX")
    assert (await worst(domains, "mx"))[0] == "fail"
    healthy.add(DOMAIN, "MX", "0 .")
    assert "null MX" in (await worst(domains, "mx"))[1]


async def test_a_name_that_does_not_lead_back_is_told(domains: DomainService, healthy: DnsServer) -> None:
    healthy.clear("out.example.org", "A")
    healthy.add("out.example.org", "A", "9.9.9.11")
    status, sentence = await worst(domains, "ptr")
    assert (status, "does not lead back" in sentence) == ("fail", True)
    healthy.clear("4.4.8.8.in-addr.arpa", "PTR")
    assert "no name" in (await worst(domains, "ptr"))[1]


@pytest.mark.parametrize(
    "url",
    ["http://mail.example.org", "https://127.0.0.1", "https://localhost", "https://inside.example.org",
     "https://user@mail.example.org", "https://10.1.2.3:8443", "https://nowhere.example.org"],
)  # fmt: skip
async def test_one_click_needs_https_at_a_public_address(
    domains: DomainService, healthy: DnsServer, settings: Settings, url: str
) -> None:
    healthy.add("inside.example.org", "A", "192.168.1.5")
    settings.http.public_url = url
    assert (await worst(domains, "one_click"))[0] == "fail"


# ── TLS


async def test_mail_servers_of_the_domain_are_asked_for_starttls_but_only_where_we_may_go(
    database: Database, settings: Settings, healthy: DnsServer, smtp: ScriptedSmtp
) -> None:
    domains = DomainService(database, settings, smtp_port=smtp.port)
    healthy.clear("mx.example.org", "A")
    healthy.add("mx.example.org", "A", "127.0.0.1")
    assert await findings(domains, "mx_tls") == []  # an inner address: whoever owns the zone may not send us there
    assert smtp.sessions == []
    settings.webhook.allow_networks = [ip_network("127.0.0.0/8")]  # type: ignore[list-item]
    assert (await worst(domains, "mx_tls"))[0] == "warn"
    smtp.features = ("STARTTLS",)
    assert (await worst(domains, "mx_tls"))[0] == "ok"


async def test_our_own_mail_server_is_asked_too(
    domains: DomainService, healthy: DnsServer, settings: Settings, smtp: ScriptedSmtp
) -> None:
    settings.smtp.host, settings.smtp.port, settings.smtp.security = "127.0.0.1", smtp.port, "none"
    status, sentence = await worst(domains, "tls")
    assert (status, "without TLS" in sentence) == ("warn", True)
    settings.smtp.security = "starttls"
    status, sentence = await worst(domains, "tls")
    assert (status, "cannot be used" in sentence) == ("fail", True)


# ── providers


@pytest.fixture
async def providers(database: Database, settings: Settings) -> AsyncIterator[ProviderService]:
    registry = Registry()
    async with Opener.open(settings, registry) as opener:
        yield ProviderService(database, registry, vault(settings), opener)


async def add(providers: ProviderService, name: str, kind: str, secrets: dict[str, str], **told: Any) -> ProviderRow:
    terms: dict[str, Any] = {"enabled": True, "weight": 1, "classes": [], "domains": [], "warm_up": []}
    settings = {key: value for key, value in told.items() if key not in terms}
    terms |= {key: value for key, value in told.items() if key in terms}
    budgets = dict.fromkeys(("per_second", "per_minute", "per_day"))
    return await providers.create(
        {"name": name, "kind": kind, "settings": settings, "secrets": secrets} | terms | budgets
    )


async def test_servers_of_providers_are_asked_and_judged_like_that_of_the_settings(
    domains: DomainService, healthy: DnsServer, settings: Settings, smtp: ScriptedSmtp, providers: ProviderService
) -> None:
    settings.domain.outgoing_addresses = []
    local = {"host": "127.0.0.1", "port": smtp.port, "security": "none"}
    await add(providers, "near", "smtp", {"password": "pw-1"}, username="u", **local)
    await add(providers, "off", "smtp", {}, enabled=False, host="off.example.org")
    await add(providers, "theirs", "smtp", {}, domains=["example.net"], host="theirs.example.org")
    smtp.features = ("AUTH PLAIN",)
    found = await findings(domains, "tls")
    assert [(one["status"], "(provider near) without TLS" in one["sentence"]) for one in found] == [("warn", True)]
    smtp.always("AUTH", "535 5.7.8 no")
    [refused] = await findings(domains, "tls")
    assert (refused["status"], refused["action"]) == ("fail", "See `taskflow provider test near`.")
    assert "pw-1" not in str(refused)


async def test_addresses_of_a_providers_server_are_those_that_spf_and_ptr_are_about(
    domains: DomainService, healthy: DnsServer, settings: Settings, providers: ProviderService
) -> None:
    settings.domain.outgoing_addresses = []
    assert "Nobody can tell" in (await worst(domains, "spf"))[1]
    parent = DOMAIN.partition(".")[2]  # stands for its subdomains too
    await add(providers, "one", "smtp", {}, domains=[parent], host="out.example.org", connections=1, port=1)
    assert await worst(domains, "spf") == ("ok", f"SPF of {DOMAIN} lets mail from {OUTGOING} pass.")
    assert await worst(domains, "ptr") == ("ok", f"{OUTGOING} is out.example.org, and back.")
    assert spf_mechanisms(settings, (await domains.outlets()).of(DOMAIN)) == ["a:out.example.org"]


HTTP_KINDS: list[tuple[str, dict[str, Any], str]] = [
    ("ses", {"region": "eu-west-1", "access_key_id": "AKIA"}, "amazonses.com"),
    ("sendgrid", {}, "sendgrid.net"),
    ("mailgun", {"domain": "mg.example.org"}, "mailgun.org"),
    ("postmark", {}, "spf.mtasv.net"),
    ("gmail", {"username": "me@gmail.com"}, "_spf.google.com"),
]


@pytest.mark.parametrize(("kind", "told", "include"), HTTP_KINDS, ids=[kind for kind, *_ in HTTP_KINDS])
async def test_what_spf_has_to_name_for_a_provider_is_told_until_it_does(
    domains: DomainService, healthy: DnsServer, settings: Settings, providers: ProviderService,
    kind: str, told: dict[str, Any], include: str,
) -> None:  # fmt: skip
    registered = next(one for one in KINDS if one.name == kind)
    secret = {"ses": "secret_access_key", "postmark": "server_token", "gmail": "password"}.get(kind, "api_key")
    assert secret in secret_names(registered)
    outlets = Outlets(settings, [await add(providers, "one", kind, {secret: "s"}, **told)]).of(DOMAIN)
    settings.domain.outgoing_addresses = []
    assert spf_mechanisms(settings, outlets) == [f"include:{include}"]
    patient = Patient(await domains.get(DOMAIN), settings, Resolver(settings.domain), outlets)
    [lacks] = await spf.check(patient)
    assert lacks.status == "warn"
    assert f"lacks include:{include}, which the documentation of" in lacks.sentence
    assert [status_of.status for status_of in await servers.check_ptr(patient)] == ["ok"]
    signs_itself = kind in ("ses", "sendgrid", "postmark")
    said = [finding.sentence for finding in await dkim.check(patient, set())]
    assert sum("do not survive the provider one" in sentence for sentence in said) == signs_itself
    [bounces] = await servers.check_return_path(patient)
    assert (bounces.status, "go to it" in bounces.sentence) == ("ok", True)
    healthy.clear(DOMAIN, "TXT")
    healthy.add(include, "TXT", '"v=spf1 ip4:9.9.9.0/24 ~all"')
    [record] = lacks.records
    healthy.add_line(record.line)
    patient = Patient(await domains.get(DOMAIN), settings, Resolver(settings.domain), outlets)
    [has] = await spf.check(patient)
    assert (has.status, f"has include:{include}" in has.sentence) == ("ok", True)


async def test_an_api_that_nobody_knows_is_told_as_such(
    domains: DomainService, healthy: DnsServer, providers: ProviderService
) -> None:
    await add(providers, "own", "http", {}, url="https://api.example.net/send", body="raw")
    status, sentence = await worst(domains, "spf")
    assert (status, "for the provider own stands in its documentation" in sentence) == ("warn", True)


# ── what lies


@pytest.mark.parametrize("lie", [silence, failure, garbage, circle], ids=lambda lie: lie.__name__)
async def test_a_name_server_that_lies_costs_one_check_and_never_a_traceback(
    domains: DomainService, healthy: DnsServer, settings: Settings, lie: Any
) -> None:
    settings.domain.dns_timeout = 0.3
    healthy.lie(DOMAIN, lie)
    report = (await domains.check(DOMAIN)).report or []
    statuses = {finding["check"]: finding["status"] for finding in report}
    assert statuses["spf"] in ("warn", "fail")
    assert statuses["dkim"] == statuses["ptr"] == statuses["one_click"] == "ok"


async def test_a_zone_of_megabytes_is_cut_and_its_words_stay_words(domains: DomainService, healthy: DnsServer) -> None:
    healthy.clear(DOMAIN, "TXT")
    for number in range(120):
        healthy.add(DOMAIN, "TXT", " ".join([f'"{number:03} \\027[31m\\000' + "x" * 200 + '"'] * 2))
    assert "no SPF record" in (await worst(domains, "spf"))[1]
    publish(healthy, "_dmarc." + DOMAIN, "v=DMARC1; p=none; \x1b[31m\x00" + "y" * 3000 + ";")
    status, sentence = await worst(domains, "dmarc")
    assert (status, len(sentence) < 300, "\x1b" in sentence, "\x00" in sentence) == ("fail", True, False, False)


async def test_a_zone_that_sends_us_on_for_ever_comes_to_an_end(settings: Settings, zone: DnsServer) -> None:
    resolver = Resolver(settings.domain)
    for number in range(150):
        await resolver.txt(f"n{number}.example.org")
    with pytest.raises(LookupFailedError, match="more than 150"):
        await resolver.txt("one-more.example.org")
    assert await resolver.txt("n1.example.org") == []  # what was asked once is remembered
    assert zone.asked.total() == 150


@pytest.mark.parametrize("text", ["dns.example.org", "127.0.0.1:x", "127.0.0.1:0", "", "[::1", "1.2.3"])
def test_a_resolver_that_is_no_address_is_refused(settings: Settings, text: str) -> None:
    settings.domain.nameservers = [text]
    with pytest.raises(ConfigurationError):
        Resolver(settings.domain)
