"""Mail servers: where answers and bounces go, and what the addresses that mail leaves from are called."""

from taskflow.delivery.domains import carriers
from taskflow.delivery.domains.checks.patient import UNKNOWN_ACTION, Patient
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.resolver import Address


async def check_mx(patient: Patient) -> list[Finding]:
    """Look at who takes answers."""
    domain = patient.domain.domain
    servers = await patient.resolver.mx(domain)
    if not servers:
        if await patient.resolver.addresses(domain):
            return [warn("mx", f"{domain} has no MX record; mail to it goes to its address.", "Publish an MX.")]
        sentence = f"{domain} takes no mail: it has no MX record and no address. Many receivers refuse its mail."
        return [fail("mx", sentence, "Publish an MX record for a server that takes answers.")]
    if any(not server for _, server in servers):
        sentence = f"{domain} says that it takes no mail (null MX). Many receivers refuse its mail."
        return [fail("mx", sentence, "Publish an MX record for a server that takes answers.")]
    lost = [server for _, server in servers if not await patient.resolver.addresses(server)]
    if lost:
        return [warn("mx", f"{lost[0][:100]}, an MX of {domain}, has no address.", "Mend or remove it.")]
    return [ok("mx", f"{domain} takes mail at {servers[0][1][:100]}.")]


async def check_return_path(patient: Patient) -> list[Finding]:
    """Look at who takes bounces, of ours and of providers that take their own."""
    domain = patient.domain.return_path_domain
    ways = [carriers.bounces_by(outlet, has_return_path=domain is not None) for outlet in patient.outlets]
    others = [finding for finding in ways if finding is not None]
    if others and len(others) == len(ways):
        return others
    return [await _own_return_path(patient, domain), *others]


async def _own_return_path(patient: Patient, domain: str | None) -> Finding:
    if domain is None:
        return ok("return_path", "Bounces go to the sender's own address.")
    servers = [server for _, server in await patient.resolver.mx(domain) if server]
    if not servers:
        sentence = f"Bounces go to {domain}, which has no MX record: they are lost, and receivers may refuse mail."
        return fail("return_path", sentence, "Publish an MX record for the server that takes bounces.")
    return ok("return_path", f"Bounces go to {domain}, which {servers[0][:100]} takes mail for.")


async def check_ptr(patient: Patient) -> list[Finding]:
    """Look at the names of the addresses that mail leaves from."""
    outgoing = await patient.outgoing()
    if not outgoing and patient.leaves_from_providers_only:
        return [ok("ptr", "Mail leaves from addresses of providers, who see to their names.")]
    if not outgoing:
        return [warn("ptr", "The addresses that mail leaves from are not known.", UNKNOWN_ACTION)]
    return [await _ptr_of(patient, address) for address in outgoing[:10]]


async def _ptr_of(patient: Patient, address: Address) -> Finding:
    action = "Ask whoever lent you the address for a PTR record with your mail server's name."
    names = await patient.resolver.names(address)
    if not names:
        return fail("ptr", f"{address} has no name (PTR). Gmail refuses mail from it.", action)
    for name in names[:5]:
        if address in await patient.resolver.addresses(name):
            return ok("ptr", f"{address} is {name[:100]}, and back.")
    return fail("ptr", f"{address} is called {names[0][:100]}, which does not lead back to it.", action)
