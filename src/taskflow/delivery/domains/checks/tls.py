"""TLS: whether mail leaves over it, and whether answers can come over it. These checks connect."""

import asyncio
from typing import cast

from taskflow.base.errors import ConfigurationError
from taskflow.base.outbound import AddressGuard
from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.outlets import Outlet
from taskflow.delivery.domains.resolver import Address
from taskflow.delivery.providers.contract import ProviderUnusableError
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider
from taskflow.delivery.providers.opening import Opener
from taskflow.delivery.smtp import SmtpPool
from taskflow.delivery.smtp.connection import ProviderFaultError
from taskflow.settings.smtp import SmtpSettings

_PROBE_SECONDS = 5.0
_MOST_SERVERS = 2


async def check_outlets(patient: Patient, opener: Opener) -> list[Finding]:
    """Look at the servers that take mail out, with the connections of their providers."""
    servers = [outlet for outlet in patient.outlets if outlet.host is not None]
    found = list(await asyncio.gather(*(_check_outlet(patient, outlet, opener) for outlet in servers)))
    if not patient.outlets:
        sentence = "No provider takes mail of this domain out: it goes to the sandbox inbox, or waits."
        found.append(warn("tls", sentence, "Add one (`taskflow provider add`), or set TASKFLOW_SMTP_HOST."))
    return found


async def _check_outlet(patient: Patient, outlet: Outlet, opener: Opener) -> Finding:
    label = outlet.label[:100]
    try:
        starttls = await _offers_starttls(_pool_of(patient, outlet, opener))
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


def _pool_of(patient: Patient, outlet: Outlet, opener: Opener) -> SmtpPool:
    """Return connections to a server of ours, to be closed by whoever asked for them."""
    if outlet.row is None:
        return SmtpPool(patient.settings.smtp.model_copy(update={"connections": 1}))
    return cast("SmtpMailProvider", opener.provider(outlet.row)).pool  # the kinds that tell a host are of SMTP


async def check_mx(patient: Patient) -> list[Finding]:
    """Look at the domain's own mail servers: only at addresses that the guard lets through, for others name them."""
    guard = AddressGuard(patient.settings.webhook.allow_networks)
    found = []
    for _, server in (await patient.resolver.mx(patient.domain.domain))[:_MOST_SERVERS]:
        addresses = await patient.resolver.addresses(server) if server else []
        allowed = [address for address in addresses if guard.may_reach(address, plain=False)]
        if allowed:
            found.append(await _starttls_at(patient, server, allowed[0]))
    return found


async def _starttls_at(patient: Patient, server: str, address: Address) -> Finding:
    probe = SmtpSettings(
        host=str(address), port=patient.smtp_port, security="none", connections=1, connect_timeout=_PROBE_SECONDS
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


async def _offers_starttls(pool: SmtpPool) -> bool:
    """Connect, say nothing but EHLO (and sign in, where a name is set), and return whether STARTTLS was offered.

    Raises:
        ProviderFaultError: it cannot be used.
    """
    try:
        return (await pool.features()).starttls
    finally:
        await pool.close()
