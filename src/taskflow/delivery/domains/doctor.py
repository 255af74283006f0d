"""The deliverability doctor: what receivers will think of a domain's mail, asked the way that they ask.

Every check is on its own: one that cannot find something out says so, and the others go on. What the zone answers is
bounded in `resolver`; connections go to port 25 of the domain's mail servers, and only to addresses that are global (or
in TASKFLOW_WEBHOOK_ALLOW_NETWORKS), for whoever owns the zone decides what they are.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import ip_address
from typing import cast
from urllib.parse import urlsplit

from taskflow.base.errors import ConfigurationError
from taskflow.delivery.domains import carriers, dmarc, spf
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.gmail import BULK_A_DAY, GmailUse
from taskflow.delivery.domains.models import DkimKey, KeyState, SendingDomain
from taskflow.delivery.domains.outlets import Outlet
from taskflow.delivery.domains.resolver import Address, LookupFailedError, Resolver
from taskflow.delivery.domains.zone import spf_mechanisms, txt, with_mechanisms
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.smtp import SmtpPool
from taskflow.delivery.smtp.connection import ProviderFaultError
from taskflow.engine.webhooks.addresses import AddressGuard
from taskflow.settings import Settings
from taskflow.settings.smtp import SmtpSettings

_CHECK_SECONDS = 25.0
_PROBE_SECONDS = 5.0
_MOST_SERVERS = 2
_NEAR_BULK = 0.8
_UNKNOWN_ACTION = "Name the addresses that mail leaves from in TASKFLOW_DOMAIN_OUTGOING_ADDRESSES."

Check = Callable[[], Awaitable[list[Finding]]]


class Doctor:
    """Checks one domain."""

    def __init__(
        self,
        domain: SendingDomain,
        gmail: GmailUse,
        settings: Settings,
        resolver: Resolver,
        outlets: Sequence[Outlet],
        *,
        smtp_port: int = 25,
    ) -> None:
        """`smtp_port`: where mail servers of others listen."""
        self._domain = domain
        self._gmail = gmail
        self._settings = settings
        self._resolver = resolver
        self._outlets = outlets
        self._smtp_port = smtp_port
        self._guard = AddressGuard(settings.webhook.allow_networks)
        self.published: set[str] = set()  # selectors that DNS shows as they are here

    async def examine(self, opener: Opener) -> list[Finding]:
        """Return everything that was found, check by check. `opener`: opens providers, to connect to their servers."""
        checks: dict[str, Check] = {
            "dkim": self._dkim,
            "spf": self._spf,
            "dmarc": self._dmarc,
            "mx": self._mx,
            "return_path": self._return_path,
            "ptr": self._ptr,
            "tls": partial(self._tls, opener),
            "mx_tls": self._mx_tls,
            "one_click": self._one_click,
            "gmail": self._gmail_volume,
        }
        found = await asyncio.gather(*(self._bounded(name, check) for name, check in checks.items()))
        return [finding for part in found for finding in part]

    async def _bounded(self, name: str, check: Check) -> list[Finding]:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                return await check()
        except LookupFailedError as error:
            return [warn(name, f"This could not be found out: {error}", "Check again later, or ask other resolvers.")]
        except TimeoutError:
            return [warn(name, f"This could not be found out in {_CHECK_SECONDS:g} s.", "Check again later.")]

    # -- DKIM

    async def look_for_keys(self) -> None:
        """Find out which keys DNS shows as they are here; those that cannot be asked for are not among them."""
        await self._bounded("dkim", self._dkim)

    async def _dkim(self) -> list[Finding]:
        keys = [key for key in self._domain.keys if key.state is not KeyState.RETIRED]
        found = [await self._dkim_key(key) for key in keys]
        if not any(key.state is KeyState.ACTIVE for key in keys) and not self.published:
            found.append(
                fail("dkim", "No mail is signed yet.", "Publish the records of the keys, then check once more.")
            )
        signing = (carriers.signing_by(outlet, self._domain.domain) for outlet in self._outlets)
        return [*found, *(finding for finding in signing if finding is not None)]

    async def _dkim_key(self, key: DkimKey) -> Finding:
        record = txt(key.name, key.record, f"DKIM, {key.state.value}")
        missing = fail if key.state is KeyState.ACTIVE else warn
        texts = await self._resolver.txt(key.name)
        if not texts:
            return missing("dkim", f"{key.name} has no TXT record.", "Publish the record.", record)
        if len(texts) > 1:
            return missing(
                "dkim", f"{key.name} has {len(texts)} TXT records: receivers may take any.", "Leave one.", record
            )
        tags = _tags(texts[0])
        public = "".join(tags.get("p", "").split())
        if tags.get("v", "DKIM1") != "DKIM1" or "p" not in tags:
            return missing("dkim", f"{key.name} holds no DKIM key.", "Publish the record.", record)
        if not public:
            return missing("dkim", f"{key.name} says that its key is revoked.", "Publish the record.", record)
        if public != key.public_key or tags.get("k", "rsa") != _tags(key.record)["k"]:
            return missing("dkim", f"{key.name} holds another key than ours.", "Publish the record.", record)
        if "sha256" not in tags.get("h", "sha256").split(":"):
            return missing("dkim", f"{key.name} forbids SHA-256.", "Take `h=` out of the record.", record)
        self.published.add(key.selector)
        if "y" in tags.get("t", "").split(":"):
            return warn("dkim", f"{key.name} says `t=y`: receivers may ignore it.", "Take `t=y` out of the record.")
        return ok("dkim", f"{key.name} shows our {key.algorithm.value} key ({key.state.value}).")

    # -- SPF and DMARC

    async def _spf(self) -> list[Finding]:
        domain, terms = self._domain.envelope_domain, spf_mechanisms(self._settings, self._outlets)
        minimum = (txt(domain, f"v=spf1 {' '.join(terms)} ~all", "SPF"),) if terms else ()
        texts = await spf.published(self._resolver, domain)
        if not texts:
            action = "Publish one." if minimum else f"Publish one. {_UNKNOWN_ACTION}"
            return [fail("spf", f"{domain} has no SPF record.", action, *minimum)]
        if len(texts) > 1:
            return [fail("spf", f"{domain} has {len(texts)} SPF records: receivers use none.", "Make one of them.")]
        walk = spf.Walk()
        try:
            await spf.judge(self._resolver, domain, None, walk)
            found = self._spf_costs(domain, walk)
            found += self._spf_of_providers(domain, texts[0], walk)
            outgoing = await self._outgoing()
            results = {str(one): await spf.judge(self._resolver, domain, one, spf.Walk()) for one in outgoing}
        except spf.SpfError as error:
            return [fail("spf", f"The SPF record of {domain} cannot be used: {error}.", "Mend it.")]
        merged = (txt(domain, with_mechanisms(texts[0], terms), "SPF"),) if terms else ()
        for address, result in results.items():
            if result == "pass":
                found.append(ok("spf", f"SPF of {domain} lets mail from {address} pass."))
            else:
                found.append(
                    fail("spf", f"SPF of {domain} says {result} to mail from {address}.", "Name it there.", *merged)
                )
        if not results and not self._leaves_from_providers_only:
            found.append(warn("spf", "Nobody can tell whether SPF lets our mail pass.", _UNKNOWN_ACTION))
        if spf.parse(texts[0]).allows_everybody:
            found.append(fail("spf", f"SPF of {domain} lets everybody pass (+all).", "End it with ~all."))
        return found

    def _spf_costs(self, domain: str, walk: spf.Walk) -> list[Finding]:
        found = []
        if walk.lookups > spf.MOST_LOOKUPS:
            sentence = f"SPF of {domain} takes {walk.lookups} lookups; receivers stop at {spf.MOST_LOOKUPS}."
            found.append(fail("spf", sentence, "Take out includes that are not needed, or name networks instead."))
        if walk.void > spf.MOST_VOID:
            sentence = f"{walk.void} terms in SPF of {domain} find nothing; receivers stop at {spf.MOST_VOID}."
            found.append(fail("spf", sentence, "Take them out."))
        if walk.macros:
            sentence = f"SPF of {domain} has macros, which are not followed here: {walk.macros[0][:100]}."
            found.append(warn("spf", sentence, "See for yourself whether they let our mail pass."))
        return found

    def _spf_of_providers(self, domain: str, text: str, walk: spf.Walk) -> list[Finding]:
        """Say whether the record names what the documentation of providers tells their customers to."""
        found = []
        for outlet in self._outlets:
            label, term = outlet.label[:100], outlet.term
            if term is None and outlet.host is None:
                sentence = f"What SPF of {domain} has to name for {label} stands in its documentation."
                found.append(warn("spf", sentence, "See there."))
            elif term is not None and term.removeprefix("include:") in walk.followed:
                found.append(ok("spf", f"SPF of {domain} has {term}, as the documentation of {label} asks."))
            elif term is not None:
                sentence = f"SPF of {domain} lacks {term}, which the documentation of {label} names."
                action = "Name it, unless it sends with a return path of its own."
                found.append(warn("spf", sentence, action, txt(domain, with_mechanisms(text, [term]), "SPF")))
        return found

    async def _dmarc(self) -> list[Finding]:
        domain = self._domain.domain
        minimum = txt(f"_dmarc.{domain}", "v=DMARC1; p=none", "DMARC")
        policy = await dmarc.published(self._resolver, domain)
        if policy is None:
            sentence = f"{domain} has no DMARC record: Gmail, Yahoo and Microsoft refuse bulk mail without one."
            return [fail("dmarc", sentence, "Publish one.", minimum)]
        if policy.problem is not None:
            return [fail("dmarc", f"{policy.where} cannot be used: {policy.problem}.", "Mend it.", minimum)]
        found = [ok("dmarc", f"{policy.where} says `p={policy.policy}`.")]
        return_path = self._domain.envelope_domain
        if not policy.aligned(return_path, domain, "aspf"):
            sentence = f"The return path's domain {return_path} is not aligned with {domain}: only DKIM counts."
            found.append(warn("dmarc", sentence, f"Take a return path under {domain}, or `aspf=r`."))
        if policy.policy != "none" and not self._domain.keys_in(KeyState.ACTIVE):
            sentence = f"The policy is {policy.policy}, and no mail is signed: what is forwarded is lost."
            found.append(fail("dmarc", sentence, "Publish the DKIM records, then check once more."))
        return found

    # -- mail servers

    async def _mx(self) -> list[Finding]:
        domain = self._domain.domain
        servers = await self._resolver.mx(domain)
        if not servers:
            if await self._resolver.addresses(domain):
                return [warn("mx", f"{domain} has no MX record; mail to it goes to its address.", "Publish an MX.")]
            sentence = f"{domain} takes no mail: it has no MX record and no address. Many receivers refuse its mail."
            return [fail("mx", sentence, "Publish an MX record for a server that takes answers.")]
        if any(not server for _, server in servers):
            sentence = f"{domain} says that it takes no mail (null MX). Many receivers refuse its mail."
            return [fail("mx", sentence, "Publish an MX record for a server that takes answers.")]
        lost = [server for _, server in servers if not await self._resolver.addresses(server)]
        if lost:
            return [warn("mx", f"{lost[0][:100]}, an MX of {domain}, has no address.", "Mend or remove it.")]
        return [ok("mx", f"{domain} takes mail at {servers[0][1][:100]}.")]

    async def _return_path(self) -> list[Finding]:
        domain = self._domain.return_path_domain
        ways = [carriers.bounces_by(outlet, has_return_path=domain is not None) for outlet in self._outlets]
        others = [finding for finding in ways if finding is not None]
        if others and len(others) == len(ways):
            return others
        return [await self._own_return_path(domain), *others]

    async def _own_return_path(self, domain: str | None) -> Finding:
        if domain is None:
            return ok("return_path", "Bounces go to the sender's own address.")
        servers = [server for _, server in await self._resolver.mx(domain) if server]
        if not servers:
            sentence = f"Bounces go to {domain}, which has no MX record: they are lost, and receivers may refuse mail."
            return fail("return_path", sentence, "Publish an MX record for the server that takes bounces.")
        return ok("return_path", f"Bounces go to {domain}, which {servers[0][:100]} takes mail for.")

    async def _outgoing(self) -> list[Address]:
        """Return the addresses that mail leaves from, as far as they are known: global ones only."""
        if self._settings.domain.outgoing_addresses:
            return list(self._settings.domain.outgoing_addresses)
        found: dict[Address, None] = {}
        for outlet in self._outlets:
            if outlet.host is None or outlet.term is not None:
                continue
            try:
                found[ip_address(outlet.host)] = None
            except ValueError:
                found |= dict.fromkeys(await self._resolver.addresses(outlet.host))
        return [address for address in found if address.is_global]

    @property
    def _leaves_from_providers_only(self) -> bool:
        """Tell whether all addresses that mail leaves from are the providers' own, and theirs to see to."""
        return bool(self._outlets) and all(outlet.term is not None or outlet.host is None for outlet in self._outlets)

    async def _ptr(self) -> list[Finding]:
        outgoing = await self._outgoing()
        if not outgoing and self._leaves_from_providers_only:
            return [ok("ptr", "Mail leaves from addresses of providers, who see to their names.")]
        if not outgoing:
            return [warn("ptr", "The addresses that mail leaves from are not known.", _UNKNOWN_ACTION)]
        return [await self._ptr_of(address) for address in outgoing[:10]]

    async def _ptr_of(self, address: Address) -> Finding:
        action = "Ask whoever lent you the address for a PTR record with your mail server's name."
        names = await self._resolver.names(address)
        if not names:
            return fail("ptr", f"{address} has no name (PTR). Gmail refuses mail from it.", action)
        for name in names[:5]:
            if address in await self._resolver.addresses(name):
                return ok("ptr", f"{address} is {name[:100]}, and back.")
        return fail("ptr", f"{address} is called {names[0][:100]}, which does not lead back to it.", action)

    async def _tls(self, opener: Opener) -> list[Finding]:
        servers = [outlet for outlet in self._outlets if outlet.host is not None]
        found = list(await asyncio.gather(*(self._tls_of(outlet, opener) for outlet in servers)))
        if not self._outlets:
            sentence = "No provider takes mail of this domain out: it goes to the sandbox inbox, or waits."
            found.append(warn("tls", sentence, "Add one (`taskflow provider add`), or set TASKFLOW_SMTP_HOST."))
        return found

    async def _tls_of(self, outlet: Outlet, opener: Opener) -> Finding:
        label = outlet.label[:100]
        try:
            starttls = await _offers_starttls(self._pool_of(outlet, opener))
        except (ProviderFaultError, ProviderUnusableError, ConfigurationError) as error:
            where = "TASKFLOW_SMTP_*" if outlet.row is None else f"`taskflow provider test {outlet.row.name}`"
            return fail("tls", f"The mail server {label} cannot be used: {error}.", f"See {where}.")
        if not outlet.is_plain:
            return ok("tls", f"Mail goes to {label} over TLS.")
        action = "Use a server that offers TLS."
        if starttls:
            name = "TASKFLOW_SMTP_SECURITY" if outlet.row is None else "its field `security`"
            action = f"Set {name} to starttls."
        return warn("tls", f"Mail goes to {label} without TLS.", action)

    def _pool_of(self, outlet: Outlet, opener: Opener) -> SmtpPool:
        """Return connections to a server of ours, to be closed by whoever asked for them."""
        if outlet.row is None:
            return SmtpPool(self._settings.smtp.model_copy(update={"connections": 1}))
        return cast("SmtpMailProvider", opener.provider(outlet.row)).pool  # the kinds that tell a host are of SMTP

    async def _mx_tls(self) -> list[Finding]:
        found = []
        for _, server in (await self._resolver.mx(self._domain.domain))[:_MOST_SERVERS]:
            addresses = await self._resolver.addresses(server) if server else []
            allowed = [address for address in addresses if self._guard.may_reach(address, plain=False)]
            if allowed:
                found.append(await self._starttls_at(server, allowed[0]))
        return found

    async def _starttls_at(self, server: str, address: Address) -> Finding:
        probe = SmtpSettings(
            host=str(address), port=self._smtp_port, security="none", connections=1, connect_timeout=_PROBE_SECONDS
        )
        name = server[:100]
        try:
            offered = await _offers_starttls(SmtpPool(probe))
        except ProviderFaultError as error:
            action = "Nothing, if port 25 is closed from here, as in many networks."
            return warn("mx_tls", f"{name} could not be asked whether it offers TLS: {error}.", action)
        if offered:
            return ok("mx_tls", f"{name} offers TLS to whoever answers (STARTTLS).")
        return warn("mx_tls", f"{name} offers no TLS: answers come in the clear.", "Let it offer STARTTLS.")

    # -- the rest

    async def _one_click(self) -> list[Finding]:
        action = "Set TASKFLOW_HTTP_PUBLIC_URL to how recipients reach this server: https://mail.example.com."
        url = self._settings.http.base_url
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme != "https" or parts.username is not None:
            sentence = f"Unsubscribe links begin with {parts.scheme}://{host}: one click needs https (RFC 8058)."
            return [fail("one_click", sentence, action)]
        try:
            found = [ip_address(host)]
        except ValueError:
            found = await self._resolver.addresses(host) if "." in host else []
        if not any(address.is_global for address in found):
            return [fail("one_click", f"Unsubscribe links lead to {host}, which has no public address.", action)]
        return [ok("one_click", f"Unsubscribe links lead to {host} over https, with one click (RFC 8058).")]

    async def _gmail_volume(self) -> list[Finding]:
        use = self._gmail
        volume = f"{use.primary_domain} sent {use.last_day:,} messages to Gmail in 24 hours"
        if use.bulk_since is not None:
            sentence = f"{volume}; since {use.bulk_since:%Y-%m-%d} it is a bulk sender there, for good."
            return [ok("gmail", sentence)]
        if use.last_day >= _NEAR_BULK * BULK_A_DAY:
            action = "See that DKIM, SPF, DMARC and one_click are ok before it becomes a bulk sender."
            return [warn("gmail", f"{volume}; at {BULK_A_DAY:,} it is a bulk sender for good.", action)]
        return [ok("gmail", f"{volume}; at {BULK_A_DAY:,} it is a bulk sender for good.")]


async def _offers_starttls(pool: SmtpPool) -> bool:
    """Connect, say nothing but EHLO (and sign in, where a name is set), and return whether STARTTLS was offered.

    Raises:
        ProviderFaultError: it cannot be used.
    """
    try:
        return (await pool.features()).starttls
    finally:
        await pool.close()


def _tags(text: str) -> dict[str, str]:
    """Return the tags of a DKIM record; the first of a name counts."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        if equals:
            tags.setdefault(name.strip(), value.strip())
    return tags
